"""The transition relation: all moves of a state."""

from collections.abc import Callable, Iterator

from tests.protocol.model.answers import may
from tests.protocol.model.calls import calls, marks, waits
from tests.protocol.model.commit import commits, settles
from tests.protocol.model.deaths import deaths, leases
from tests.protocol.model.exchange import holds, sends
from tests.protocol.model.gate import gates, judges
from tests.protocol.model.leases import acquires, settles_lease
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Item, Lambda, Move, Stage, State
from tests.protocol.model.upstream import serves
from tests.protocol.model.world import happens

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
