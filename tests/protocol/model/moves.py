"""The transition relation: all moves of a state, by Lambdas and by the environment."""

from collections.abc import Callable, Iterator

from tests.protocol.model.calls import calls, marks, waits
from tests.protocol.model.commit import commits, done, may_commit, settles
from tests.protocol.model.decision import may
from tests.protocol.model.exchange import holds, processed, sends, serves
from tests.protocol.model.gate import gates, judges
from tests.protocol.model.leases import WORLD, acquires, deaths, leases, settles_lease
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import (
    Age,
    End,
    Failure,
    Item,
    Lambda,
    Move,
    Stage,
    State,
    put,
    worth,
)


def happens(rules: Rules, state: State) -> Iterator[Move]:
    """Yield the moves of the environment."""
    for name in range(len(state.items)):
        yield from ages(rules, state, name)
    for message in range(len(state.messages)):
        yield from arrives(rules, state, message)
    if may(rules, state, "rotation") and state.secret + 1 < len(state.wrong):
        yield rotates(state)
    if may(rules, state, "expel") and state.good >> state.secret & 1:
        yield expels(state)


def expels(state: State) -> Move:
    """The upstream rejects a version that it accepted before."""
    after = state._replace(good=state.good & ~(1 << state.secret), occasions=state.occasions - 1)
    return Move(WORLD, "the upstream no longer accepts the credentials", after, (), fair=False)


def forgets(state: State, name: int) -> Move:
    """An operator forgets: fence, generation and a lease stay."""
    item = state.items[name]
    bare = Item(generation=item.generation, fence=item.fence, lease=item.lease)
    after = state._replace(
        items=put(state.items, name, bare),
        wrong=(0,) * len(state.wrong) if item.latch or item.suspect >= 0 else state.wrong,
        occasions=state.occasions - 1,
    )
    text = f"an operator forgets {name}"
    return Move(WORLD, text, after._replace(credit=(1,) * len(after.credit)), (), fair=False)


def rotates(state: State) -> Move:
    """The secret gets a new version, which justifies an exchange of each item."""
    after = state._replace(
        secret=state.secret + 1, credit=(1,) * len(state.credit), occasions=state.occasions - 1
    )
    return Move(WORLD, "the secret gets a new version", after, (), fair=False)


def ages(rules: Rules, state: State, name: int) -> Iterator[Move]:
    """A token ages, or a failure reaches its `retry_at`."""
    item = state.items[name]
    if item.age == Age.FRESH and may(rules, state, "end"):
        aged = worth(state, name)._replace(
            items=put(state.items, name, item._replace(age=Age.AGING)),
            occasions=state.occasions - 1,
        )
        yield Move(WORLD, f"the token of {name} is due for renewal", aged, (), fair=False)
    if item.age == Age.AGING:
        ended = state._replace(items=put(state.items, name, item._replace(age=Age.DEAD)))
        yield Move(WORLD, f"the token of {name} ends", ended, (), fair=False)
    if may(rules, state, "forget") and (item.token or item.latch or item.suspect >= 0):
        yield forgets(state, name)
    if item.early:
        later = state._replace(items=put(state.items, name, item._replace(early=0)))
        text = f"a minute is over since the rejection at {name}"
        yield Move(WORLD, text, later._replace(credit=(1,) * len(state.credit)), (), fair=False)
    if item.failure == Failure.PATIENT:
        due = worth(state, name)._replace(
            items=put(state.items, name, item._replace(failure=Failure.DUE))
        )
        yield Move(WORLD, f"the failure of {name} is due for another try", due, (), fair=False)


def arrives(rules: Rules, state: State, place: int) -> Iterator[Move]:
    """A message of a crashed Lambda arrives, or is lost."""
    message = state.messages[place]
    rest = state._replace(messages=state.messages[:place] + state.messages[place + 1 :])
    if message.step == Stage.SENT:
        after = processed(rules, rest, message)[0]._replace(wrong=state.wrong)
        yield Move(WORLD, "a late request is processed", after, (), fair=True)
        yield Move(WORLD, "a late request is lost", rest, (), fair=True)
        return
    item = rest.items[message.item]
    yield Move(WORLD, "a late write is lost", rest, (), fair=True)
    if may_commit(rules, item, message):
        after = done(rules, rest, message)
        ended = item.lease != after.items[message.item].lease
        own = (End(item.fence == message.fence),) if ended else ()
        yield Move(WORLD, "a late write arrives", after, own, fair=True)


Step = Callable[[Rules, State, int, Lambda], Iterator[Move]]

STEPS: dict[int, Step] = {
    Stage.IDLE: calls,
    Stage.WAITING: waits,
    Stage.MARKING: marks,
    Stage.ACQUIRING: acquires,
    Stage.SETTLING_LEASE: settles_lease,
    Stage.HOLDING: holds,
    Stage.GATING: gates,
    Stage.CHECKED: sends,
    Stage.SENT: serves,
    Stage.JUDGING: judges,
    Stage.COMMITTING: commits,
    Stage.SETTLING: settles,
}


def moves(rules: Rules, state: State) -> Iterator[Move]:
    """Return every move; of Lambdas in the same program state only one moves."""
    lambdas = state.lambdas
    for place, one in enumerate(lambdas):
        if one not in lambdas[:place]:
            yield from moves_of(rules, state, place)
    yield from happens(rules, state)
    yield from leases(rules, state)


def moves_of(rules: Rules, state: State, place: int) -> Iterator[Move]:
    """Return every move of the Lambda in *place*, which changes no other Lambda."""
    one = state.lambdas[place]
    yield from STEPS[one.step](rules, state, place, one)
    if may(rules, state, "death"):
        yield from deaths(rules, state, place)


def start(rules: Rules) -> State:
    """Return the initial state: nothing is stored, and there was no call."""
    scenario = rules.scenario
    items = (Item(accepted=scenario.accepted), *(Item() for _ in range(1, scenario.items)))
    return State(
        lambdas=(Lambda(),) * scenario.lambdas,
        items=items,
        made=(0,) * scenario.items,
        credit=(1,) * scenario.items,
        wrong=(0,) * len(scenario.good),
        faults=scenario.faults,
        occasions=scenario.occasions,
        good=sum(1 << version for version, good in enumerate(scenario.good) if good),
    )
