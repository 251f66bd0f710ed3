"""Visits every state that the rules allow, breadth first, so that a counterexample is shortest."""

import gc
import time
from array import array
from dataclasses import dataclass, field

from tests.protocol.model.invariants import broken, broken_by
from tests.protocol.model.moves import moves, start
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import IDLE, OVER, Move, State
from tests.protocol.model.symmetry import canonical


@dataclass(frozen=True, slots=True)
class Found:
    """An invariant is broken by a move, or (no move) by a state that nobody leaves."""

    name: str
    at: int
    """The number of the state before."""
    move: Move | None
    depth: int


@dataclass(slots=True)
class Exploration:
    """What was visited, and what was found on the way."""

    rules: Rules
    found: dict[str, Found] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    numbers: dict[State, int] = field(default_factory=dict)
    parents: "array[int]" = field(default_factory=lambda: array("l"))
    depths: "array[int]" = field(default_factory=lambda: array("h"))
    fair: "array[int]" = field(default_factory=lambda: array("l"))
    """Pairs of states: from, to, by a move that happens at last if it can."""
    moves: int = 0
    seconds: float = 0.0
    """Of one core."""
    is_whole: bool = False

    def add(self, state: State, parent: int) -> int:
        """Remember a new state; return its number."""
        number = self.numbers[state] = len(self.states)
        self.states.append(state)
        self.parents.append(parent)
        self.depths.append(self.depths[parent] + 1 if parent >= 0 else 0)
        return number

    def note(self, name: str, at: int, move: Move | None) -> None:
        """Remember that invariant *name* is broken, unless a shorter way is known."""
        if name not in self.found:
            steps = self.depths[at] + (move is not None)
            self.found[name] = Found(name, at, move, steps)


def explore(
    rules: Rules, *, until: frozenset[str] = frozenset(), most: int = 2_000_000
) -> Exploration:
    """Visit all states, or stop when all of *until* are broken or *most* states were seen."""
    began = time.process_time()
    seen = Exploration(rules)
    gc.disable()  # nothing here is a cycle, and there are millions of tuples to look through
    try:
        _visit(seen, until, most)
    finally:
        gc.enable()
    if seen.is_whole and not _settles(seen):
        seen.note("L1", 0, None)
    seen.seconds = time.process_time() - began
    return seen


def _visit(seen: Exploration, until: frozenset[str], most: int) -> None:
    seen.add(canonical(seen.rules, start(seen.rules)), -1)
    number = 0
    while number < len(seen.states) < most:
        if until and until <= seen.found.keys():
            return
        _expand(seen, number)
        number += 1
    seen.is_whole = number == len(seen.states)


def _expand(seen: Exploration, number: int) -> None:
    rules, state = seen.rules, seen.states[number]
    is_stuck = True
    for move in moves(rules, state):
        seen.moves += 1
        for name in broken(rules, state, move.events, move.state):
            seen.note(name, number, move)
        if move.state == state:  # nothing has come of it
            continue
        after = canonical(rules, move.state)
        known = seen.numbers.get(after)
        if known is None:
            known = seen.add(after, number)
            for name in broken_by(rules, after):
                seen.note(name, number, move)
        if move.fair and known != number:
            is_stuck = False
            seen.fair.extend((number, known))
    if is_stuck and any(one.step != IDLE for one in state.lambdas):
        seen.note("L1", number, None)
        if any(item.lease == OVER for item in state.items):
            seen.note("I10", number, None)


def _settles(seen: Exploration) -> bool:
    """Say whether every run without new calls and faults ends: the fair moves make no circle.

    Together with no state being stuck: whoever waits, ends.
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
