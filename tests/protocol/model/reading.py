"""A call reads the item, and decides."""

from collections.abc import Iterator

from tests.protocol.model.answers import answered, handed, placed, refused
from tests.protocol.model.decision import ACQUIRE, HAND_OUT, REFUSE, WAIT, decide
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Ask, Failure, Lambda, Move, Stage, State, worth


def read(rules: Rules, state: State, place: int, caller: Lambda) -> Move:
    """Read the item and decide: one strongly consistent read."""
    item = state.items[caller.item]
    if caller.ask == Ask.FORCED and not rules.guards.generation_wait:
        caller = caller._replace(seen=item.generation)
    gate = state.items[0] if rules.scenario.gate else None
    choice = decide(rules, item, caller, state.secret, gate)
    if choice == ACQUIRE:
        now = caller._replace(step=Stage.ACQUIRING, seen=item.generation, fence=item.fence, kept=0)
        return Move(place, "reads that an exchange is needed", placed(state, place, now))
    if choice == HAND_OUT:
        after = placed(state, place, answered(rules, caller, item.token))
        return Move(place, "hands out the stored token", after, handed(rules, caller, item))
    if choice == WAIT and caller.ask != Ask.RENEWING:
        waiting = placed(state, place, caller._replace(kept=0))
        return Move(place, "reads that another has the lease, and waits", waiting)
    code = "credential_latched" if choice == REFUSE else "upstream_unavailable"
    after = placed(state, place, answered(rules, caller, 0))
    return Move(place, f"answers {code}", after, refused(caller, code, state.secret))


def waits(rules: Rules, state: State, place: int, caller: Lambda) -> Iterator[Move]:
    """A waiting caller reads again; giving up with `refresh_in_progress` changes nothing."""
    if caller.ask == Ask.REPORTING and caller.kept:
        yield reported(rules, state, place, caller)._replace(fair=True)
    else:
        yield read(rules, state, place, caller)


def reported(rules: Rules, state: State, place: int, caller: Lambda) -> Move:
    """A caller says that the token it has was refused: only the current one is marked, once."""
    name = caller.item
    item = state.items[name]
    counts = item.token == caller.kept and not item.rejected
    spent = state
    if not caller.outer:
        spent = state._replace(occasions=state.occasions - 1)
    if counts:
        spent = worth(spent, name)
    if item.rejected or (rules.guards.compare and not counts):
        move = read(rules, spent, place, caller._replace(kept=0))
        return move._replace(text="reports an older token: " + move.text, fair=False)
    marking = placed(spent, place, caller._replace(step=Stage.MARKING))
    if not rules.guards.compare_write:
        return Move(place, "sees that the token it reports is the current one", marking, fair=False)
    return next(marks(rules, marking, place, marking.lambdas[place]))._replace(fair=False)


def marks(rules: Rules, state: State, place: int, caller: Lambda) -> Iterator[Move]:
    """Mark the token as rejected, and read again."""
    del rules
    item = state.items[caller.item]
    if item.token == caller.kept:
        state = state._replace(reported=item.token)
    marked = item._replace(rejected=1)
    if item.blames < 0 or not item.latch >> item.blames & 1:
        marked = marked._replace(failure=Failure.CALM, strict=0, blames=-1)
    after = placed(state, place, caller._replace(step=Stage.WAITING, kept=0), (caller.item, marked))
    yield Move(place, "marks the token as rejected", after)
