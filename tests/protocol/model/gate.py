"""The gate of a connection: its lease allows a login with an unproven version.

A connection with one variant uses that variant's item and lease as the gate.
"""

from collections.abc import Iterator

from tests.protocol.model.decision import is_latched, is_leased
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Ask, Failure, Item, Lease, Move, Result, Stage
from tests.protocol.model.turn import Turn


def used(turn: Turn) -> int:
    """Return the version of the secret that a holder uses."""
    holder = turn.me
    return holder.version if holder.previous or holder.gate else turn.state.secret


def has_accepted(rules: Rules, gate: Item, version: int) -> bool:
    return version == gate.accepted or (not rules.scenario.gate and version == gate.version)


def looks(turn: Turn) -> Move | None:
    """Read the secret and the gate; None if the version is proven."""
    rules, gate, version = turn.rules, turn.gate, used(turn)
    known = turn.me._replace(version=version)
    is_suspect = gate.suspect == version and not gate.suspects
    if is_latched(rules, gate, version) and known.ask != Ask.FORCED:
        latched = known._replace(step=Stage.COMMITTING, result=Result.LATCHED)
        return turn.move("reads at the gate that this version was rejected", latched)
    if is_suspect and gate.early and rules.guards.second_look:
        early = known._replace(step=Stage.COMMITTING, result=Result.REJECTED)
        return turn.move("reads at the gate that it is too early for a second try", early)
    if not rules.scenario.gate or (has_accepted(rules, gate, version) and not is_suspect):
        return None
    if not is_leased(gate):
        gating = known._replace(step=Stage.GATING, gate=gate.fence)
        return turn.move("reads at the gate that this version is not proven", gating)
    return Move(turn.place, "waits for the gate", turn.state)


def gates(turn: Turn) -> Iterator[Move]:
    """Acquire the gate's lease, by the same compare and swap."""
    gate, holder = turn.gate, turn.me._replace(step=Stage.HOLDING)
    if gate.fence == holder.gate if turn.guards.swap_fence else not is_leased(gate):
        taken = gate._replace(fence=gate.fence + 1, lease=Lease.EARLY)
        leased = holder._replace(gate=taken.fence)
        yield turn.move("takes the gate's lease", leased, gate=taken)
    else:
        version = holder.version if holder.previous else 0
        again = holder._replace(gate=0, version=version)
        yield turn.move("loses the write at the gate", again)


def judges(turn: Turn) -> Iterator[Move]:
    """Store the result of the login at the gate, and end the gate's lease.

    A rejection is stored even if another holder has the lease.
    """
    gate, holder, known = turn.gate, turn.me, turn.guards.verdict
    judged = holder._replace(step=Stage.COMMITTING, gate=0)
    if holder.result == Result.DENIED and holder.gate:
        freed = gate._replace(lease=Lease.FREE)
        yield turn.move("ends the gate's lease without a result", judged, gate=freed)
    if turn.scenario.suspects and holder.result == Result.REJECTED:
        yield from blames(turn)
        return
    was_accepted = has_accepted(turn.rules, gate, holder.version)
    is_own = bool(holder.gate) and gate.fence == holder.gate
    is_learnt = holder.result > 0 or holder.result == Result.DENIED
    if known and is_own and is_learnt and not holder.previous:
        gate = gate._replace(accepted=holder.version, suspect=-1, suspects=0, early=0)
    if known and holder.result == Result.REJECTED:
        gate = rejected(turn)
    if is_own:
        gate = gate._replace(lease=Lease.FREE)
    text = "stores its verdict at the gate"
    move = turn.move(text, judged, gate=gate)
    yield move
    if holder.result == Result.REJECTED and not was_accepted:
        yield from goes_back(turn, move, f"{text}, and tries the previous version")


def blames(turn: Turn) -> Iterator[Move]:
    """Handle a rejection that may be about the variant, in up to two writes."""
    gate, holder, version = turn.gate, turn.me, turn.me.version
    is_own = bool(holder.gate) and gate.fence == holder.gate
    ended = gate._replace(lease=Lease.FREE) if is_own else gate
    judged = holder._replace(step=Stage.COMMITTING, gate=0)
    is_proven = has_accepted(turn.rules, gate, version)
    if holder.previous and (is_proven or turn.item.latch >> version & 1):
        text = "ends with an ambiguous rejection of the previous version"
        yield turn.move(text, judged, gate=ended)
    elif is_proven:
        text = "finds that the variant is wrong, as the version is proven"
        yield turn.move(text, judged._replace(result=Result.DENIED), gate=ended)
    elif not holder.gate or holder.previous:
        own = turn.item
        if turn.guards.own_latch:
            own = own._replace(latch=own.latch | 1 << version)
        own = own._replace(failure=Failure.PATIENT, strict=holder.login)
        own = own._replace(blames=version + holder.previous)
        text = "stores that the variant does not try this version again"
        move = turn.move(text, holder if holder.previous else judged, item=own)
        yield move
        yield from goes_back(turn, move, "stores the same, and tries the previous version")
    else:
        known = gate.suspects if gate.suspect == version else 0
        suspects = known | 1 << holder.item
        is_last = suspects.bit_count() >= turn.scenario.suspects
        if is_last:
            latch = gate.latch | 1 << version
            ended = ended._replace(latch=latch, suspect=-1, suspects=0, early=0)
        else:
            ended = ended._replace(suspect=version, suspects=suspects)
        text = "stores at the gate for which variants the version was refused"
        move = turn.move(text, judged if is_last else holder._replace(gate=0), gate=ended)
        yield move
        if is_last:
            text = "stores that it was the last of them, and tries the previous version"
            yield from goes_back(turn, move, text)


def goes_back(turn: Turn, move: Move, text: str) -> Iterator[Move]:
    """Yield the same *move* if the previous version is tried: once, unless it was rejected."""
    holder, before = turn.me, turn.me.version - 1
    if holder.previous or not holder.version or "previous" not in turn.scenario.may:
        return
    stored = turn.within(move.state)
    if not (stored.gate.latch | stored.item.latch) >> before & 1:
        back = holder._replace(step=Stage.HOLDING, gate=0, version=before, previous=1, result=0)
        yield stored.move(text, back)


def rejected(turn: Turn) -> Item:
    """Return the gate after a rejection: an accepted version is suspect until the second one."""
    rules, gate, holder = turn.rules, turn.gate, turn.me
    version = holder.version if rules.guards.latch_sent else turn.state.secret
    if not rules.scenario.gate:
        blamed = holder.version + holder.previous
        gate = gate._replace(failure=Failure.PATIENT, strict=holder.login, blames=blamed)
    if not rules.guards.latch:
        return gate
    is_again = gate.suspect == version
    is_proven = has_accepted(rules, gate, version)
    if is_proven and rules.guards.suspect and (not is_again or gate.early):
        return gate._replace(suspect=version, early=gate.early if is_again else 1)
    accepted = -1 if gate.accepted == version else gate.accepted
    latch = gate.latch | 1 << version
    gate = gate._replace(latch=latch, accepted=accepted)
    return gate._replace(suspect=-1, early=0) if is_again else gate
