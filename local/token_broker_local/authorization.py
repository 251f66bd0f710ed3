"""The parts of a request's `Authorization` header."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from token_broker_local import messages
from token_broker_local.messages import HttpRequest

ALGORITHM = "AWS4-HMAC-SHA256"
TIMESTAMP = "%Y%m%dT%H%M%SZ"
PARTS = ("Credential", "Signature", "SignedHeaders")


@dataclass(frozen=True, slots=True)
class Scope:
    """A signature's `Credential`: access key, day, region and service."""

    access_key: str
    day: str
    region: str
    service: str
    terminator: str

    @classmethod
    def of(cls, credential: str) -> "Scope":
        """Parse *credential*. Raises `GatewayError` unless it has five parts."""
        match credential.split("/"):
            case [access_key, day, region, service, terminator]:
                return cls(access_key, day, region, service, terminator)
        raise messages.incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. "
            f"keyid/date/region/service/term, got '{credential}'"
        )


@dataclass(frozen=True, slots=True)
class Authorization:
    """The signer, the signed headers, the time and the service that the header names."""

    scope: Scope
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)
    moment: datetime

    @classmethod
    def of(cls, request: HttpRequest) -> "Authorization":
        """Parse the header of *request*. Raises `GatewayError` if it is incomplete."""
        authorization = request.header("authorization")
        if authorization is None:
            raise messages.missing_token()
        algorithm, parts = parse(authorization)
        date = request.header("x-amz-date") or request.header("date")
        if faults := " ".join(missing(parts, date)):
            raise messages.incomplete(
                f"{faults} (Hashed with SHA-256 and encoded with Base64) "
                f"Authorization={hashed(authorization)}"
            )
        if algorithm != ALGORITHM:
            raise messages.incomplete(
                f"Unsupported AWS 'algorithm': '{algorithm}' (only {ALGORITHM} for now). "
            )
        headers = tuple(name.lower() for name in parts["SignedHeaders"].split(";"))
        scope = Scope.of(parts["Credential"])
        return cls(scope, headers, parts["Signature"], moment(date or ""))


def parse(authorization: str) -> tuple[str, Mapping[str, str]]:
    """Split the header into its algorithm and its parts."""
    algorithm, _, rest = authorization.strip().partition(" ")
    pairs = [pair.strip().partition("=") for pair in rest.split(",")]
    if not all(separator for _, separator, _ in pairs):
        raise messages.unreadable(hashed(authorization))
    return algorithm, {name: value for name, _, value in pairs}


def missing(parts: Mapping[str, str], date: str | None) -> Iterator[str]:
    """Yield a sentence for each part that is not there."""
    for name in PARTS:
        if not parts.get(name):
            yield f"Authorization header requires '{name}' parameter."
    if date is None:
        yield (
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )


def moment(date: str) -> datetime:
    """Return the time of *date*, in either of its two forms."""
    try:
        return datetime.strptime(date, TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(date).astimezone(UTC)
    except (ValueError, OverflowError):
        raise messages.incomplete(
            "Date must be in ISO-8601 'basic format'. Got "
            f"'{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
        ) from None


def hashed(authorization: str) -> str:
    """Return a malformed header as AWS shows it."""
    return base64.b64encode(hashlib.sha256(authorization.encode()).digest()).decode()
