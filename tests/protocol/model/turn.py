"""The turn of one Lambda: what it is, the moves that it makes, and the answers to its caller."""

from typing import Any, NamedTuple

from tests.protocol.model.decision import is_stale
from tests.protocol.model.rules import Guards, Rules, Scenario
from tests.protocol.model.state import (
    Ask,
    Event,
    HandOut,
    Item,
    Lambda,
    Move,
    Refusal,
    Result,
    Stage,
    State,
    put,
)

OCCASIONS = frozenset({"end", "force", "report", "rotation", "expel", "forget"})
"""Events that justify an exchange; all others are faults."""


def may(rules: Rules, state: State, kind: str) -> bool:
    """Return whether one more fault or occasion of this *kind* is within the bounds."""
    left = state.occasions if kind in OCCASIONS else state.faults
    return left > 0 and kind in rules.scenario.may


class Turn(NamedTuple):
    """The Lambda *me* in its *place* makes the next move; or a message of a crashed one."""

    rules: Rules
    state: State
    place: int
    me: Lambda

    @property
    def guards(self) -> Guards:
        return self.rules.guards

    @property
    def scenario(self) -> Scenario:
        return self.rules.scenario

    @property
    def item(self) -> Item:
        return self.state.items[self.me.item]

    @property
    def gate_name(self) -> int:
        """The number of the item that is its gate: without a separate one, its own item."""
        return 0 if self.scenario.gate else self.me.item

    @property
    def gate(self) -> Item:
        return self.state.items[self.gate_name]

    def by(self, **changes: Any) -> "Turn":
        return self._replace(me=self.me._replace(**changes))

    def within(self, state: State) -> "Turn":
        return self._replace(state=state)

    def may(self, kind: str) -> bool:
        return may(self.rules, self.state, kind)

    def after(self, me: Lambda, *, item: Item | None = None, gate: Item | None = None) -> State:
        """Return the next state, with a new value of its item or of its gate."""
        state, lambdas = self.state, put(self.state.lambdas, self.place, me)
        if item is not None:
            return state._replace(lambdas=lambdas, items=put(state.items, self.me.item, item))
        if gate is not None:
            return state._replace(lambdas=lambdas, items=put(state.items, self.gate_name, gate))
        return state._replace(lambdas=lambdas)

    def move(
        self,
        text: str,
        me: Lambda,
        *events: Event,
        item: Item | None = None,
        gate: Item | None = None,
    ) -> Move:
        return Move(self.place, text, self.after(me, item=item, gate=gate), events)

    def fault(self, text: str, me: Lambda, *events: Event, item: Item | None = None) -> Move:
        less = self.within(self.state._replace(faults=self.state.faults - 1))
        return less.move(text, me, *events, item=item)._replace(fair=False)

    # The end of its call.

    def answered(self, token: int) -> Lambda:
        """Return the Lambda after its call got *token*, or 0 for an error."""
        if not self.me.outer:
            return Lambda(kept=token if "report" in self.scenario.may else 0)
        step, result = (Stage.HOLDING, 0) if token else (Stage.COMMITTING, Result.DOWN)
        name, ask, seen, fence, begun, over = self.me.outer
        return Lambda(step, name, ask, seen, fence, token, result=result, begun=begun, over=over)

    def hands_out(self, text: str, item: Item) -> Move:
        """Return the token of *item* to the caller, if there is a caller."""
        name, after = self.me.item, self.answered(item.token)
        if self.me.ask == Ask.RENEWING:
            return self.move(text, after)
        event = HandOut(name, name, item.token, is_stale(self.rules, item))
        return self.move(text, after, event)

    def fails(self, text: str, code: str, version: int) -> Move:
        """Return an error to the caller, if there is a caller to get it."""
        after = self.answered(0)
        if self.me.ask == Ask.RENEWING or self.me.outer:
            return self.move(text, after)
        return self.move(text, after, Refusal(self.me.item, code, version))

    def lost(self) -> Move:
        """Another write came first: a normal outcome, followed by a read."""
        if not self.guards.loser:
            text = "loses the write, and returns an error"
            return self.fails(text, "conflict", self.state.secret)
        is_renewal = self.me.ask == Ask.RENEWING
        text = "loses the write: another renews" if is_renewal else "loses the conditional write"
        return self.move(text, losing(self.me))


def losing(caller: Lambda) -> Lambda:
    """Return a Lambda after its write failed: a caller reads again, a refresh ends."""
    if caller.ask == Ask.RENEWING:
        return Lambda()
    seen = caller.seen if caller.ask == Ask.FORCED else 0
    return Lambda(Stage.WAITING, caller.item, caller.ask, seen, outer=caller.outer)
