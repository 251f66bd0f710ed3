"""What a run needs of a vendor: a fake, secrets for it, and what its requests are about."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from tests.protocol.simulation.plans import ChangeKind, Plan, Setting
from token_broker.exchange import Request, Response
from token_broker.flows import Flow
from token_broker_fakes.fake import Fake


class Vendor(ABC):
    """One vendor, with two users."""

    flow: ClassVar[Flow]
    bodies: ClassVar[Sequence[Mapping[str, Any]]]
    """What callers ask for, one for each variant and each way to name it."""
    bad_bodies: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """What callers ask for that there is not."""
    weight: ClassVar[float] = 2
    """How often plans are about it."""
    modes: ClassVar[Sequence[Mapping[str, Any]]] = ({},)
    """How it may behave."""
    longest_run: ClassVar[int] = 20
    """About as many steps as an exchange takes, from the first look to the answer."""
    commits: ClassVar[tuple[int, ...]] = ()
    """Steps at which a first exchange keeps its token, where there are few ways to it."""
    last_writes: ClassVar[tuple[int, ...]] = (6, 11, 12, 13)
    """The same of all flows, as first exchanges are today."""
    rotations: ClassVar[Sequence[ChangeKind]] = (
        *("other user", "bad secret", "other host", "good secret"),
    )
    """What a new version of the secret may say."""

    fake: Fake[Any]

    @abstractmethod
    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        """Make the fake, and its users."""

    def answer(self, request: Request) -> Response:
        """Answer *request* as the vendor does."""
        return self.fake(request)

    @abstractmethod
    def secret(self, setting: Setting) -> dict[str, Any]:
        """Return a secret that says this."""

    def forbids(self, body: Mapping[str, Any], setting: Setting) -> bool:
        """Say whether a secret that says this pins what a call's *body* chooses otherwise."""
        del body, setting
        return False

    @abstractmethod
    def hosts(self, setting: Setting) -> frozenset[str]:
        """Return where a secret that says this may lead."""

    @abstractmethod
    def bases(self, setting: Setting) -> frozenset[str]:
        """Return the addresses that callers may be told with a token."""

    @abstractmethod
    def describes(self, context: Mapping[str, Any], setting: Setting, since: float) -> bool:
        """Say whether a token's *context* is true of what a secret says, or was *since* then."""

    @abstractmethod
    def set_password(self, user: int, password: str) -> None:
        """Accept this password of a user, and no other."""

    def change_roles(self) -> None:  # noqa: B027 (most have none)
        """Have the users change places, where there are any."""

    def set_lifetime(self, seconds: int) -> int:
        """Have the tokens live so long that are made from now on; return how long the flow thinks.

        An answer may not tell.
        """
        self.fake.modes.lifetime = seconds
        return seconds

    @abstractmethod
    def key(self, request: Request) -> str | None:
        """Return the variant whose token *request* makes; None if it makes none."""

    @abstractmethod
    def credential(self, request: Request) -> str | None:
        """Return what *request* logs in with, as `Setting.credential` has it."""

    @abstractmethod
    def bearer(self, request: Request) -> str | None:
        """Return the token that *request* is sent with."""

    @abstractmethod
    def tokens(self, response: Response) -> list[str]:
        """Return the tokens that an answer hands out: the one for callers is the first."""

    @abstractmethod
    def is_ended(self, token: str) -> bool:
        """Say whether the vendor ended *token* before its time."""

    @abstractmethod
    def ends_at(self, token: str) -> float:
        """Return when *token* ends by itself."""

    def revoke(self) -> None:
        """End all tokens."""
        self.fake.revoke()

    @abstractmethod
    def wanted(self, body: Mapping[str, Any], setting: Setting, since: float) -> set[str]:
        """Return the variants that a call may be for, by the roles that there were *since* then."""


def no_sleep(seconds: float) -> None:
    """Take no time: a run's delays are the scheduler's."""
    del seconds


def members(response: Response, *names: str) -> list[str]:
    """Return members of an answer's JSON that are there."""
    body = response.json()
    found = [body.get(name) for name in names] if isinstance(body, dict) else []
    return [value for value in found if isinstance(value, str)]
