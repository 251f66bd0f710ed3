"""What the broker answers: a live token, what to send it with, and where."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from token_broker_client.errors import Unreachable
from token_broker_client.request import PER_CALL

if TYPE_CHECKING:
    import httpx
    import requests.auth


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

    def __or__(self, others: Mapping[str, str]) -> "Headers":
        return Headers({**self, **others}) if isinstance(others, Mapping) else NotImplemented

    def __ror__(self, others: Mapping[str, str]) -> "Headers":
        return Headers({**others, **self}) if isinstance(others, Mapping) else NotImplemented

    def copy(self) -> dict[str, str]:
        """Return a dict of one's own, as `urllib3` wants it. Its values show in its `repr`."""
        return dict(self._values)

    def __copy__(self) -> "Headers":
        return self

    def __deepcopy__(self, memo: object) -> "Headers":
        return self

    def __reduce__(self) -> str:
        raise TypeError("these headers hold a token, which is not pickled: ask the broker again")


class Context(dict[str, Any]):
    """What a token stands for: a dict, for `json` as well, that does not change."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("an answer's context does not change: make a dict of it first")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __copy__(self) -> "Context":
        return self

    def __deepcopy__(self, memo: object) -> "Context":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class TokenSource(Protocol):
    """Where an answer came from, and where the next one comes from: an `Access`."""

    @property
    def key(self) -> Hashable:
        """What tells its tokens from those of other sources."""

    @property
    def flow(self) -> str:
        """The vendor."""

    @property
    def connection(self) -> str:
        """The credentials' name."""

    def answer(self) -> "Answer":
        """Return a live token."""

    async def answer_async(self) -> "Answer":
        """Do the same for a task."""

    def replacement(self, refused: "Answer", /) -> "Answer | None":
        """Report a token that the vendor refused, and return another one if there is one."""

    async def replacement_async(self, refused: "Answer", /) -> "Answer | None":
        """Do the same for a task."""

    def url(self, path: str) -> str:
        """Return the address of *path* at the vendor."""

    def auth(self) -> "requests.auth.AuthBase":
        """Return what signs requests of `requests`."""

    def httpx_auth(self) -> "httpx.Auth":
        """Return what signs requests of `httpx`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A live token, ready to use. It does not change; its `access` has the next one."""

    flow: str
    connection: str
    headers: Headers = field(repr=False, hash=False)
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
    context: Mapping[str, Any] = field(hash=False)
    """What it stands for: an organization, a user, a role. Never a secret."""
    source: str = field(compare=False)
    """Whether the broker had it in ``memory``, in its ``table``, or from an ``exchange``."""
    access: TokenSource = field(repr=False, compare=False)
    """Where it came from, and where the next one comes from."""

    @classmethod
    def of(cls, access: TokenSource, document: Mapping[str, Any]) -> "Answer":
        """Return the answer that *document* is; raise `Unreachable` if it is none of *access*."""
        try:
            answer = cls._read(access, document)
        except (KeyError, TypeError, ValueError, AttributeError):
            answer = None
        if not answer or (answer.flow, answer.connection) != (access.flow, access.connection):
            error = Unreachable("what answered is not the broker, or has another version")
            error.retryable = False
            raise error from None
        return answer

    @classmethod
    def _read(cls, access: TokenSource, document: Mapping[str, Any]) -> "Answer":
        return cls(
            flow=document["flow"],
            connection=document["connection"],
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
        """Say whether a second caller may have it.

        A connection of some flows may be set to make a token for each call. Such a token comes
        from an exchange, never from the table.
        """
        return self.flow not in PER_CALL or self.source != "exchange"

    def auth(self) -> "requests.auth.AuthBase":
        """Return what signs requests of `requests`, with this token and those that follow it."""
        return self.access.auth()

    def httpx_auth(self) -> "httpx.Auth":
        """Return what signs requests of `httpx`, with this token and those that follow it."""
        return self.access.httpx_auth()

    def __copy__(self) -> "Answer":
        return self

    def __deepcopy__(self, memo: object) -> "Answer":
        return self


def text(value: object) -> str:
    """Return *value*, which has to be a text."""
    if not isinstance(value, str):
        raise TypeError
    return value


def moment(value: object) -> datetime:
    """Return the time that a text says, which has to name its zone."""
    found = datetime.fromisoformat(text(value))
    if found.tzinfo is None:
        raise ValueError
    return found
