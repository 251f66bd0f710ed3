"""SigV4 as API Gateway checks it; the expected signature is made with botocore's signer.

The checks come in the order in which AWS makes them: the header's parts, the date, the signed
headers, the scope, the key, and last the signature over method, path, query, headers and body.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
from collections.abc import Iterator
from datetime import datetime, timedelta

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from token_broker_local import messages
from token_broker_local.addresses import ACCESS_KEY, HOST, REGION, SECRET_KEY
from token_broker_local.authorization import TIMESTAMP, Authorization
from token_broker_local.messages import HttpRequest

CREDENTIALS = Credentials(ACCESS_KEY, SECRET_KEY)
TERMINATOR = "aws4_request"
WINDOW = timedelta(minutes=15)
"""How far a signature's date may be from now. API Gateway itself may be as strict as 5 minutes."""


def verify(request: HttpRequest, service: str, now: datetime) -> None:
    """Raise the `GatewayError` that AWS would give, unless *request* is signed for *service*."""
    claim = Authorization.of(request)
    check_date(claim, now)
    if "host" not in claim.signed_headers:
        raise messages.invalid("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    if faults := " ".join(scope_faults(claim, service)):
        raise messages.invalid(faults)
    if claim.scope.access_key != ACCESS_KEY or request.header("x-amz-security-token") is not None:
        raise messages.unknown_key()
    sent = claim.signature.encode()
    if True not in [hmac.compare_digest(one, sent) for one in signatures(request, claim)]:
        raise messages.mismatch()
    if not request.is_local:  # the key is public
        raise messages.forbidden()


def check_date(claim: Authorization, now: datetime) -> None:
    """Refuse a signature whose date is too old, or in the future."""
    signed, minutes = claim.moment, WINDOW.seconds // 60
    if signed < now - WINDOW:
        raise messages.invalid(
            f"Signature expired: {signed:{TIMESTAMP}} is now earlier than "
            f"{now - WINDOW:{TIMESTAMP}} ({now:{TIMESTAMP}} - {minutes} min.)"
        )
    if signed > now + WINDOW:
        raise messages.invalid(
            f"Signature not yet current: {signed:{TIMESTAMP}} is still later than "
            f"{now + WINDOW:{TIMESTAMP}} ({now:{TIMESTAMP}} + {minutes} min.)"
        )


def scope_faults(claim: Authorization, service: str) -> Iterator[str]:
    """Yield a sentence for each wrong part of the scope."""
    scope, day = claim.scope, f"{claim.moment:%Y%m%d}"
    if scope.region != REGION:
        yield f"Credential should be scoped to a valid region, not '{scope.region}'."
    if scope.service != service:
        yield f"Credential should be scoped to correct service: '{service}'."
    if scope.terminator != TERMINATOR:
        yield (
            f"Credential should be scoped with a valid terminator: '{TERMINATOR}', "
            f"not '{scope.terminator}'."
        )
    if scope.day != day:
        yield (
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
            f"HTTP: '{scope.day}' != '{day}', from '{claim.moment:{TIMESTAMP}}'."
        )


def signatures(
    request: HttpRequest, claim: Authorization, credentials: Credentials = CREDENTIALS
) -> Iterator[bytes]:
    """Yield the valid signatures of *request*; none if its body was changed."""
    stated = request.header("x-amz-content-sha256")
    if stated in (None, hashlib.sha256(request.body).hexdigest()):
        for signer in (Signer(claim, credentials), SinglyEncodedSigner(claim, credentials)):
            yield signer.signature_of(request).encode()


class Signer(SigV4Auth):
    """botocore's signer, for the headers and the time that the claim names."""

    def __init__(self, claim: Authorization, credentials: Credentials) -> None:
        super().__init__(credentials, claim.scope.service, claim.scope.region)
        self.claim = claim

    def signature_of(self, request: HttpRequest) -> str:
        """Return the signature that *request* should carry."""
        copy = self.copy_of(request)
        return self.signature(self.string_to_sign(copy, self.canonical_request(copy)), copy)

    def copy_of(self, request: HttpRequest) -> AWSRequest:
        """Return *request* as botocore knows it, with only its signed headers."""
        url = f"http://{HOST}{request.path}?{request.query}"  # the host that counts is a header
        copy = AWSRequest(method=request.method, url=url, data=request.body)
        for name in self.claim.signed_headers:
            for value in request.values(name):
                copy.headers.add_header(name, value)
        copy.context["timestamp"] = f"{self.claim.moment:{TIMESTAMP}}"
        return copy

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        """Return all headers of the copy: botocore itself would leave some unsigned."""
        return request.headers


class SinglyEncodedSigner(Signer):
    """A signer that does not encode the path again, as curl before 8.9.

    AWS encodes a path once more before signing. It makes a difference
    only for a path with `%` in it, and such a signature binds the same bytes to the same key.
    """

    def _normalize_url_path(self, path: str) -> str:
        return path
