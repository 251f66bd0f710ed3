"""Events for the bus: one for each token, and two for an outage of a connection.

An invocation collects its events, and `outage.send_events` sends them when its work is done: within
an exchange, sending would take time from the vendor's requests. See docs/events.md.

The connection's gate keeps the state of an outage. An exchange that finds the upstream unavailable
begins the outage. Another one that fails in this way `OUTAGE_SECONDS` later, with no success known
in between, sends `Upstream Down`. The first that succeeds sends `Upstream Up`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from token_broker.item import LONGEST_CLAIM, Item, is_ahead, rfc3339

OUTAGE_SECONDS = 60
"""Least seconds between the first failure of an outage and its event."""

CLAIM_SECONDS = 30
"""How long the invocation that sends an event keeps others from sending it."""

TELLING, TOLD, ENDING = "telling", "told", "ending"

Event = tuple[str, Mapping[str, Any]]


@dataclass(slots=True)
class PendingEvents:
    """The events of one invocation that are not sent yet, and what its last exchange found."""

    events: list[Event] = field(default_factory=list)
    is_available: bool | None = None
    """Whether the last exchange found the upstream available. None if it does not show that."""

    def replaced(self, before: Item, item: Item) -> None:
        """Remember that *item* has a new token, which replaces the one of *before*."""
        facts = described(item) | {"replaces": before.fingerprint}
        self.events.append(("Token Replaced", facts))

    def unkept(self, item: Item, code: str) -> None:
        """Remember that the token of *item* was handed out but could not be kept."""
        self.events.append(("Token Unkept", described(item) | {"code": code}))

    def taken(self) -> list[Event]:
        """Return the events and forget them, so that each is sent once."""
        events, self.events = self.events, []
        return events


def described(item: Item) -> dict[str, Any]:
    """Return the facts of the token of *item* that an event may show. Never the token."""
    return {
        "variant": item.variant,
        "kind": item.kind,
        "generation": item.generation,
        "fingerprint": item.fingerprint,
        "expires_at": rfc3339(item.expires_at),
        "secret_version": item.secret_version,
    }


class Step(Enum):
    """What to do about an outage."""

    NOTHING = "no outage, or its event was sent or is being sent"
    BEGIN = "keep the time of the first failure"
    TELL = "send Upstream Down"
    CLEAR = "forget the outage: it ended before its event was sent"
    END = "send Upstream Up"


def step(gate: Item, now: int, *, is_available: bool) -> Step:
    """Return what to do after an exchange has ended, with *gate* as it is."""
    is_claimed = is_ahead(gate.outage_claim, now, LONGEST_CLAIM)
    if is_available:
        if not gate.outage_since:
            return Step.NOTHING
        if gate.outage_phase is None:
            return Step.CLEAR
        # `Upstream Down` may still be on its way: both events name the same outage.
        return Step.NOTHING if is_claimed and gate.outage_phase == ENDING else Step.END
    if gate.outage_phase == TOLD or is_claimed:
        return Step.NOTHING
    if not gate.outage_since or gate.outage_phase == ENDING:
        return Step.BEGIN
    return Step.TELL if now - gate.outage_since >= OUTAGE_SECONDS else Step.NOTHING
