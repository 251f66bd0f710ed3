"""What the broker answers: a live token, what to send it with, and where."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from token_broker_client.errors import Unreachable

if TYPE_CHECKING:
    from token_broker_client.access import Access
    from token_broker_client.httpx_auth import HttpxBrokerAuth
    from token_broker_client.requests_auth import BrokerAuth


class Headers(Mapping[str, str]):
    """Headers that sign a request. Their values are shown nowhere, and are not pickled."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({', '.join(f'{name}=…' for name in self)})"

    def __copy__(self) -> "Headers":
        return self

    def __deepcopy__(self, memo: object) -> "Headers":
        return self

    def __reduce__(self) -> str:
        raise TypeError("these headers hold a token, which is not pickled: ask the broker again")


@dataclass(frozen=True, slots=True)
class Answer:
    """A live token, ready to use. It does not change; what it came from knows the next one."""

    flow: str
    connection: str
    headers: Headers = field(repr=False)
    """What signs a request."""
    base_url: str
    """Where requests go: the headers are meant for this host alone."""
    url: str | None = field(repr=False)
    """The editor's address with the token in it; None elsewhere."""
    expires_at: datetime
    refresh_after: datetime
    fingerprint: str
    """The token's name, which may be shown and logged."""
    generation: int
    stale: bool
    """Whether it should have been renewed by now, and the vendor is at fault that it was not."""
    context: Mapping[str, Any]
    """What it stands for: an organization, a user, a role. Never a secret."""
    source: str = field(compare=False)
    """Whether the broker had it in ``memory``, in its ``table``, or from an ``exchange``."""
    access: "Access" = field(repr=False, compare=False)
    """What it came from, and what has the next one."""

    @classmethod
    def of(cls, access: "Access", document: Mapping[str, Any]) -> "Answer":
        """Return the answer that *document* is; raise `Unreachable` if it is none of *access*."""
        try:
            answer = cls._read(access, document)
        except (KeyError, TypeError, ValueError, AttributeError):
            answer = None
        if not answer or (answer.flow, answer.connection) != access.key[1:3]:
            error = Unreachable("what answered is not the broker, or has another version")
            error.retryable = False
            raise error from None
        return answer

    @classmethod
    def _read(cls, access: "Access", document: Mapping[str, Any]) -> "Answer":
        return cls(
            flow=document["flow"],
            connection=document["connection"],
            headers=Headers(document["headers"]),
            base_url=document["base_url"],
            url=document.get("url"),
            expires_at=datetime.fromisoformat(document["expires_at"]),
            refresh_after=datetime.fromisoformat(document["refresh_after"]),
            fingerprint=document["fingerprint"],
            generation=document["generation"],
            stale=document["stale"],
            context=MappingProxyType(document["context"]),
            source=document["source"],
            access=access,
        )

    @property
    def is_shareable(self) -> bool:
        """Say whether a second caller may have it.

        An editor's connection may be set to make a token for each call, and such a one is always
        fresh from an exchange.
        """
        return self.flow != "editor" or self.source != "exchange"

    def auth(self) -> "BrokerAuth":
        """Return what signs requests of `requests`, with this token and those that follow it."""
        return self.access.auth()

    def httpx_auth(self) -> "HttpxBrokerAuth":
        """Return what signs requests of `httpx`, with this token and those that follow it."""
        return self.access.httpx_auth()
