"""The decision of a caller by the item that it read, and the answer to it."""

from tests.protocol.model.rules import Rules
from tests.protocol.model.state import (
    Age,
    Ask,
    Event,
    Failure,
    HandOut,
    Item,
    Lambda,
    Lease,
    Move,
    Refusal,
    Result,
    Stage,
    State,
    put,
)

HAND_OUT, WAIT, ACQUIRE, FAIL, REFUSE = range(5)


def is_leased(item: Item) -> bool:
    """Return whether an exchange may be running: there is a lease that has not ended."""
    return item.lease in (Lease.EARLY, Lease.LATE)


def is_live(item: Item) -> bool:
    """Return whether the token may be returned."""
    return item.token > 0 and item.age > Age.DEAD and not item.rejected


def is_latched(rules: Rules, item: Item, secret: int) -> bool:
    """Return whether the upstream rejected this version of the secret before."""
    if not rules.guards.latch_version:
        return item.latch > 0
    return bool(item.latch >> secret & 1)


def is_stale(rules: Rules, item: Item) -> bool:
    """Return whether this token is returned as stale."""
    return item.failure != Failure.CALM or (
        item.lease != Lease.FREE and (rules.guards.doubt or is_leased(item))
    )


def is_due(rules: Rules, item: Item, caller: Lambda, secret: int) -> bool:
    """Return whether this call needs an exchange although the token is live."""
    if caller.ask == Ask.RENEWING:
        is_old = item.age == Age.AGING or item.version != secret
        return item.failure == Failure.DUE or is_old
    if caller.ask == Ask.FORCED and item.generation == caller.seen:
        return True
    return rules.guards.doubt and item.lease == Lease.OVER


def is_backing_off(rules: Rules, item: Item, secret: int) -> bool:
    """Return whether the item has a back-off for this version of the secret."""
    is_about = item.blames in (-1, secret) or not rules.guards.latch_version
    return item.failure == Failure.PATIENT and is_about


def decide(rules: Rules, item: Item, caller: Lambda, secret: int, gate: Item | None = None) -> int:
    """Return the caller's next step. The *gate*'s accepted version overrides a latch."""
    live = is_live(item)
    if live and not is_due(rules, item, caller, secret):
        return HAND_OUT
    forced = caller.ask == Ask.FORCED
    if is_leased(item) and rules.guards.free:
        return WAIT
    is_proven = gate is not None and gate.accepted == secret
    if (
        is_latched(rules, item, secret)
        and not is_proven
        and (rules.guards.latch_forced or not forced)
    ):
        return HAND_OUT if live and not forced else REFUSE
    if is_backing_off(rules, item, secret) and (item.strict or not forced):
        return HAND_OUT if live else FAIL
    if item.lease != Lease.FREE and not rules.guards.takeover:
        return WAIT
    return ACQUIRE


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
