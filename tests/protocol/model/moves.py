"""The transition relation: all moves of a state, by Lambdas and by the environment."""

from collections.abc import Callable, Iterator

from tests.protocol.model.calls import calls, marks, waits
from tests.protocol.model.commit import commits, done, ended, may_commit, settles
from tests.protocol.model.exchange import holds, processed, sends, serves
from tests.protocol.model.gate import gates, judges
from tests.protocol.model.leases import acquires, deaths, leases, settles_lease
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import (
    WORLD,
    Age,
    Failure,
    Item,
    Lambda,
    Move,
    Stage,
    State,
    put,
    worth,
)
from tests.protocol.model.turn import Turn, may

STEPS: dict[int, Callable[[Turn], Iterator[Move]]] = {
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
    turn = Turn(rules, state, place, state.lambdas[place])
    yield from STEPS[turn.me.step](turn)
    yield from deaths(turn)


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
        faults=scenario.bounds[0],
        occasions=scenario.bounds[1],
        good=sum(1 << version for version, good in enumerate(scenario.good) if good),
    )


def happens(rules: Rules, state: State) -> Iterator[Move]:
    """Yield the moves of the environment: time, changes of the secret, late messages."""
    for name in range(len(state.items)):
        yield from ages(rules, state, name)
    for message in range(len(state.messages)):
        yield from arrives(rules, state, message)
    occasions, credit = state.occasions - 1, (1,) * len(state.credit)
    if may(rules, state, "rotation") and state.secret + 1 < len(state.wrong):
        after = state._replace(secret=state.secret + 1, credit=credit, occasions=occasions)
        yield Move(WORLD, "the secret gets a new version", after, fair=False)
    if may(rules, state, "expel") and state.good >> state.secret & 1:
        after = state._replace(good=state.good & ~(1 << state.secret), occasions=occasions)
        yield Move(WORLD, "the upstream no longer accepts the credentials", after, fair=False)


def ages(rules: Rules, state: State, name: int) -> Iterator[Move]:
    """A token ages, a failure reaches its `retry_at`, or an operator forgets an item."""
    item = state.items[name]

    def happening(text: str, before: State, **changes: int) -> Move:
        after = before._replace(items=put(state.items, name, item._replace(**changes)))
        return Move(WORLD, text, after, fair=False)

    if item.age == Age.FRESH and may(rules, state, "end"):
        due = worth(state, name)._replace(occasions=state.occasions - 1)
        yield happening(f"the token of {name} is due for renewal", due, age=Age.AGING)
    if item.age == Age.AGING:
        yield happening(f"the token of {name} ends", state, age=Age.DEAD)
    if may(rules, state, "forget") and (item.token or item.latch or item.suspect >= 0):
        yield forgets(state, name)
    if item.early:
        later = state._replace(credit=(1,) * len(state.credit))
        yield happening(f"a minute is over since the rejection at {name}", later, early=0)
    if item.failure == Failure.PATIENT:
        text = f"the failure of {name} is due for another try"
        yield happening(text, worth(state, name), failure=Failure.DUE)


def forgets(state: State, name: int) -> Move:
    """An operator forgets: fence, generation and a lease stay."""
    item = state.items[name]
    bare = Item(generation=item.generation, fence=item.fence, lease=item.lease)
    is_lifted = item.latch or item.suspect >= 0
    after = state._replace(
        items=put(state.items, name, bare),
        credit=(1,) * len(state.credit),
        wrong=(0,) * len(state.wrong) if is_lifted else state.wrong,
        occasions=state.occasions - 1,
    )
    return Move(WORLD, f"an operator forgets {name}", after, fair=False)


def arrives(rules: Rules, state: State, place: int) -> Iterator[Move]:
    """A message of a crashed Lambda arrives, or is lost."""
    message = state.messages[place]
    rest = state._replace(messages=state.messages[:place] + state.messages[place + 1 :])
    turn = Turn(rules, rest, WORLD, message)
    if message.step == Stage.SENT:
        after = processed(turn)[0]._replace(wrong=state.wrong)
        yield Move(WORLD, "a late request is processed", after)
        yield Move(WORLD, "a late request is lost", rest)
        return
    yield Move(WORLD, "a late write is lost", rest)
    if may_commit(turn):
        after = done(turn)
        yield Move(WORLD, "a late write arrives", after, ended(turn, after))
