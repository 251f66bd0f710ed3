"""The model's state of each Lambda of a run, and its possible moves."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tests.protocol.model.moves import STEPS
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Item, Lambda, Lease, Move, Renewal, Result, Stage, State
from tests.protocol.model.turn import Turn
from tests.protocol.replay.mapping import timeless, version
from tests.protocol.simulation.invocations import Invocation, Sent

LONGEST_PATH = 4
"""The maximum number of model moves for one step of the code."""


@dataclass(slots=True, eq=False)
class Thread:
    """One invocation at one item."""

    invocation: Invocation
    variant: str
    ones: frozenset[Lambda]
    """The model's Lambdas that are consistent with the code's steps so far."""
    is_made_of_others: bool = False
    """Whether it first obtains another token as input, which may fail."""
    last: Sent | None = None
    """The last request that it sent."""

    @property
    def is_unanswered(self) -> bool:
        """Return whether its last request got no answer."""
        return self.last is not None and not (self.last.is_answered or self.last.is_down)

    def paths(self, rules: Rules, state: State, one: Lambda) -> Iterator[Move]:
        """Yield the moves that *one* can make from *state*, after moves that change no item."""
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
        for move in STEPS[one.step](Turn(rules, state, 0, one)):
            is_unheard = one.step == Stage.SENT and self.is_unanswered
            if not is_unheard or move.state.lambdas[0].result == Result.UNANSWERED:
                yield move
        if self.is_made_of_others and one.step in (Stage.HOLDING, Stage.SENT):
            yield from self._failures(state, one)

    def _failures(self, state: State, one: Lambda) -> Iterator[Move]:
        """Yield the moves after a failure of its input: as in `Turn.answered`."""
        versions = {version(name) for name in self.invocation.read} or {state.secret}
        for result, used in product(
            (Result.DOWN, Result.REJECTED, Result.DENIED, Result.LATCHED), versions
        ):
            failed = one._replace(step=Stage.COMMITTING, result=result, version=used, previous=0)
            after = state._replace(lambdas=(failed,))
            yield Move(0, "its input fails", after)


def is_silent(rules: Rules, before: State, after: State) -> bool:
    """Return whether a move changes no item; ending the gate's lease is allowed.

    The code ends it after the variant's lease if the version was not tried; both orders are equal.
    """
    if before.items == after.items:
        return True
    freed = before.items[0]._replace(lease=Lease.FREE)
    return rules.scenario.gate and (freed, *before.items[1:]) == after.items


def is_like(item: Item, wanted: Item) -> bool:
    """Return whether an item equals the wanted one; a vendor may issue no renewal token."""
    item = timeless(item)
    if item.renewal == Renewal.READY and wanted.renewal == Renewal.ABSENT:
        item = item._replace(renewal=Renewal.ABSENT)
    return item == wanted
