"""What one invocation has to tell the bus, collected until its work is done.

An event that is told amid an exchange would take the time of what still has to be sent. See
docs/events.md for the events.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from token_broker.item import Item, rfc3339

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
