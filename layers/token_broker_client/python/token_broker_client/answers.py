"""The broker's answer: a live token, the headers to send, and the host to send them to."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, Self

from token_broker_client.errors import TooManyRequests, Unreachable
from token_broker_client.request import PER_CALL, Key

if TYPE_CHECKING:
    import httpx
    import requests.auth


class Immutable:
    """A value that needs no copies: a copy is the value itself."""

    __slots__ = ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self


class Headers(Immutable, Mapping[str, str]):
    """Headers that sign a request. No repr shows their values, and they cannot be pickled."""

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

    def __or__(self, others: Mapping[str, str]) -> "Headers":
        return Headers({**self, **others}) if isinstance(others, Mapping) else NotImplemented

    def __ror__(self, others: Mapping[str, str]) -> "Headers":
        return Headers({**others, **self}) if isinstance(others, Mapping) else NotImplemented

    def copy(self) -> dict[str, str]:
        """Return the headers as a dict, for `urllib3`. Its `repr` shows their values."""
        return dict(self._values)

    def __reduce__(self) -> str:
        raise TypeError("these headers hold a token, which is not pickled: ask the broker again")


class Context(Immutable, dict[str, Any]):
    """A token's context: an immutable dict, which `json` can write."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("an answer's context does not change: make a dict of it first")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class TokenSource(Immutable, ABC):
    """The source of an answer and of the next ones: an `Access`."""

    __slots__ = ("key",)

    def __init__(self, key: Key) -> None:
        self.key = key

    @property
    def flow(self) -> str:
        """The name of the vendor's flow, like ``vntana``."""
        return self.key.flow

    @property
    def connection(self) -> str:
        """The name of the connection."""
        return self.key.connection

    @abstractmethod
    def answer(self, *, rejected: str | None = None) -> "Answer":
        """Return a live token, but not the one with the fingerprint *rejected*."""

    @abstractmethod
    async def answer_async(self, *, rejected: str | None = None) -> "Answer":
        """Do the same for a task."""

    @abstractmethod
    def auth(self) -> "requests.auth.AuthBase":
        """Return an `auth` for `requests`."""

    @abstractmethod
    def httpx_auth(self) -> "httpx.Auth":
        """Return an `auth` for `httpx`."""

    def replacement(self, refused: "Answer") -> "Answer | None":
        """Report a token that the vendor refused, and return the broker's answer.

        None if the broker accepts no further report for a while.
        """
        with suppress(TooManyRequests):
            return self.answer(rejected=refused.fingerprint)
        return None

    async def replacement_async(self, refused: "Answer") -> "Answer | None":
        """Do the same for a task."""
        with suppress(TooManyRequests):
            return await self.answer_async(rejected=refused.fingerprint)
        return None

    def url(self, path: str) -> str:
        """Return the address of *path* at the vendor."""
        return f"{self.answer().base_url.rstrip('/')}/{path.lstrip('/')}"


@dataclass(frozen=True, slots=True)
class Answer(Immutable):
    """A live token. It is immutable; `access` returns the next one."""

    flow: str
    connection: str
    headers: Headers = field(repr=False, hash=False)
    """The headers that sign a request."""
    base_url: str
    """The vendor's URL. The headers are for this host only."""
    url: str | None = field(repr=False)
    """The editor's URL with the token in it; None for other flows."""
    expires_at: datetime
    refresh_after: datetime
    fingerprint: str
    """The token's name, which may be shown and logged."""
    generation: int
    stale: bool
    """Whether its renewal failed or is running: then the vendor may have revoked it."""
    context: Mapping[str, Any] = field(hash=False)
    """Facts of the token: an organization, a user, a role. Never a secret."""
    source: str = field(compare=False)
    """Where the broker took it from: ``memory``, ``table`` or ``exchange``."""
    access: TokenSource = field(repr=False, compare=False)
    """Returns the next token."""

    @classmethod
    def of(cls, access: TokenSource, document: Mapping[str, Any]) -> "Answer":
        """Return the answer in *document*. Raises `Unreachable` if it is not one for *access*."""
        with understanding():
            if (document["flow"], document["connection"]) != (access.flow, access.connection):
                raise ValueError
            return cls(
                flow=access.flow,
                connection=access.connection,
                headers=Headers({text(name): text(it) for name, it in document["headers"].items()}),
                base_url=text(document["base_url"]),
                url=None if document.get("url") is None else text(document["url"]),
                expires_at=moment(document["expires_at"]),
                refresh_after=moment(document["refresh_after"]),
                fingerprint=text(document["fingerprint"]),
                generation=document["generation"],
                stale=document["stale"] is True,
                context=Context(document["context"]),
                source=text(document["source"]),
                access=access,
            )

    @property
    def is_shareable(self) -> bool:
        """Say whether another caller may get the same token.

        In some flows, a connection may make a token for each call. Such a token comes from an
        exchange, never from the table.
        """
        return self.flow not in PER_CALL or self.source != "exchange"

    def auth(self) -> "requests.auth.AuthBase":
        """Return an `auth` for `requests`, with this token and the next ones."""
        return self.access.auth()

    def httpx_auth(self) -> "httpx.Auth":
        """Return an `auth` for `httpx`, with this token and the next ones."""
        return self.access.httpx_auth()


def text(value: object) -> str:
    """Return *value*, which must be a text."""
    if not isinstance(value, str):
        raise TypeError
    return value


def moment(value: object) -> datetime:
    """Return the time in a text, which must have a time zone."""
    found = datetime.fromisoformat(text(value))
    if found.tzinfo is None:
        raise ValueError
    return found


@contextmanager
def understanding() -> Iterator[None]:
    """Raise `Unreachable` if the answer that is read in this context is not valid."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError):
        error = Unreachable("what answered is not the broker, or has another version")
        error.retryable = False
        raise error from None
