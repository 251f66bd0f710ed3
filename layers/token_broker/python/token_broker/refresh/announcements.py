"""The events of an invocation, two of which are about an outage of its connection.

Most are sent when the work is done: within an exchange, sending would take time from the vendor's
requests. See docs/events.md.

The connection's gate keeps the state of an outage. An exchange that finds the upstream unavailable
begins the outage. Another one that fails in this way `OUTAGE_SECONDS` later, with no success known
in between, sends `Upstream Down`. The first that succeeds sends `Upstream Up`. By compare and swap
on the gate, one invocation claims an event, sends it, and records that. If it dies in between,
another one sends it again.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from token_broker.dependencies import Dependencies
from token_broker.errors import BrokerError
from token_broker.item import CLAIM_SECONDS, GATE, Item, is_ahead, rfc3339
from token_broker.item_codec import OUTAGE, SCHEMA, attribute

OUTAGE_SECONDS = 60
"""Least seconds between the first failure of an outage and its event."""

SENDING_DOWN, DOWN_SENT, SENDING_UP = "telling", "told", "ending"
EVENTS: Mapping[str | None, str] = {SENDING_DOWN: "Upstream Down", SENDING_UP: "Upstream Up"}


class Outage(NamedTuple):
    """The attributes of a gate that say whether there is an outage: see `Item`."""

    outage_since: int = 0
    outage_phase: str | None = None
    outage_claim: int = 0


def next_outage(gate: Item, now: int, *, is_available: bool) -> Outage | None:
    """Return what to write on *gate* after an exchange; None if that changes nothing.

    A phase of sending says that this invocation sends the event, and no other.
    """
    since, phase, claim = gate.outage_since, gate.outage_phase, now + CLAIM_SECONDS
    is_claimed = is_ahead(gate.outage_claim, now, CLAIM_SECONDS)
    if phase == SENDING_UP:
        # An exchange has succeeded: the event is due, even if the upstream is down again.
        return None if is_claimed else Outage(since, SENDING_UP, claim)
    if is_available:
        if not since:
            return None
        # `Upstream Down` may still be on its way: both events name the same outage.
        return Outage(since, SENDING_UP, claim) if phase else Outage()
    if phase == DOWN_SENT or is_claimed:
        return None
    if not since:
        return Outage(now)
    return Outage(since, SENDING_DOWN, claim) if now - since >= OUTAGE_SECONDS else None


class Announcements:
    """Sends the events of one *connection*. A failure here costs no caller its token."""

    def __init__(self, deps: Dependencies, connection: str) -> None:
        self._deps = deps
        self._names = {"flow": deps.flow.name, "connection": connection}
        self._partition = deps.partition(connection)
        self._later: list[tuple[str, dict[str, Any]]] = []
        self._is_available: bool | None = None
        """Whether the last exchange found the upstream available. None if it does not show that."""

    def send(self, what: str, version: str | None = None, **facts: Any) -> bool:
        """Send the event *what* now; say whether the bus took it. Never a secret or a token."""
        of_version = {"secret_version": version} if version else {}
        return self._deps.announce(what, self._names | of_version | facts)

    def send_later(self, what: str, item: Item, **facts: Any) -> None:
        """Send the event *what*, about the token of *item*, at the end of the invocation."""
        of_token = {
            "variant": item.variant,
            "kind": item.kind,
            "generation": item.generation,
            "fingerprint": item.fingerprint,
            "expires_at": rfc3339(item.expires_at),
            "secret_version": item.secret_version,
        }
        self._later.append((what, of_token | facts))

    def found_upstream(self, *, is_available: bool) -> None:
        """Remember what an exchange has shown: its outage may begin or end by that."""
        self._is_available = is_available

    def finish(self, gate: Item) -> None:
        """Send what is to be sent at the end. *gate* is the gate as it was read last."""
        events, self._later = self._later, []
        for what, facts in events:
            self.send(what, **facts)  # the log has it, even if the bus does not take it
        is_available, self._is_available = self._is_available, None
        if is_available is None:
            return
        if next_outage(gate, self._now(), is_available=is_available) is None:
            return  # the usual case: no read and no write
        try:
            gate = self._deps.store.read(self._partition, GATE)
            self._take_step(gate, is_available=is_available)
        except BrokerError as error:
            self._deps.emit("unannounced", what="Upstream", reason=error.detail)

    def _take_step(self, gate: Item, *, is_available: bool) -> None:
        """Write the next state of the outage, and send its event between two writes."""
        state = next_outage(gate, self._now(), is_available=is_available)
        if state is None or "fence" not in gate.raw:
            return  # a gate that the table has dropped is not created again: it would never expire
        written, event = self._note(gate, state), EVENTS.get(state.outage_phase)
        if written and event and self.send(event, since=rfc3339(state.outage_since)):
            ended = Outage() if is_available else Outage(self._now())
            is_down = state.outage_phase == SENDING_DOWN
            self._note(written, Outage(state.outage_since, DOWN_SENT) if is_down else ended)

    def _note(self, gate: Item, state: Outage) -> Item | None:
        """Write *state* on *gate*. None if *gate* has changed since it was read."""
        was = {name: getattr(gate, name) for name in OUTAGE}
        as_read = {name: attribute(value) if value else None for name, value in was.items()}
        changes = {name: value or None for name, value in state._asdict().items()}
        fence = {"fence": gate.raw.get("fence")}
        return self._deps.store.write_if(gate, {"schema": SCHEMA} | changes, as_read | fence)

    def _now(self) -> int:
        return self._deps.clock.now()
