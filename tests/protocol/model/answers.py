"""The answers to callers, and a Lambda's state after its answer."""

from tests.protocol.model.decision import is_stale
from tests.protocol.model.rules import Rules
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


def placed(state: State, place: int, caller: Lambda, item: tuple[int, Item] | None = None) -> State:
    """Return *state* with an updated Lambda in *place*, and an updated item."""
    lambdas = put(state.lambdas, place, caller)
    if item is None:
        return state._replace(lambdas=lambdas)
    return state._replace(lambdas=lambdas, items=put(state.items, *item))


def answered(rules: Rules, caller: Lambda, token: int) -> Lambda:
    """Return the Lambda after its call got *token*, or 0 for an error."""
    outer = caller.outer
    if not outer:
        return Lambda(kept=token if "report" in rules.scenario.may else 0)
    step, result = (Stage.HOLDING, 0) if token else (Stage.COMMITTING, Result.DOWN)
    name, ask, seen, fence, begun, over = outer
    return Lambda(step, name, ask, seen, fence, token, result=result, begun=begun, over=over)


def handed(rules: Rules, caller: Lambda, item: Item) -> tuple[Event, ...]:
    """Return the event that returns *item*'s token to the caller, if there is a caller."""
    if caller.ask == Ask.RENEWING:
        return ()
    return (HandOut(caller.item, caller.item, item.token, is_stale(rules, item)),)


def refused(caller: Lambda, code: str, version: int) -> tuple[Event, ...]:
    """Return the event of an error, if there is a caller to get it."""
    if caller.ask == Ask.RENEWING or caller.outer:
        return ()
    return (Refusal(caller.item, code, version),)


def losing(caller: Lambda) -> Lambda:
    """Return a Lambda after its write failed: a caller reads again, a refresh ends."""
    if caller.ask == Ask.RENEWING:
        return Lambda()
    seen = caller.seen if caller.ask == Ask.FORCED else 0
    return Lambda(Stage.WAITING, caller.item, caller.ask, seen, outer=caller.outer)


def lost(rules: Rules, state: State, place: int, caller: Lambda) -> Move:
    """Another write came first: a normal outcome, followed by a read."""
    if not rules.guards.loser:
        after = placed(state, place, answered(rules, caller, 0))
        events = refused(caller, "conflict", state.secret)
        return Move(place, "loses the write, and returns an error", after, events)
    is_renewal = caller.ask == Ask.RENEWING
    text = "loses the write: another renews" if is_renewal else "loses the conditional write"
    return Move(place, text, placed(state, place, losing(caller)))
