"""When the bus is told that an upstream is down, and up again: once for an outage of a connection.

The gate of the connection says how far that is. An exchange that finds the upstream unavailable
begins an outage there; one that fails so `OUTAGE_SECONDS` later, with no success known in between,
tells of it, and the first that succeeds tells that it is over. Each step is one compare and swap,
so one invocation takes it. It claims the telling, tells, and only then keeps that it told: who dies
in between is followed by another, so that an event comes twice rather than never.
"""

from dataclasses import replace
from enum import Enum

from token_broker.errors import BrokerError
from token_broker.item import LONGEST_CLAIM, Item, is_ahead, rfc3339
from token_broker.refresh.invocation import Invocation
from token_broker.tokens import ONLY

OUTAGE_SECONDS = 60
"""Seconds between the first failure of an outage and the one that tells of it, at least."""

CLAIM_SECONDS = 30
"""How long the invocation that tells the bus keeps others from telling."""

TELLING, TOLD, ENDING = "telling", "told", "ending"


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


def tell(invocation: Invocation) -> None:
    """Tell the bus what this invocation has for it. Costs no caller the token, whatever happens."""
    for what, facts in invocation.news.taken():
        if not invocation.announce(what, **facts):
            return  # the bus does not answer; the log has what it was not told
    is_available, invocation.news.is_available = invocation.news.is_available, None
    if is_available is None:
        return
    try:
        _follow(invocation, is_available=is_available)
    except BrokerError as error:
        invocation.deps.emit("unannounced", what="Upstream", reason=error.detail)


def _follow(invocation: Invocation, *, is_available: bool) -> None:
    """Take the next step of the outage, if there is one."""
    now = invocation.deps.clock.now()
    if step(invocation.gate, now, is_available=is_available) is Step.NOTHING:
        return  # as nearly always: nothing is read, and nothing written
    gate = invocation.deps.store.read(invocation.partition, ONLY)
    if "fence" not in gate.raw:
        return
    bare = replace(gate, outage_since=0, outage_phase=None, outage_claim=0)
    match step(gate, now, is_available=is_available):
        case Step.BEGIN:
            invocation.deps.store.note_outage(gate, replace(bare, outage_since=now))
        case Step.CLEAR:
            invocation.deps.store.note_outage(gate, bare)
        case Step.TELL:
            told = replace(bare, outage_since=gate.outage_since, outage_phase=TOLD)
            _claim_and_tell(invocation, gate, TELLING, told, "Upstream Down")
        case Step.END:
            _claim_and_tell(invocation, gate, ENDING, bare, "Upstream Up")


def _claim_and_tell(invocation: Invocation, gate: Item, phase: str, told: Item, event: str) -> None:
    """Claim to tell *event*, tell it, and keep that it was told as *told* says."""
    now = invocation.deps.clock.now()
    claim = replace(gate, outage_phase=phase, outage_claim=now + CLAIM_SECONDS)
    claimed = invocation.deps.store.note_outage(gate, claim)
    if claimed and invocation.announce(event, since=rfc3339(gate.outage_since)):
        invocation.deps.store.note_outage(claimed, told)
