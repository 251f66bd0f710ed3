"""Where a request goes: a token is for its vendor's scheme, host and port, and for nothing else."""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from token_broker_client.errors import WrongDestination

PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """What has to be the same."""

    scheme: str
    host: str
    port: int | None

    def __str__(self) -> str:
        port = "" if self.port == PORTS.get(self.scheme) else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


def origin(url: str) -> Origin | None:
    """Return the origin of *url*; None where readers of URLs might differ about it."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.hostname or "@" in parts.netloc or "\\" in url:
        return None
    return Origin(parts.scheme, parts.hostname, port)  # both in lower case


def destination(url: Any) -> Origin | None:
    """Return where a request goes that httpx is about to write, past a proxy if there is one."""
    if not url.target.startswith(b"/"):
        return origin(url.target.decode("ascii", "replace"))
    scheme = url.scheme.decode()
    return Origin(scheme, url.host.decode().lower(), url.port or PORTS.get(scheme))


def is_home(url: str, base_url: str) -> bool:
    """Say whether a request to *url* stays with the vendor at *base_url*."""
    home = origin(base_url)
    return home is not None and origin(url) == home


def check(url: str, base_url: str) -> None:
    """Raise `WrongDestination` unless *url* is the vendor's."""
    if not is_home(url, base_url):
        # Neither path nor query: they may be private.
        asked = origin(url) or "an address that cannot be told"
        raise WrongDestination(f"the token is for {origin(base_url)}, the request to {asked}")
