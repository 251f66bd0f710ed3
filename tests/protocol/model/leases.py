"""The lease: one conditional write, and a read if its answer is lost."""

from collections.abc import Iterator

from tests.protocol.model.answers import lost, may, placed
from tests.protocol.model.decision import is_leased
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Ask, Item, Lambda, Lease, Move, Renewal, Stage, State


def acquires(rules: Rules, state: State, place: int, caller: Lambda) -> Iterator[Move]:
    """Take the lease by one conditional write, whose answer may be lost."""
    item = state.items[caller.item]
    using = item.token if item.renewal == Renewal.READY else 0
    ask = caller.ask
    if ask == Ask.RENEWING or (ask == Ask.FORCED and rules.guards.latch_forced):
        ask = Ask.PLAIN  # the reason makes no difference from here on
    holder = caller._replace(
        step=Stage.HOLDING,
        ask=ask,
        fence=item.fence + 1,
        using=using,
        over=int(item.lease == Lease.OVER),
    )
    taken = item._replace(
        fence=item.fence + 1,
        lease=Lease.EARLY,
        renewal=Renewal.IN_USE if using and rules.guards.in_use else item.renewal,
    )
    if not may_acquire(rules, item, caller):
        yield lost(rules, state, place, caller)
        return
    yield Move(place, "takes the lease", placed(state, place, holder, (caller.item, taken)))
    if may(rules, state, "blur"):
        blurred = state._replace(faults=state.faults - 1)
        unsure = holder._replace(step=Stage.SETTLING_LEASE, wrote=1)
        after = placed(blurred, place, unsure, (caller.item, taken))
        yield Move(place, "takes the lease; the table's answer is lost", after, (), fair=False)
        after = placed(blurred, place, unsure._replace(wrote=0))
        yield Move(place, "asks for the lease; the request is lost", after, (), fair=False)


def may_acquire(rules: Rules, item: Item, caller: Lambda) -> bool:
    """Return whether the condition of the write holds."""
    guards = rules.guards
    if guards.swap_generation and item.generation != caller.seen:
        return False
    if guards.swap_fence:
        return item.fence == caller.fence
    return not is_leased(item) or not guards.free


def settles_lease(rules: Rules, state: State, place: int, caller: Lambda) -> Iterator[Move]:
    """Read whether the write without an answer acquired the lease."""
    item = state.items[caller.item]
    mine = item.fence == caller.fence and (caller.wrote or not rules.guards.owner_read)
    if mine or not rules.guards.settle:
        after = placed(state, place, caller._replace(step=Stage.HOLDING, wrote=0))
        yield Move(place, "takes the lease for its own", after)
    else:
        yield lost(rules, state, place, caller)
