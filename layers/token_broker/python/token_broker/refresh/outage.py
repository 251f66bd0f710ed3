"""Sends the events of an invocation, two of which are about an outage of a connection.

They are sent when the work is done: within an exchange, sending would take time from the vendor's
requests. See docs/events.md.

The connection's gate keeps the state of an outage. An exchange that finds the upstream unavailable
begins the outage. Another one that fails in this way `OUTAGE_SECONDS` later, with no success known
in between, sends `Upstream Down`. The first that succeeds sends `Upstream Up`. Each step is one
compare and swap on the gate, so only one invocation takes it. For an event, that invocation claims
it, sends it, and then records that it was sent. If it dies in between, another invocation sends the
event again. So an event is sent at least once.
"""

from enum import Enum

from token_broker.errors import BrokerError
from token_broker.item import CLAIM_SECONDS, GATE, Item, is_ahead, rfc3339
from token_broker.item_codec import OUTAGE, SCHEMA, attribute
from token_broker.records import replace
from token_broker.refresh.invocation import Invocation

OUTAGE_SECONDS = 60
"""Least seconds between the first failure of an outage and its event."""

SENDING_DOWN, DOWN_SENT, SENDING_UP = "telling", "told", "ending"


class Step(Enum):
    """What to do about an outage."""

    NOTHING = "nothing to do: no outage, or another invocation handles it"
    BEGIN = "keep the time of the first failure"
    TELL = "send Upstream Down"
    CLEAR = "forget the outage: it ended before its event was sent"
    END = "send Upstream Up"


def step(gate: Item, now: int, *, is_available: bool) -> Step:
    """Return what to do after an exchange has ended, with *gate* as it is."""
    is_claimed = is_ahead(gate.outage_claim, now, CLAIM_SECONDS)
    if gate.outage_phase == SENDING_UP:
        # An exchange has succeeded: the event is due, even if the upstream is down again.
        return Step.NOTHING if is_claimed else Step.END
    if is_available:
        if not gate.outage_since:
            return Step.NOTHING
        # `Upstream Down` may still be on its way: both events name the same outage.
        return Step.END if gate.outage_phase else Step.CLEAR
    if gate.outage_phase == DOWN_SENT or is_claimed:
        return Step.NOTHING
    if not gate.outage_since:
        return Step.BEGIN
    return Step.TELL if now - gate.outage_since >= OUTAGE_SECONDS else Step.NOTHING


def send_events(invocation: Invocation) -> None:
    """Send the events of this invocation. A failure here costs no caller its token."""
    events, invocation.pending_events = invocation.pending_events, []
    for what, facts in events:
        invocation.announce(what, **facts)  # the log has it, even if the bus does not take it
    is_available, invocation.is_available = invocation.is_available, None
    if is_available is None:
        return
    try:
        _take_step(invocation, is_available=is_available)
    except BrokerError as error:
        invocation.deps.emit("unannounced", what="Upstream", reason=error.detail)


def _take_step(invocation: Invocation, *, is_available: bool) -> None:
    """Take the next step of the outage, if there is one."""
    now = invocation.deps.clock.now()
    if step(invocation.gate, now, is_available=is_available) is Step.NOTHING:
        return  # the usual case: no read and no write
    gate = invocation.deps.store.read(invocation.partition, GATE)
    if "fence" not in gate.raw:
        return  # no gate is kept: see `_note`
    bare = replace(gate, outage_since=0, outage_phase=None, outage_claim=0)
    match step(gate, now, is_available=is_available):
        case Step.BEGIN:
            _note(invocation, gate, replace(bare, outage_since=now))
        case Step.CLEAR:
            _note(invocation, gate, bare)
        case Step.TELL:
            sent = replace(bare, outage_since=gate.outage_since, outage_phase=DOWN_SENT)
            _claim_and_send(invocation, gate, SENDING_DOWN, sent, "Upstream Down")
        case Step.END:
            sent = bare if is_available else replace(bare, outage_since=now)
            _claim_and_send(invocation, gate, SENDING_UP, sent, "Upstream Up")


def _claim_and_send(invocation: Invocation, gate: Item, phase: str, sent: Item, event: str) -> None:
    """Claim *event* by writing *phase*, send it, and record *sent* on the gate."""
    now = invocation.deps.clock.now()
    claim = replace(gate, outage_phase=phase, outage_claim=now + CLAIM_SECONDS)
    claimed = _note(invocation, gate, claim)
    if claimed and invocation.announce(event, since=rfc3339(gate.outage_since)):
        _note(invocation, claimed, sent)


def _note(invocation: Invocation, gate: Item, changed: Item) -> Item | None:
    """Write the outage attributes of *changed*. None if *gate* has changed since it was read.

    A gate that the table has dropped is not created again: it would never expire.
    """
    was, is_now = (
        {name: getattr(item, name) or None for name in OUTAGE} for item in (gate, changed)
    )
    as_read = {name: attribute(value) if value else None for name, value in was.items()}
    fence = {"fence": gate.raw.get("fence")}
    return invocation.deps.store.note(gate, {"schema": SCHEMA} | is_now, as_read | fence)
