"""The gate of a connection: who may log in with a version that is not proven."""

from collections.abc import Iterator

from tests.protocol.model.answers import placed
from tests.protocol.model.decision import is_latched, is_leased
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import (
    COMMITTING,
    EARLY,
    FORCED,
    FREE,
    GATING,
    HOLDING,
    LATCHED,
    REJECTED,
    Lambda,
    Move,
    State,
)


def looks(rules: Rules, state: State, place: int, holder: Lambda) -> Move | None:
    """Read the secret and the gate; None if this version is proven, so that nothing is needed."""
    gate, version = state.items[0], state.secret
    known = holder._replace(version=version)
    if gate.accepted == version:
        return None
    if is_latched(rules, gate, version) and holder.ask != FORCED:
        after = placed(state, place, known._replace(step=COMMITTING, result=LATCHED))
        return Move(place, "reads at the gate that this version was rejected", after)
    if not is_leased(gate):
        gating = placed(state, place, known._replace(step=GATING, gate=gate.fence))
        return Move(place, "reads at the gate that this version is not proven", gating)
    return Move(place, "waits for the gate", state)


def gates(rules: Rules, state: State, place: int, holder: Lambda) -> Iterator[Move]:
    """Take the gate's lease, by the same compare and swap."""
    gate = state.items[0]
    swaps = rules.guards.swap_fence
    if gate.fence == holder.gate if swaps else not is_leased(gate):
        taken = gate._replace(fence=gate.fence + 1, lease=EARLY)
        after = placed(state, place, holder._replace(step=HOLDING, gate=taken.fence), (0, taken))
        yield Move(place, "takes the gate's lease", after)
    else:
        again = placed(state, place, holder._replace(step=HOLDING, gate=0, version=0))
        yield Move(place, "loses the write at the gate", again)


def judges(rules: Rules, state: State, place: int, holder: Lambda) -> Iterator[Move]:
    """Store at the gate what was learnt of the version, and end the gate's lease."""
    if not holder.gate:
        yield revokes(state, place, holder)
        return
    gate, known = state.items[0], rules.guards.verdict
    if known and holder.result > 0:
        gate = gate._replace(accepted=holder.version)
    if known and holder.result == REJECTED:
        gate = gate._replace(latch=latched(rules, state, holder))
    after = placed(
        state,
        place,
        holder._replace(step=COMMITTING, gate=0),
        (0, gate._replace(lease=FREE)),
    )
    yield Move(place, "stores its verdict at the gate", after)


def revokes(state: State, place: int, holder: Lambda) -> Move:
    """Store at the gate, without its lease, that a version is rejected that was accepted once."""
    gate = state.items[0]._replace(accepted=-1, latch=holder.version)
    after = placed(state, place, holder._replace(step=COMMITTING), (0, gate))
    return Move(place, "stores at the gate that the version is no longer accepted", after)


def latched(rules: Rules, state: State, holder: Lambda) -> int:
    """Return the version that a latch names."""
    if not rules.guards.latch:
        return -1
    return holder.version if rules.guards.latch_sent else state.secret
