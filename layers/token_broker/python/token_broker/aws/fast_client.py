"""A client of AWS without boto3, which takes longer to load than the rest of a call.

It has the `operations` of a hit and a miss, and makes one attempt. It returns the result that boto3
would return, or an error that no retry changes. In all other cases boto3 makes the call, with its
own attempts.
"""

import hmac
import json
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256

from token_broker.aws import http1
from token_broker.aws.endpoints import Credentials, FallBack, PlainEnvironment
from token_broker.aws.http1 import AwsAnswer, Connection
from token_broker.aws.operations import (
    ACCEPTED,
    MALFORMED,
    OPERATIONS,
    AwsRefusal,
    Members,
    Parameters,
)
from token_broker.aws.operations import Request as AwsRequest

TIMEOUT = 1.0
"""Seconds to connect, and for an answer. After that boto3 tries, with its own timeouts."""

KEPT_SECONDS = 30
"""How long an idle connection is kept. In a frozen function it may end unseen."""

_JSON = ("application/x-amz-json-", "application/json")


class FastClient:
    """Posts to AWS over connections that are kept open. Threads may share it."""

    def __init__(
        self, environment: PlainEnvironment, clock: Callable[[], float] = time.time
    ) -> None:
        self._credentials = environment.credentials
        self._endpoints = environment.endpoints
        self._clock = clock
        # Here, not at the first request: while a function starts, it has a whole processor.
        self._tls = _tls(environment)
        self._kept: dict[str, list[tuple[float, Connection]]] = {s: [] for s in self._endpoints}

    def call(self, operation: str, parameters: Parameters) -> Members | AwsRefusal | None:
        """Return the answer to *operation*, by boto3's name. None if boto3 must be asked.

        A write whose answer is lost, or is no plain one, is repeated by boto3. It may have been
        done: then it is done twice, as when boto3 itself tries again. All writes of the broker
        are the same when they are done twice, or depend on a condition that the first changes.
        """
        try:
            known = OPERATIONS[operation]
            answer = self._post(known.service, known.request(parameters))
            if answer.status == known.status:
                return known.decoded(parameters, _members(answer))
            return _refusal(answer, operation)
        except (OSError, FallBack, *MALFORMED):
            return None

    def close(self) -> None:
        """Close the connections that are kept open."""
        for kept in self._kept.values():
            while kept:
                kept.pop()[1].close()

    def _post(self, service: str, request: AwsRequest) -> AwsAnswer:
        headers = self._headers(service, request)
        if kept := self._idle(service):
            try:
                return self._send(service, kept, request, headers)
            except (ConnectionError, ssl.SSLError):
                kept.close()  # it ended while it was idle, which is no failure
        return self._send(service, self._connection(service), request, headers)

    def _headers(self, service: str, request: AwsRequest) -> dict[str, str]:
        headers = {
            "host": self._endpoints[service].authority,
            "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock())),
            **request.headers,
        }
        if self._credentials.session_token:
            headers["x-amz-security-token"] = self._credentials.session_token
        headers["authorization"] = authorization(
            # The path is encoded once more than it is sent, as for all services but S3.
            self._credentials,
            service,
            headers,
            request.body,
            path=request.path.replace("%", "%25"),
        )
        return headers

    def _idle(self, service: str) -> Connection | None:
        kept = self._kept[service]
        while kept:
            since, connection = kept.pop()
            if 0 <= self._clock() - since <= KEPT_SECONDS:
                return connection
            connection.close()
        return None

    def _connection(self, service: str) -> Connection:
        endpoint = self._endpoints[service]
        tls = self._tls if endpoint.is_secure else None
        return Connection(endpoint.host, endpoint.port, TIMEOUT, tls)

    def _send(
        self, service: str, connection: Connection, request: AwsRequest, headers: Mapping[str, str]
    ) -> AwsAnswer:
        """Post over *connection*, and keep it open after a whole answer."""
        try:
            answer = connection.post(request.path, headers, request.body)
        except BaseException:
            connection.close()
            raise
        if connection.is_over:
            connection.close()
        else:
            self._kept[service].append((self._clock(), connection))
        return answer


def authorization(
    credentials: Credentials,
    service: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    path: str = "/",
    method: str = "POST",
) -> str:
    """Return the ``authorization`` header that signs all *headers* and *body*, by version 4.

    The headers' names are in lower case, and ``host`` and ``x-amz-date`` are among them. *path* is
    encoded, and no query follows it.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    names = sorted(headers)
    signed = ";".join(names)
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in names]
    request = "\n".join([method, path, "", *lines, "", signed, sha256(body).hexdigest()])
    at = headers["x-amz-date"]
    scope = f"{at[:8]}/{credentials.region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", at, scope, sha256(request.encode()).hexdigest()])
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    access = f"{credentials.access_key}/{scope}"
    return f"AWS4-HMAC-SHA256 Credential={access}, SignedHeaders={signed}, Signature={signature}"


def _tls(environment: PlainEnvironment) -> ssl.SSLContext | None:
    endpoints = environment.endpoints.values()
    if not any(endpoint.is_secure for endpoint in endpoints):
        return None
    is_amazon = all(endpoint.host.endswith(".amazonaws.com") for endpoint in endpoints)
    return http1.context() if is_amazon else ssl.create_default_context()


def _members(answer: AwsAnswer) -> Members:
    """Return what the JSON text of *answer* says, without members that are null, as boto3 does.

    Its checksum, if there is one, must be right.
    """
    checksum = str(zlib.crc32(answer.body))
    if answer.headers.get("x-amz-crc32", checksum) != checksum:
        raise FallBack("a wrong checksum")
    members = {} if answer.status == ACCEPTED else json.loads(answer.body)
    if not isinstance(members, dict):
        raise FallBack("an answer that is no object")
    return {name: value for name, value in members.items() if value is not None}


def _refusal(answer: AwsAnswer, operation: str) -> AwsRefusal:
    """Return the error in *answer*, which no retry changes. Others are for boto3's attempts.

    In Lambda's protocol its code is in a header.
    """
    from token_broker.aws import errors  # noqa: PLC0415 (off the hit path)

    if not answer.headers["content-type"].startswith(_JSON):
        raise FallBack("an error that is not a service's")
    members = _members(answer)
    code = answer.headers.get("x-amzn-errortype", "").partition(":")[0] or members["__type"]
    message = members.get("message") or members.get("Message")
    refusal = AwsRefusal(code.rpartition("#")[2], str(message))
    if not errors.is_final(refusal, operation):
        raise FallBack(refusal.code)
    return refusal


def fast_client(environ: Mapping[str, str]) -> FastClient | None:
    """Return a fast client for *environ*. None if boto3 must be used for everything."""
    try:
        return FastClient(PlainEnvironment.of(environ))
    except FallBack:
        return None
