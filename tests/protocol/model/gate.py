"""The gate of a connection: its lease allows a login with an unproven version.

A connection with one variant uses that variant's item and lease as the gate.
"""

from collections.abc import Iterator

from tests.protocol.model.decision import is_latched, is_leased, placed
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import (
    Ask,
    Failure,
    Item,
    Lambda,
    Lease,
    Move,
    Result,
    Stage,
    State,
    put,
)


def gate_of(rules: Rules, holder: Lambda) -> int:
    """Return the item that is the gate for a holder."""
    return 0 if rules.scenario.gate else holder.item


def used(state: State, holder: Lambda) -> int:
    """Return the version of the secret that a holder uses."""
    return holder.version if holder.previous or holder.gate else state.secret


def has_accepted(rules: Rules, gate: Item, version: int) -> bool:
    """Return whether the gate records this version as accepted."""
    return version == gate.accepted or (not rules.scenario.gate and version == gate.version)


def looks(rules: Rules, state: State, place: int, holder: Lambda) -> Move | None:
    """Read the secret and the gate; None if the version is proven."""
    gate, version = state.items[gate_of(rules, holder)], used(state, holder)
    known = holder._replace(version=version)
    is_suspect = gate.suspect == version and not gate.suspects
    if is_latched(rules, gate, version) and holder.ask != Ask.FORCED:
        after = placed(state, place, known._replace(step=Stage.COMMITTING, result=Result.LATCHED))
        return Move(place, "reads at the gate that this version was rejected", after)
    if is_suspect and gate.early and rules.guards.second_look:
        after = placed(state, place, known._replace(step=Stage.COMMITTING, result=Result.REJECTED))
        return Move(place, "reads at the gate that it is too early for a second try", after)
    if not rules.scenario.gate or (has_accepted(rules, gate, version) and not is_suspect):
        return None
    if not is_leased(gate):
        gating = placed(state, place, known._replace(step=Stage.GATING, gate=gate.fence))
        return Move(place, "reads at the gate that this version is not proven", gating)
    return Move(place, "waits for the gate", state)


def gates(rules: Rules, state: State, place: int, holder: Lambda) -> Iterator[Move]:
    """Acquire the gate's lease, by the same compare and swap."""
    gate = state.items[0]
    swaps = rules.guards.swap_fence
    if gate.fence == holder.gate if swaps else not is_leased(gate):
        taken = gate._replace(fence=gate.fence + 1, lease=Lease.EARLY)
        after = placed(
            state, place, holder._replace(step=Stage.HOLDING, gate=taken.fence), (0, taken)
        )
        yield Move(place, "takes the gate's lease", after)
    else:
        version = holder.version if holder.previous else 0
        again = placed(state, place, holder._replace(step=Stage.HOLDING, gate=0, version=version))
        yield Move(place, "loses the write at the gate", again)


def judges(rules: Rules, state: State, place: int, holder: Lambda) -> Iterator[Move]:
    """Store the result of the login at the gate, and end the gate's lease.

    A rejection is stored even if another holder has the lease.
    """
    name = gate_of(rules, holder)
    gate, known = state.items[name], rules.guards.verdict
    if holder.result == Result.DENIED and holder.gate:
        learnt = state._replace(items=put(state.items, name, gate._replace(lease=Lease.FREE)))
        done = placed(learnt, place, holder._replace(step=Stage.COMMITTING, gate=0))
        yield Move(place, "ends the gate's lease without a result", done)
    was_accepted = has_accepted(rules, gate, holder.version)
    is_own = bool(holder.gate) and gate.fence == holder.gate
    is_learnt = holder.result > 0 or holder.result == Result.DENIED
    if known and is_own and is_learnt and not holder.previous:
        gate = gate._replace(accepted=holder.version, suspect=-1, suspects=0, early=0)
    if known and holder.result == Result.REJECTED:
        gate = rejected(rules, state, gate, holder)
    if is_own:
        gate = gate._replace(lease=Lease.FREE)
    if rules.scenario.suspects and holder.result == Result.REJECTED:
        yield from blames(rules, state, place, holder)
        return
    judged = holder._replace(step=Stage.COMMITTING, gate=0)
    after = placed(state, place, judged, (name, gate))
    yield Move(place, "stores its verdict at the gate", after)
    if holder.result == Result.REJECTED and not was_accepted and may_go_back(rules, after, judged):
        back = judged._replace(step=Stage.HOLDING, version=holder.version - 1, previous=1, result=0)
        text = "stores its verdict at the gate, and tries the previous version"
        yield Move(place, text, placed(after, place, back))


