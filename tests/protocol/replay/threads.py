"""Where the model has each Lambda of a run, and which moves it may make from there."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tests.protocol.model.moves import STEPS
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Item, Lambda, Lease, Move, Renewal, Result, Stage, State
from tests.protocol.replay.mapping import timeless, version
from tests.protocol.simulation.invocations import Invocation, Sent

LONGEST_PATH = 4
"""Moves that the model makes at most where the code shows one step."""


@dataclass(slots=True, eq=False)
class Thread:
    """One invocation at one item."""

    invocation: Invocation
    variant: str
    ones: frozenset[Lambda]
    """Each Lambda of the model that has done what the code has shown so far."""
    is_made_of_others: bool = False
    """It obtains what its token is made from, which may fail."""
    last: Sent | None = None
    """The last request that it sent."""

    @property
    def is_unanswered(self) -> bool:
        """Say whether its last request got no answer."""
        return self.last is not None and not (self.last.is_answered or self.last.is_down)

    def paths(self, rules: Rules, state: State, one: Lambda) -> Iterator[Move]:
        """Yield the moves that *one* can make from *state*, over those that change no item."""
        front = [state._replace(lambdas=(one,))]
        for _ in range(LONGEST_PATH):
            following = []
            for before in front:
                me = before.lambdas[0]
                for move in self._moves(rules, before, me):
                    yield move
                    if is_silent(rules, before, move.state) and move.state.lambdas[0] != me:
                        following.append(move.state)
            front = following

    def _moves(self, rules: Rules, state: State, one: Lambda) -> Iterator[Move]:
        for move in STEPS[one.step](rules, state, 0, one):
            is_unheard = one.step == Stage.SENT and self.is_unanswered
            if not is_unheard or move.state.lambdas[0].result == Result.UNANSWERED:
                yield move
        if self.is_made_of_others and one.step in (Stage.HOLDING, Stage.SENT):
            yield from self._failures(state, one)

    def _failures(self, state: State, one: Lambda) -> Iterator[Move]:
        """Yield how it ends when what it is made from fails: as in `answers.answered`."""
        versions = {version(name) for name in self.invocation.read} or {state.secret}
        for result, used in product(
            (Result.DOWN, Result.REJECTED, Result.DENIED, Result.LATCHED), versions
        ):
            failed = one._replace(step=Stage.COMMITTING, result=result, version=used, previous=0)
            after = state._replace(lambdas=(failed,))
            yield Move(0, "is told that what it is made from fails", after)


def is_silent(rules: Rules, before: State, after: State) -> bool:
    """Say whether a move changes no item, but that it may end the gate's lease.

    The code ends that after the variant's where nothing was learnt; the two commute.
    """
    if before.items == after.items:
        return True
    freed = before.items[0]._replace(lease=Lease.FREE)
    return rules.scenario.gate and (freed, *before.items[1:]) == after.items


def is_like(item: Item, wanted: Item) -> bool:
    """Say whether an item is as it should be; a vendor may give no renewal token."""
    item = timeless(item)
    if item.renewal == Renewal.READY and wanted.renewal == Renewal.ABSENT:
        item = item._replace(renewal=Renewal.ABSENT)
    return item == wanted
