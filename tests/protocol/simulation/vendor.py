"""The interface of a simulated vendor: a fake, its secrets, and the meaning of its requests."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.protocol.simulation.plans import ChangeKind, Plan, Setting
from token_broker.exchange import Request, Response
from token_broker.flows import Flow
from token_broker_fakes.fake import Fake


class Vendor(ABC):
    """One vendor, with two users."""

    flow: ClassVar[Flow]
    bodies: ClassVar[Sequence[Mapping[str, Any]]]
    """The request bodies of callers, for each variant and each way to name it."""
    bad_bodies: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Request bodies for nonexistent variants."""
    weight: ClassVar[float] = 2
    """The weight of the vendor in the choice of plans."""
    modes: ClassVar[Sequence[Mapping[str, Any]]] = ({},)
    """The modes of its fake."""
    longest_run: ClassVar[int] = 20
    """The approximate number of steps of an exchange, from the first read to the answer."""
    commits: ClassVar[tuple[int, ...]] = ()
    """Steps at which a first exchange stores its token, if these are few."""
    last_writes: ClassVar[tuple[int, ...]] = (6, 11, 12, 13)
    """The same for all flows, by the current code."""
    rotations: ClassVar[Sequence[ChangeKind]] = (
        *("other user", "bad secret", "other host", "good secret"),
    )
    """The kinds of rotations."""

    token_header: ClassVar[str] = "authorization"
    """The header with the token of a request."""

    fake: Fake[Any]

    @abstractmethod
    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        """Make the fake, and its users."""

    def answer(self, request: Request) -> Response:
        """Answer *request* as the vendor does."""
        return self.fake(request)

    @abstractmethod
    def secret(self, setting: Setting) -> dict[str, Any]:
        """Return the secret for *setting*."""

    def forbids(self, body: Mapping[str, Any], setting: Setting) -> bool:
        """Return whether the secret for *setting* pins a parameter that *body* sets otherwise."""
        del body, setting
        return False

    def may_open(self, body: Mapping[str, Any], key: str) -> bool:
        """Return whether a token of *key* opens what *body* asks for, if that exists.

        Only for a bad body, of which the vendor's incomplete list does not tell that it is bad.
        """
        del body, key
        return False

    def hosts(self, setting: Setting) -> frozenset[str]:
        """Return the hosts that requests with *setting* may go to."""
        return frozenset(urlsplit(base).netloc for base in self.bases(setting))

    @abstractmethod
    def bases(self, setting: Setting) -> frozenset[str]:
        """Return the addresses that callers may get with a token."""

    @abstractmethod
    def describes(self, context: Mapping[str, Any], setting: Setting, since: float) -> bool:
        """Return whether a token's *context* is true for *setting*, by roles after *since*."""

    @abstractmethod
    def set_password(self, user: int, password: str) -> None:
        """Accept only this password of a user."""

    def change_roles(self) -> None:  # noqa: B027 (most have none)
        """Swap the roles of the users, if the vendor has roles."""

    def set_lifetime(self, seconds: int) -> int:
        """Set the lifetime of new tokens; return the lifetime that the flow computes.

        An answer may not contain the lifetime.
        """
        self.fake.modes.lifetime = seconds
        return seconds

    @abstractmethod
    def key(self, request: Request) -> str | None:
        """Return the variant of the token that *request* obtains, or None."""

    @abstractmethod
    def credential(self, request: Request) -> str | None:
        """Return the credential of a login, as in `Setting.credential`, or None."""

    def bearer(self, request: Request) -> str | None:
        value = request.headers.get(self.token_header)
        return value.removeprefix("Bearer ") if value else None

    @abstractmethod
    def tokens(self, response: Response) -> list[str]:
        """Return the tokens in an answer: the one for callers is the first."""

    @abstractmethod
    def is_ended(self, token: str) -> bool:
        """Return whether the vendor ended *token* before its expiry."""

    @abstractmethod
    def ends_at(self, token: str) -> float:
        """Return the expiry of *token*."""

    def revoke(self) -> None:
        self.fake.revoke()

    @abstractmethod
    def wanted(self, body: Mapping[str, Any], setting: Setting, since: float) -> set[str]:
        """Return the variants that a call may request, by the roles after *since*."""


def credential_in(request: Request, users: Sequence[str], name: str, password: str) -> str | None:
    """Return the credential of a login by two members of its JSON, or None."""
    body = request.json
    if request.step != "login" or not isinstance(body, dict):
        return None
    return f"{users.index(body[name])}/{body[password]}"


def no_sleep(seconds: float) -> None:
    """Return at once: the scheduler makes a run's delays."""
    del seconds


def members(response: Response, *names: str) -> list[str]:
    """Return the named members that an answer's JSON has."""
    body = response.json()
    found = [body.get(name) for name in names] if isinstance(body, dict) else []
    return [value for value in found if isinstance(value, str)]