def blames(rules: Rules, state: State, place: int, holder: Lambda) -> Iterator[Move]:
    """Handle a rejection that may be about the variant, in up to two writes."""
    gate, version, bit = state.items[0], holder.version, 1 << holder.item
    is_own = bool(holder.gate) and gate.fence == holder.gate
    judged = holder._replace(step=Stage.COMMITTING, gate=0)
    if holder.previous:
        ended = gate._replace(lease=Lease.FREE) if is_own else gate
        text = "ends with an ambiguous rejection of the previous version"
        yield Move(place, text, placed(state, place, judged, (0, ended)))
        return
    if has_accepted(rules, gate, version):
        denied = judged._replace(result=Result.DENIED)
        ended = gate._replace(lease=Lease.FREE) if is_own else gate
        text = "finds that the variant is wrong, as the version is proven"
        yield Move(place, text, placed(state, place, denied, (0, ended)))
        return
    if not holder.gate:
        own = state.items[holder.item]
        if rules.guards.own_latch:
            own = own._replace(latch=own.latch | 1 << version)
        own = own._replace(failure=Failure.PATIENT, strict=holder.login, blames=version)
        after = placed(state, place, judged, (holder.item, own))
        yield Move(place, "stores that the variant does not try this version again", after)
        if may_go_back(rules, after, judged):
            back = judged._replace(step=Stage.HOLDING, version=version - 1, previous=1, result=0)
            text = "stores the same, and tries the previous version"
            yield Move(place, text, placed(after, place, back))
        return
    known = gate.suspects if gate.suspect == version else 0
    suspects = known | bit
    if suspects.bit_count() >= rules.scenario.suspects:
        latch = gate.latch | 1 << version
        gate, rest = gate._replace(latch=latch, suspect=-1, suspects=0, early=0), judged
    else:
        gate = gate._replace(suspect=version, suspects=suspects)
        rest = holder._replace(gate=0)
    gate = gate._replace(lease=Lease.FREE) if is_own else gate
    after = placed(state, place, rest, (0, gate))
    yield Move(place, "stores at the gate for which variants the version was refused", after)
    if rest.step == Stage.COMMITTING and may_go_back(rules, after, rest):
        back = rest._replace(step=Stage.HOLDING, version=version - 1, previous=1, result=0)
        text = "stores that it was the last of them, and tries the previous version"
        yield Move(place, text, placed(after, place, back))


def may_go_back(rules: Rules, state: State, holder: Lambda) -> bool:
    """Return whether the previous version may be tried: once, unless it was rejected."""
    if holder.previous or not holder.version or "previous" not in rules.scenario.may:
        return False
    before = holder.version - 1
    items = (state.items[gate_of(rules, holder)], state.items[holder.item])
    return not any(item.latch >> before & 1 for item in items)


def rejected(rules: Rules, state: State, gate: Item, holder: Lambda) -> Item:
    """Return the gate after a rejection: an accepted version is suspect until the second one."""
    version = holder.version if rules.guards.latch_sent else state.secret
    if not rules.scenario.gate:
        blames = holder.version + holder.previous
        gate = gate._replace(failure=Failure.PATIENT, strict=holder.login, blames=blames)
    if not rules.guards.latch:
        return gate
    is_again = gate.suspect == version
    is_proven = has_accepted(rules, gate, version) and not holder.previous
    if is_proven and rules.guards.suspect and (not is_again or gate.early):
        return gate._replace(suspect=version, early=gate.early if is_again else 1)
    accepted = -1 if gate.accepted == version else gate.accepted
    latch = gate.latch | 1 << version
    return gate._replace(latch=latch, accepted=accepted, suspect=-1, early=0)
