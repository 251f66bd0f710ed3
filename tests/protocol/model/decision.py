"""What a caller does with the item that it read: one pure function, as in the shipped code."""

from tests.protocol.model.rules import Rules
from tests.protocol.model.state import (
    AGING,
    CALM,
    DEAD,
    EARLY,
    FORCED,
    FREE,
    LATE,
    OVER,
    PATIENT,
    RENEWING,
    Item,
    Lambda,
)

HAND_OUT, WAIT, ACQUIRE, FAIL, REFUSE = range(5)


def is_leased(item: Item) -> bool:
    """Say whether somebody may be exchanging: there is a lease that is not over."""
    return item.lease in (EARLY, LATE)


def is_live(item: Item) -> bool:
    """Say whether the token may be handed out."""
    return item.token > 0 and item.age > DEAD and not item.rejected


def is_latched(rules: Rules, item: Item, secret: int) -> bool:
    """Say whether the upstream rejected this version of the secret before."""
    if not rules.guards.latch_version:
        return item.latch >= 0
    return item.latch == secret


def is_stale(rules: Rules, item: Item) -> bool:
    """Say whether an answer with this token says that it may be dead upstream."""
    return item.failure != CALM or (rules.guards.doubt and item.lease == OVER)


def is_due(rules: Rules, item: Item, caller: Lambda) -> bool:
    """Say whether this call wants an exchange although the token is live."""
    if caller.ask == RENEWING:
        return item.age == AGING
    if caller.ask == FORCED and item.generation == caller.seen:
        return True
    return rules.guards.doubt and item.lease == OVER


def decide(rules: Rules, item: Item, caller: Lambda, secret: int) -> int:
    """Return what the caller does next."""
    live = is_live(item)
    if live and not is_due(rules, item, caller):
        return HAND_OUT
    forced = caller.ask == FORCED
    if is_latched(rules, item, secret) and (rules.guards.latch_forced or not forced):
        return HAND_OUT if live and not forced else REFUSE
    if is_leased(item) and rules.guards.free:
        return WAIT
    if item.failure == PATIENT and not forced:
        return HAND_OUT if live else FAIL
    if item.lease != FREE and not rules.guards.takeover:
        return WAIT
    return ACQUIRE
