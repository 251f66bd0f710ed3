"""New calls: plain, forced, with a report, or off the caller's path."""

from collections.abc import Iterator

from tests.protocol.model.answers import may
from tests.protocol.model.decision import is_leased
from tests.protocol.model.reading import read, reported
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import (
    Age,
    Ask,
    Failure,
    HandOut,
    Lambda,
    Move,
    Stage,
    State,
    worth,
)


def calls(rules: Rules, state: State, place: int, idle: Lambda) -> Iterator[Move]:
    """A new call comes in."""
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


def mixed_up(rules: Rules, state: State, place: int, asked: int) -> Move:
    """A call for variant *asked* reads the item that all variants share."""
    move = read(rules, state, place, Lambda(Stage.WAITING, rules.scenario.callable[0]))
    told = (e._replace(asked=asked) if isinstance(e, HandOut) else e for e in move.events)
    return move._replace(events=tuple(told), fair=False)


def forced(rules: Rules, state: State, place: int, caller: Lambda) -> Move:
    """A forced call is worth an exchange, unless one is running anyway."""
    name, spent = caller.item, state._replace(occasions=state.occasions - 1)
    item = state.items[name]
    is_early = item.failure == Failure.PATIENT and item.strict
    if not is_leased(item) and not is_early:
        spent = worth(spent, name)
    move = read(rules, spent, place, caller)
    return move._replace(text="is called with force: " + move.text, fair=False)
