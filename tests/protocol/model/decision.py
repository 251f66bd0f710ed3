"""The decision of a caller by the item that it read: a pure function, as in the shipped code."""

from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Age, Ask, Failure, Item, Lambda, Lease

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
