"""What a run needs of a vendor: a fake, secrets for it, and what its requests are about."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from token_broker.dependencies import Flow
from token_broker.exchange import Request, Response


class Vendor(Protocol):
    """One vendor."""

    flow: Flow
    bodies: Sequence[Mapping[str, Any]]
    """What callers ask for, one for each variant and each way to name it."""

    def answer(self, request: Request) -> Response:
        """Answer *request* as the vendor does."""

    def secret(self, password: str, *, is_other: bool) -> dict[str, Any]:
        """Return a secret; *is_other*: with other defaults."""

    def set_password(self, password: str) -> None:
        """Accept this password and no other."""

    def key(self, request: Request) -> str | None:
        """Return the variant whose token *request* makes; None if it makes none."""

    def password(self, request: Request) -> str | None:
        """Return the password that *request* is a login with."""

    def token(self, response: Response) -> str | None:
        """Return the token that an answer hands out."""

    def is_ended(self, token: str) -> bool:
        """Say whether the vendor ended *token* before its time."""

    def revoke(self) -> None:
        """End all tokens."""

    def wanted(self, body: Mapping[str, Any], *, is_other: bool) -> str:
        """Return the variant that a call is for, with the defaults of a secret."""


def no_sleep(seconds: float) -> None:
    """Take no time: a run's delays are the scheduler's."""
    del seconds


def member(response: Response, name: str) -> str | None:
    """Return a member of an answer's JSON."""
    body = response.json()
    return body.get(name) if isinstance(body, dict) else None
