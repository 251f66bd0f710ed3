"""An HTTP request and its response, as the gateway has them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


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


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An HTTP response."""

    status: int
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
