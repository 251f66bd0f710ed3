"""The origin of a URL: a token is sent only to its vendor's scheme, host and port."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from token_broker_client.errors import WrongDestination

if TYPE_CHECKING:
    from token_broker_client.answers import Answer

PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Scheme, host and port of a URL."""

    scheme: str
    host: str
    port: int | None

    def __str__(self) -> str:
        port = "" if self.port == PORTS.get(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


def origin(url: str) -> Origin | None:
    """Return the origin of *url*; None if two parsers could differ about it."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or "@" in parts.netloc or "\\" in url:
        return None
    return Origin(parts.scheme, parts.hostname, port)  # both in lower case


def destination(url: Any) -> Origin | None:
    """Return the origin that httpx is about to send a request to, perhaps by a proxy."""
    if not url.target.startswith(b"/"):
        return origin(url.target.decode("ascii"))
    scheme = url.scheme.decode()
    return Origin(scheme, url.host.decode().lower(), url.port or PORTS.get(scheme))


def is_home(url: str, base_url: str) -> bool:
    """Say whether *url* has the origin of *base_url*."""
    home = origin(base_url)
    return home is not None and origin(url) == home


def is_signed(url: str, headers: Mapping[str, object], answer: "Answer") -> bool:
    """Say whether a request was sent with *answer*: a redirect may have led away and back."""
    return is_home(url, answer.base_url) and all(
        headers.get(name) == value for name, value in answer.headers.items()
    )


def check(url: str, base_url: str) -> None:
    """Raise `WrongDestination` unless *url* has the origin of *base_url*."""
    if not is_home(url, base_url):
        # Without path and query, which may be private.
        target = origin(url) or "an address that is not clear"
        raise WrongDestination(f"the token is for {origin(base_url)}, the request to {target}")
