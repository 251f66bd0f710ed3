"""What a run needs of a vendor: a fake, secrets for it, and what its requests are about."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tests.protocol.simulation.settings import Setting
from token_broker.exchange import Request, Response
from token_broker.flows import Flow


class Vendor(Protocol):
    """One vendor, with two users."""

    flow: Flow
    bodies: Sequence[Mapping[str, Any]]
    """What callers ask for, one for each variant and each way to name it."""
    bad_bodies: Sequence[Mapping[str, Any]]
    """What callers ask for that there is not."""

    def answer(self, request: Request) -> Response:
        """Answer *request* as the vendor does."""

    def secret(self, setting: Setting) -> dict[str, Any]:
        """Return a secret that says this."""

    def forbids(self, body: Mapping[str, Any], setting: Setting) -> bool:
        """Say whether a secret that says this pins what a call's *body* chooses otherwise."""

    def hosts(self, setting: Setting) -> frozenset[str]:
        """Return where a secret that says this may lead."""

    def bases(self, setting: Setting) -> frozenset[str]:
        """Return the addresses that callers may be told with a token."""

    def describes(self, context: Mapping[str, Any], setting: Setting, since: float) -> bool:
        """Say whether a token's *context* is true of what a secret says, or was *since* then."""

    def set_password(self, user: int, password: str) -> None:
        """Accept this password of a user, and no other."""

    def change_roles(self) -> None:
        """Have the users change places, where there are any."""

    def set_lifetime(self, seconds: int) -> int:
        """Have the tokens live so long that are made from now on; return how long the flow thinks.

        An answer may not tell.
        """

    def key(self, request: Request) -> str | None:
        """Return the variant whose token *request* makes; None if it makes none."""

    def credential(self, request: Request) -> str | None:
        """Return what *request* logs in with, as `Setting.credential` has it."""

    def bearer(self, request: Request) -> str | None:
        """Return the token that *request* is sent with."""

    def tokens(self, response: Response) -> list[str]:
        """Return the tokens that an answer hands out: the one for callers is the first."""

    def is_ended(self, token: str) -> bool:
        """Say whether the vendor ended *token* before its time."""

    def ends_at(self, token: str) -> float:
        """Return when *token* ends by itself."""

    def revoke(self) -> None:
        """End all tokens."""

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
