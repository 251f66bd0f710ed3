"""A call arrives: plain, forced, a report or a refresh. It reads the item and decides."""

from collections.abc import Iterator

from tests.protocol.model.answers import answered, handed, may, placed, refused
from tests.protocol.model.decision import ACQUIRE, HAND_OUT, REFUSE, WAIT, decide, is_leased
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Age, Ask, Failure, HandOut, Lambda, Move, Stage, State, worth


def calls(rules: Rules, state: State, place: int, idle: Lambda) -> Iterator[Move]:
    """A new call arrives."""
    for name in rules.scenario.callable:
        if not rules.guards.key:
            yield mixed_up(rules, state, place, name)
            continue
        item = state.items[name]
        caller = Lambda(Stage.WAITING, name, Ask.PLAIN, kept=idle.kept)
        yield read(rules, state, place, caller)._replace(fair=False)
        if (item.age == Age.AGING or item.failure == Failure.DUE) and not is_leased(item):
            yield read(rules, state, place, caller._replace(ask=Ask.RENEWING))._replace(fair=False)
        if may(rules, state, "force"):
            yield forced(rules, state, place, caller._replace(ask=Ask.FORCED, seen=item.generation))
        if idle.kept and may(rules, state, "report"):
            yield reported(rules, state, place, caller._replace(ask=Ask.REPORTING))


def mixed_up(rules: Rules, state: State, place: int, requested: int) -> Move:
    """A call for variant *requested* reads the item that all variants share."""
    move = read(rules, state, place, Lambda(Stage.WAITING, rules.scenario.callable[0]))
    told = (e._replace(asked=requested) if isinstance(e, HandOut) else e for e in move.events)
    return move._replace(events=tuple(told), fair=False)


def forced(rules: Rules, state: State, place: int, caller: Lambda) -> Move:
    """A forced call justifies an exchange, unless one is running."""
    name, spent = caller.item, state._replace(occasions=state.occasions - 1)
    item = state.items[name]
    is_early = item.failure == Failure.PATIENT and item.strict
    if not is_leased(item) and not is_early:
        spent = worth(spent, name)
    move = read(rules, spent, place, caller)
    return move._replace(text="is called with force: " + move.text, fair=False)


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
        return Move(place, "returns the stored token", after, handed(rules, caller, item))
    if choice == WAIT and caller.ask != Ask.RENEWING:
        waiting = placed(state, place, caller._replace(kept=0))
        return Move(place, "reads that another holds the lease, and waits", waiting)
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
    """A caller reports its token as rejected: only the current one is marked, once."""
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
