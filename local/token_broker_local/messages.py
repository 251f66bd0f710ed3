"""HTTP requests and responses of the gateway, and the errors that it returns by itself.

A REST API has neither 404 nor 405 for a route that it does not know: "the client attempts to
invoke an unsupported API method or resource" is MISSING_AUTHENTICATION_TOKEN, a 403.
https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
https://repost.aws/knowledge-center/api-gateway-authentication-token-errors

The words for signatures are those of all AWS services that check them; the order of the checks is
that of `signatures`.
https://repost.aws/knowledge-center/api-gateway-iam-sigv4-mismatch
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

BODY_LIMIT = 10_485_760
"""Bytes of a request's body that API Gateway takes."""

LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
"""Host names by which this machine may be called, with any port. The page of a site whose name was
made to lead here (DNS rebinding) has another."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it was sent: nothing is decoded, header names keep their case."""

    method: str
    path: str
    query: str = field(default="", repr=False)
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    source_ip: str = "127.0.0.1"

    def values(self, name: str) -> Iterator[str]:
        """Yield each value of the header *name*. The case of the name is ignored."""
        return (value for key, value in self.headers if key.lower() == name.lower())

    def header(self, name: str) -> str | None:
        """Return the first value of the header *name*, or None."""
        return next(self.values(name), None)

    @property
    def is_local(self) -> bool:
        """Say whether there is one `Host`, a name of loopback."""
        hosts = [*self.values("Host")]
        return len(hosts) == 1 and LOOPBACK.fullmatch(hosts[0]) is not None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP response."""

    status: int
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)


class GatewayError(Exception):
    """An error response of the gateway itself: status, type for the header, and message."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message


missing_token = partial(
    GatewayError, 403, "MissingAuthenticationTokenException", "Missing Authentication Token"
)
"""Refuses a request without a signature, or for an unknown route."""

unknown_key = partial(
    GatewayError,
    403,
    "UnrecognizedClientException",
    "The security token included in the request is invalid.",
)
"""Refuses an unknown access key, or a session token that belongs to no key."""

invalid = partial(GatewayError, 403, "InvalidSignatureException")
"""Refuses, with a message, a complete signature that is not valid here and now."""

incomplete = partial(GatewayError, 403, "IncompleteSignatureException")
"""Refuses, with a message, a signature that lacks a part."""

mismatch = partial(
    invalid,
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. "
    "Consult the service documentation for details.",
)
"""Refuses a signature that is not the one of this request."""

too_large = partial(
    GatewayError,
    413,
    "RequestTooLargeException",
    f"HTTP content length exceeded {BODY_LIMIT} bytes.",
)
"""Refuses a body that is larger than API Gateway takes."""

too_long = partial(GatewayError, 413, "RequestEntityTooLargeException", "Request Too Long")
"""Refuses an event that is larger than Lambda takes."""

bad_request = partial(GatewayError, 400, "BadRequestException", "Bad Request")
"""Refuses a malformed HTTP request."""

forbidden = partial(GatewayError, 403, "ForbiddenException", "Forbidden")
"""Refuses a host name that the API does not have."""

broken = partial(GatewayError, 502, "InternalServerErrorException", "Internal server error")
"""Reports that the function failed, or returned a malformed response."""

timed_out = partial(GatewayError, 504, "InternalServerErrorException", "Endpoint request timed out")
"""Reports that the function exceeded the integration timeout."""


def unreadable(digest: str) -> GatewayError:
    """Refuse an `Authorization` header of another kind, of which only *digest* is shown."""
    return incomplete(
        "Invalid key=value pair (missing equal-sign) in Authorization header "
        f"(hashed with SHA-256 and encoded with Base64): '{digest}'."
    )
