"""The shared parts of Vendorlink's endpoints: users, tokens and refusals."""

from dataclasses import dataclass, field

from token_broker_fakes.clock import Clock
from token_broker_fakes.log import Log
from token_broker_fakes.vendorlink.modes import VendorlinkModes
from token_broker_fakes.vendorlink.sessions import Access, Tokens, User
from token_broker_fakes.wire import Answer, Call, Refused

FAILURES: dict[str, tuple[int, bytes]] = {
    "empty200": (200, b""),
    "204": (204, b""),
    "null": (200, b"null"),
    "object": (200, b"{}"),
    "400": (400, b""),
    "401": (401, b""),
    "403": (403, b""),
}


@dataclass(slots=True)
class Realm:
    """The users and their tokens, under the modes and the clock of the fake."""

    modes: VendorlinkModes
    clock: Clock
    log: Log
    users: list[User]
    tokens: Tokens
    leads: dict[str, str]
    reused: list[str] = field(default_factory=list)

    def live(self, call: Call) -> Access:
        """Return the session of the access token in *call*. Raises a 401 if it is dead."""
        access = self.tokens.access.get(bearer(call))
        if access is None or access.is_dead(self.clock.now()) or access.host != call.host:
            raise failed("401", "no live access token of this host")
        return access


def bearer(call: Call) -> str:
    """Return the access token in *call*, or an empty text."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token if scheme == "Bearer" else ""


def failed(mode: str, why: str) -> Refused:
    """Return the failure under *mode*, to be raised."""
    status, content = FAILURES[mode]
    headers = {"Content-Type": "application/json"} if content else {}
    return Refused(Answer(status, headers, content, why))
