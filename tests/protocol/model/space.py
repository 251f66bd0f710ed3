"""States as short tuples of numbers, with the moves of one Lambda in one world computed once.

A *world* is a state without its Lambdas. What a Lambda may do depends on itself and on the world,
of which there are forty times fewer pairs than moves. Of the rest, most depends on the world alone;
how leases end, and the invariants, on those Lambdas that have a lease or ask for one as well.
`test_model.py` compares the composed moves with `moves`.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from tests.protocol.model.invariants import broken, broken_by
from tests.protocol.model.leases import leases
from tests.protocol.model.moves import happens, moves_of, start
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Lambda, Move, Stage, State
from tests.protocol.model.symmetry import (
    for_other_variant,
    frame,
    has_twins,
    in_lambda,
    in_world,
    ranked,
    settled,
    swapped,
    without_gaps,
)

Key = tuple[int, ...]
"""A state: the number of its world, then those of its Lambdas in order."""

Known = TypeVar("Known")
Made = TypeVar("Made")


class Memo(dict[Known, Made]):
    """A cache of a function's results by its argument."""

    def __init__(self, make: Callable[[Known], Made]) -> None:
        self.make = make

    def __missing__(self, known: Known) -> Made:
        made = self[known] = self.make(known)
        return made


class Numbers(dict[Made, int]):
    """Numbers of values, in the order of their first use."""

    def __init__(self) -> None:
        self.met: list[Made] = []

    def __missing__(self, value: Made) -> int:
        number = self[value] = len(self.met)
        self.met.append(value)
        return number


class Step(NamedTuple):
    """The effect of a move in every state in which it is enabled."""

    text: str
    fair: bool
    broken: list[str]
    """The invariants that the move breaks."""
    is_idle: bool
    """Whether the move changes nothing."""
    frame: int
    """The frame of the world after the move, which determines the other Lambdas' states."""
    world: int
    """The world after the move, with relative fences and generations."""
    lambdas: Key
    """The states of the Lambdas that took part, with relative numbers."""


class Scene(NamedTuple):
    """A world and its Lambdas that have a lease or request one."""

    broken: list[str]
    """The invariants that do not hold in any state with these."""
    steps: list[Step]
    """The moves of its leases."""


class Space:
    """All states under some rules, by number."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._worlds: Numbers[State] = Numbers()
        self._lambdas: Numbers[Lambda] = Numbers()
        self._frames = Memo(self._frame)
        self._settled = Memo(self._settle)
        met, worlds = self._lambdas.met, self._worlds.met
        self._tokens: Memo[int, int] = Memo(lambda one: in_lambda(rules, met[one]))
        self._gaps: Memo[int, tuple[int, int]] = Memo(
            lambda world: (in_world(rules, worlds[world]), without_gaps(worlds[world]))
        )
        self._twins: Memo[int, int] = Memo(lambda world: self._worlds[swapped(worlds[world])])
        self._turned: Memo[int, int] = Memo(lambda one: self._lambdas[for_other_variant(met[one])])
        self._has_twins = has_twins(rules)
        self._is_busy: Memo[int, bool] = Memo(
            lambda one: bool(met[one].outer) or met[one].step >= Stage.SETTLING_LEASE
        )
        """Whether a Lambda has a lease, or requests one."""
        self._steps = Memo(self._steps_of)
        self._happenings = Memo(self._happenings_of)
        self._still = self._frame(self._worlds[start(rules)._replace(lambdas=())])
        """The frame of most worlds: it changes no Lambda."""
        self._scenes = Memo(self._scene)

    def state(self, key: Key) -> State:
        lambdas = tuple([self._lambdas.met[one] for one in key[1:]])
        return State(lambdas, *self._worlds.met[key[0]][1:])

    def key(self, state: State) -> Key:
        """Return the key of the canonical state of *state*'s equivalence class."""
        step = self._step(state, Move(0, "", state))
        return self.canonical((step.world, *sorted(step.lambdas)))

    def canonical(self, key: Key) -> Key:
        """Return *key* with its tokens numbered without gaps; of two symmetric keys, the first."""
        used, wanted = self._gaps[key[0]]
        for one in key[1:]:
            used |= self._tokens[one]
        if used != wanted:
            key = self._raw(ranked(self.rules, self.state(key)))
        if not self._has_twins or (twin := self._twins[key[0]]) > key[0]:
            return key
        other = (twin, *sorted([self._turned[one] for one in key[1:]]))
        return min(key, other)

    def scene(self, key: Key) -> Scene:
        return self._scenes[(key[0], *[one for one in key[1:] if self._is_busy[one]])]

    def following(self, key: Key, scene: Scene) -> Iterator[tuple[list[Step], Key]]:
        """Yield all next steps, each with the Lambdas that take no part."""
        world, lambdas = key[0], key[1:]
        last = -1
        for place, one in enumerate(lambdas):
            if one != last:  # of Lambdas in the same program state only one moves
                yield self._steps[world, one], lambdas[:place] + lambdas[place + 1 :]
            last = one
        yield self._happenings[world], lambdas
        if steps := scene.steps:
            yield steps, tuple([one for one in lambdas if not self._is_busy[one]])

    def after(self, step: Step, others: Key) -> Key:
        """Return the state after a *step* in which *others* took no part."""
        if step.frame != self._still:
            others = tuple([self._settled[step.frame, one] for one in others])
        return (step.world, *sorted(others + step.lambdas))

    def _raw(self, state: State) -> Key:
        lambdas = sorted([self._lambdas[one] for one in state.lambdas])
        return (self._worlds[State((), *state[1:])], *lambdas)

    def _frame(self, world: int) -> int:
        return self._worlds[frame(self._worlds.met[world])]

    def _settle(self, pair: Key) -> int:
        """Return a Lambda in a frame, or (for one number) a world, with relative numbers."""
        state = settled(self.rules, self.state(pair))
        if state.lambdas:
            return self._lambdas[state.lambdas[0]]
        return self._worlds[state]

    def _steps_of(self, pair: Key) -> list[Step]:
        state = self.state(pair)
        return [self._step(state, move) for move in moves_of(self.rules, state, 0)]

    def _happenings_of(self, world: int) -> list[Step]:
        state = self._worlds.met[world]
        return [self._step(state, move) for move in happens(self.rules, state)]

    def _scene(self, busy: Key) -> Scene:
        state = self.state(busy)
        steps = [self._step(state, move) for move in leases(self.rules, state)]
        return Scene(broken_by(self.rules, state), steps)

    def _step(self, before: State, move: Move) -> Step:
        raw, *lambdas = self._raw(move.state)
        of = self._frames[raw]
        return Step(
            move.text,
            move.fair,
            broken(self.rules, before, move.events, move.state),
            move.state == before,
            of,
            self._settled[(raw,)],
            tuple([self._settled[of, one] for one in lambdas]),
        )
