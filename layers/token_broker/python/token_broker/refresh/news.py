"""What the bus is told, and when: once for each token, and once for an outage of a connection.

What one invocation has to tell is collected until its work is done: told amid an exchange, it would
take the time of what still has to be sent. See docs/events.md.

The gate of the connection says how far an outage is told. An exchange that finds the upstream
unavailable begins one; another that fails so `OUTAGE_SECONDS` later, with no success known in
between, tells of it, and the first that succeeds tells that it is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from token_broker.item import LONGEST_CLAIM, Item, is_ahead, rfc3339

OUTAGE_SECONDS = 60
"""Seconds between the first failure of an outage and the one that tells of it, at least."""

CLAIM_SECONDS = 30
"""How long the invocation that tells the bus keeps others from telling."""

TELLING, TOLD, ENDING = "telling", "told", "ending"

Event = tuple[str, Mapping[str, Any]]


@dataclass(slots=True)
class News:
    """The events of one invocation, and whether its last exchange found the upstream available."""

    events: list[Event] = field(default_factory=list)
    is_available: bool | None = None
    """None where no exchange was tried, or it says nothing of the upstream's availability."""

    def replaced(self, before: Item, item: Item) -> None:
        """Remember that *item* has a new token, in place of what *before* had."""
        facts = described(item) | {"replaces": before.fingerprint}
        self.events.append(("Token Replaced", facts))

    def unkept(self, item: Item, code: str) -> None:
        """Remember that the token of *item* was handed out once and could not be kept."""
        self.events.append(("Token Unkept", described(item) | {"code": code}))

    def taken(self) -> list[Event]:
        """Return the events, each of them once."""
        events, self.events = self.events, []
        return events


def described(item: Item) -> dict[str, Any]:
    """Return what may be said of the token of *item*: by which name it is known, never itself."""
    return {
        "variant": item.variant,
        "kind": item.kind,
        "generation": item.generation,
        "fingerprint": item.fingerprint,
        "expires_at": rfc3339(item.expires_at),
        "secret_version": item.secret_version,
    }


class Step(Enum):
    """What there is to do about an outage."""

    NOTHING = "it is known, or there is none"
    BEGIN = "the first failure is kept"
    TELL = "the bus is told that the upstream is down"
    CLEAR = "it was over before anybody was told"
    END = "the bus is told that the upstream is up"


def step(gate: Item, now: int, *, is_available: bool) -> Step:
    """Return what follows from an exchange that has just ended, with *gate* as it is."""
    is_claimed = is_ahead(gate.outage_claim, now, LONGEST_CLAIM)
    if is_available:
        if not gate.outage_since:
            return Step.NOTHING
        if gate.outage_phase is None:
            return Step.CLEAR
        # Who tells that it is down need not be waited for: both events name the same outage.
        return Step.NOTHING if is_claimed and gate.outage_phase == ENDING else Step.END
    if gate.outage_phase == TOLD or is_claimed:
        return Step.NOTHING
    if not gate.outage_since or gate.outage_phase == ENDING:
        return Step.BEGIN
    return Step.TELL if now - gate.outage_since >= OUTAGE_SECONDS else Step.NOTHING
