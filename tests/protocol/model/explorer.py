"""Explores all reachable states breadth first, so each counterexample is a shortest one."""

import gc
import time
from array import array
from dataclasses import dataclass, field

from tests.protocol.model.moves import start
from tests.protocol.model.rules import Rules
from tests.protocol.model.space import Key, Scene, Space, Step
from tests.protocol.model.state import Lease, Stage


@dataclass(frozen=True, slots=True)
class Found:
    """An invariant that a move breaks, or (no move) a state without a successor."""

    name: str
    at: int
    """The number of the previous state."""
    move: tuple[str, Key] | None
    """The move's text, and the next state."""
    depth: int


@dataclass(slots=True)
class Exploration:
    """The visited states and the broken invariants."""

    space: Space
    found: dict[str, Found] = field(default_factory=dict)
    states: list[Key] = field(default_factory=list)
    scenes: list[Scene] = field(default_factory=list)
    numbers: dict[Key, int] = field(default_factory=dict)
    """The number of each met state; symmetric states have the same number."""
    parents: "array[int]" = field(default_factory=lambda: array("l"))
    depths: "array[int]" = field(default_factory=lambda: array("h"))
    fair: "array[int]" = field(default_factory=lambda: array("l"))
    """Pairs of states (from, to) of fair moves."""
    moves: int = 0
    seconds: float = 0.0
    """CPU seconds of one core."""
    is_whole: bool = False

    def add(self, state: Key, parent: int) -> int:
        number = self.numbers[state] = len(self.states)
        self.states.append(state)
        self.scenes.append(self.space.scene(state))
        self.parents.append(parent)
        self.depths.append(self.depths[parent] + 1 if parent >= 0 else 0)
        return number

    def note(self, name: str, at: int, step: Step | None = None, others: Key = ()) -> None:
        """Record that invariant *name* is broken, unless a shorter path is known."""
        if name in self.found:
            return
        move = None
        if step:
            after = self.space.after(step, others)
            move = step.text, self.space.canonical(after)
        self.found[name] = Found(name, at, move, self.depths[at] + (step is not None))


def explore(
    rules: Rules, *, until: frozenset[str] = frozenset(), most: int = 2_000_000
) -> Exploration:
    """Visit all states, or stop when all of *until* are broken or *most* states were seen."""
    began = time.process_time()
    seen = Exploration(Space(rules))
    gc.disable()  # there are no reference cycles, but millions of tuples to scan
    try:
        _visit(seen, until, most)
        if seen.is_whole and not _settles(seen):
            seen.note("L1", 0)
    finally:
        gc.enable()
    seen.seconds = time.process_time() - began
    return seen


def _visit(seen: Exploration, until: frozenset[str], most: int) -> None:
    seen.add(seen.space.key(start(seen.space.rules)), -1)
    number = 0
    while number < len(seen.states) < most:
        if until and until <= seen.found.keys():
            return
        _expand(seen, number)
        number += 1
    seen.is_whole = number == len(seen.states)


def _expand(seen: Exploration, number: int) -> None:
    is_stuck = True
    for steps, others in seen.space.following(seen.states[number], seen.scenes[number]):
        is_stuck &= _follow(seen, number, steps, others)
    if is_stuck:
        _check_stuck(seen, number)


def _follow(seen: Exploration, number: int, steps: list[Step], others: Key) -> bool:
    """Visit the successors by *steps*; *others* take no part. Return whether none is fair."""
    space, numbers = seen.space, seen.numbers
    is_stuck = True
    seen.moves += len(steps)
    for step in steps:
        for name in step.broken:
            seen.note(name, number, step, others)
        if step.is_idle:
            continue
        met = space.after(step, others)
        known = numbers.get(met)
        if known is None:
            known = _meet(seen, met, number)
            for name in seen.scenes[known].broken:
                seen.note(name, number, step, others)
        if step.fair and known != number:
            is_stuck = False
            seen.fair.extend((number, known))
    return is_stuck


def _meet(seen: Exploration, met: Key, parent: int) -> int:
    """Return the number of the canonical state of *met*, perhaps a new one."""
    after = seen.space.canonical(met)
    known = seen.numbers.get(after)
    if known is None:
        known = seen.add(after, parent)
    seen.numbers[met] = known
    return known


def _check_stuck(seen: Exploration, number: int) -> None:
    """Check a state without a fair move: no caller may wait, and no ended lease may be left."""
    state = seen.space.state(seen.states[number])
    if any(one.step != Stage.IDLE for one in state.lambdas):
        seen.note("L1", number)
        if any(item.lease == Lease.OVER for item in state.items):
            seen.note("I10", number)


def _settles(seen: Exploration) -> bool:
    """Return whether every run without new calls and faults ends: the fair moves have no cycle.

    As no state is stuck either, every waiting caller ends.
    """
    waiting = array("l", bytes(8 * len(seen.states)))
    following: list[list[int]] = [[] for _ in seen.states]
    for place in range(0, len(seen.fair), 2):
        one, two = seen.fair[place], seen.fair[place + 1]
        following[one].append(two)
        waiting[two] += 1
    free = [number for number, many in enumerate(waiting) if not many]
    visited = 0
    while free:
        visited += 1
        for number in following[free.pop()]:
            waiting[number] -= 1
            if not waiting[number]:
                free.append(number)
    return visited == len(seen.states)
