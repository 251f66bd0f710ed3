"""A call arrives: plain, forced, a report or a refresh. It reads the item and decides."""

from collections.abc import Iterator

from tests.protocol.model.decision import ACQUIRE, HAND_OUT, REFUSE, WAIT, decide, is_leased
from tests.protocol.model.state import Age, Ask, Failure, HandOut, Lambda, Move, Stage, worth
from tests.protocol.model.turn import Turn


def calls(turn: Turn) -> Iterator[Move]:
    """A new call arrives."""
    for name in turn.scenario.callable:
        if not turn.guards.key:
            yield mixed_up(turn, name)
            continue
        item, kept = turn.state.items[name], turn.me.kept
        call = turn._replace(me=Lambda(Stage.WAITING, name, Ask.PLAIN, kept=kept))
        yield read(call)._replace(fair=False)
        if (item.age == Age.AGING or item.failure == Failure.DUE) and not is_leased(item):
            yield read(call.by(ask=Ask.RENEWING))._replace(fair=False)
        if turn.may("force"):
            yield forced(call.by(ask=Ask.FORCED, seen=item.generation))
        if kept and turn.may("report"):
            yield reported(call.by(ask=Ask.REPORTING))


def mixed_up(turn: Turn, requested: int) -> Move:
    """A call for variant *requested* reads the item that all variants share."""
    move = read(turn._replace(me=Lambda(Stage.WAITING, turn.scenario.callable[0])))
    events = (e._replace(asked=requested) if isinstance(e, HandOut) else e for e in move.events)
    return move._replace(events=tuple(events), fair=False)


def forced(turn: Turn) -> Move:
    """A forced call justifies an exchange, unless one is running."""
    item, spent = turn.item, turn.state._replace(occasions=turn.state.occasions - 1)
    is_early = item.failure == Failure.PATIENT and item.strict
    if not is_leased(item) and not is_early:
        spent = worth(spent, turn.me.item)
    move = read(turn.within(spent))
    return move._replace(text="is called with force: " + move.text, fair=False)


def read(turn: Turn) -> Move:
    """Read the item and decide: one strongly consistent read."""
    item, secret = turn.item, turn.state.secret
    if turn.me.ask == Ask.FORCED and not turn.guards.generation_wait:
        turn = turn.by(seen=item.generation)
    caller, gate = turn.me, turn.gate if turn.scenario.gate else None
    choice = decide(turn.rules, item, caller, secret, gate)
    if choice == ACQUIRE:
        now = caller._replace(step=Stage.ACQUIRING, seen=item.generation, fence=item.fence, kept=0)
        return turn.move("reads that an exchange is needed", now)
    if choice == HAND_OUT:
        return turn.hands_out("returns the stored token", item)
    if choice == WAIT and caller.ask != Ask.RENEWING:
        waiting = caller._replace(kept=0)
        return turn.move("reads that another holds the lease, and waits", waiting)
    code = "credential_latched" if choice == REFUSE else "upstream_unavailable"
    return turn.fails(f"answers {code}", code, secret)


def waits(turn: Turn) -> Iterator[Move]:
    """A waiting caller reads again; giving up with `refresh_in_progress` changes nothing."""
    if turn.me.ask == Ask.REPORTING and turn.me.kept:
        yield reported(turn)._replace(fair=True)
    else:
        yield read(turn)


def reported(turn: Turn) -> Move:
    """A caller reports its token as rejected: only the current one is marked, once."""
    item, caller, spent = turn.item, turn.me, turn.state
    counts = item.token == caller.kept and not item.rejected
    if not caller.outer:
        spent = spent._replace(occasions=spent.occasions - 1)
    if counts:
        spent = worth(spent, caller.item)
    turn = turn.within(spent)
    if item.rejected or (turn.guards.compare and not counts):
        move = read(turn.by(kept=0))
        return move._replace(text="reports an older token: " + move.text, fair=False)
    turn = turn.by(step=Stage.MARKING)
    if not turn.guards.compare_write:
        text = "sees that the token it reports is the current one"
        return turn.move(text, turn.me)._replace(fair=False)
    return next(marks(turn))._replace(fair=False)


def marks(turn: Turn) -> Iterator[Move]:
    """Mark the token as rejected, and read again."""
    item = turn.item
    if item.token == turn.me.kept:
        turn = turn.within(turn.state._replace(reported=item.token))
    marked = item._replace(rejected=1)
    if item.blames < 0 or not item.latch >> item.blames & 1:
        marked = marked._replace(failure=Failure.CALM, strict=0, blames=-1)
    reading = turn.me._replace(step=Stage.WAITING, kept=0)
    yield turn.move("marks the token as rejected", reading, item=marked)
