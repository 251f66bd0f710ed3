"""What the holder of a lease does with the outcome: one conditional write, then the answer."""

from collections.abc import Iterator

from tests.protocol.model.answers import answered, handed, lost, may, placed, refused
from tests.protocol.model.deaths import haunted
from tests.protocol.model.decision import is_live
from tests.protocol.model.gate import latched
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import (
    ABSENT,
    CALM,
    COMMITTING,
    DOWN,
    DUE,
    FREE,
    FRESH,
    LATCHED,
    PATIENT,
    READY,
    REFUSED,
    REJECTED,
    SETTLING,
    SPOILT,
    UNANSWERED,
    End,
    Event,
    HandOut,
    Item,
    Lambda,
    Move,
    State,
    put,
    worth,
)

CODES = {
    REFUSED: "refresh_in_progress",
    DOWN: "upstream_unavailable",
    UNANSWERED: "upstream_unavailable",
    REJECTED: "credential_rejected",
    LATCHED: "credential_latched",
    SPOILT: "internal",
}


def may_commit(rules: Rules, item: Item, holder: Lambda) -> bool:
    """Say whether the condition of the write holds: the lease is there and is the holder's."""
    own = item.fence == holder.fence
    return (own or not rules.guards.fence) and (
        (own and item.lease != FREE) or not rules.guards.owner
    )


def written(rules: Rules, state: State, holder: Lambda) -> Item:
    """Return the item with the outcome in it and the lease ended."""
    item, result = state.items[holder.item], holder.result
    if item.fence == holder.fence or not rules.guards.own_end:
        item = item._replace(lease=FREE)
    if result > 0:
        renewal = READY if rules.scenario.renewals else ABSENT
        age = item.age if item.token == result else FRESH  # the same write, twice
        return Item(result, age, holder.seen + 1, item.fence, item.lease, renewal)
    if result in (REJECTED, LATCHED):
        return item._replace(failure=DUE, latch=latched(rules, state, holder))
    guards = rules.guards
    stored = {DOWN: guards.backoff, UNANSWERED: guards.stale, SPOILT: guards.spoilt}
    if stored.get(result):
        return item._replace(failure=PATIENT)
    return item._replace(failure=DUE) if holder.over and guards.put_back else item


def done(rules: Rules, state: State, holder: Lambda) -> State:
    """Return the world after the write; a failure that is stored is worth another exchange."""
    name = holder.item
    after = state._replace(items=put(state.items, name, written(rules, state, holder)))
    failed = holder.result in (DOWN, UNANSWERED, REFUSED, SPOILT)
    if failed and holder.begun and (rules.guards.backoff or holder.result != DOWN):
        return worth(after, name)
    if holder.result == REJECTED and holder.version != state.secret:
        return worth(after, name)
    return after


def commits(rules: Rules, state: State, place: int, holder: Lambda) -> Iterator[Move]:
    """Store the outcome, unless the lease is another's by now."""
    item = state.items[holder.item]
    if not rules.guards.commit_first and holder.result > 0:
        yield hasty(rules, state, place, holder)
        return
    if not may_commit(rules, item, holder):
        yield lost(rules, state, place, holder)
        return
    after = done(rules, state, holder)
    ended = item.lease != after.items[holder.item].lease
    events: tuple[Event, ...] = (End(item.fence == holder.fence),) if ended else ()
    move = replied(rules, after, place, holder)
    yield move._replace(text=f"stores the outcome: {move.text}", events=events + move.events)
    if may(rules, state, "defect") and holder.result > 0:
        spoilt = placed(state, place, holder._replace(result=SPOILT))
        less = spoilt._replace(faults=state.faults - 1)
        yield Move(place, "fails with the new token in its hand", less, (), fair=False)
    if may(rules, state, "blur"):
        less = state._replace(faults=state.faults - 1)
        yield from blurs(less, after._replace(faults=less.faults), place, holder, events)


def blurs(
    state: State, after: State, place: int, holder: Lambda, events: tuple[Event, ...]
) -> Iterator[Move]:
    """The table's answer is lost, and with it the write, or not."""
    unsure = holder._replace(step=SETTLING)
    text = "stores the outcome; the table's answer is lost"
    yield Move(place, text, placed(after, place, unsure), events, fair=False)
    text = "writes; the request is lost"
    yield Move(place, text, placed(state, place, unsure), (), fair=False)
    if holder.result > 0:
        text = "writes; the request is late"
        yield Move(place, text, placed(haunted(state, holder), place, unsure), (), fair=False)


def hasty(rules: Rules, state: State, place: int, holder: Lambda) -> Move:
    """What a mutant does: answer first. The platform then freezes it, its write half sent."""
    item = state.items[holder.item]._replace(token=holder.result, failure=CALM, lease=FREE)
    after = placed(haunted(state, holder), place, answered(rules, holder, holder.result))
    return Move(
        place, "hands out its token before it is stored", after, handed(rules, holder, item)
    )


def replied(rules: Rules, state: State, place: int, holder: Lambda) -> Move:
    """The outcome is stored: answer the caller."""
    item, name = state.items[holder.item], holder.item
    if holder.result > 0 and not is_live(item):
        return lost(rules, state, place, holder)._replace(text="its token has ended meanwhile")
    if holder.result > 0:
        told = handed(rules, holder, item._replace(token=holder.result))
        after = placed(state, place, answered(rules, holder, holder.result))
        return Move(place, "hands out its token", after, told)
    if is_live(item) or (item.token > 0 and not rules.guards.min_ttl):
        after = placed(state, place, answered(rules, holder, item.token))
        stale = HandOut(name, name, item.token, stale=True)
        return Move(place, "hands out the old token, stale", after, (stale,))
    code = CODES[holder.result]
    after = placed(state, place, answered(rules, holder, 0))
    return Move(place, f"answers {code}", after, refused(holder, code, holder.version))


def settles(rules: Rules, state: State, place: int, holder: Lambda) -> Iterator[Move]:
    """Find out by a read whether the lost write was done; if not, write again."""
    item = state.items[holder.item]
    own = item.fence == holder.fence
    is_free = own and item.lease == FREE
    there = item.token == holder.result if holder.result > 0 else is_free
    if there or not rules.guards.settle:
        move = replied(rules, state, place, holder)
        yield move._replace(text=f"finds its write done: {move.text}")
    elif own and item.lease != FREE:
        again = placed(state, place, holder._replace(step=COMMITTING))
        yield Move(place, "finds its write not done", again)
    else:
        yield lost(rules, state, place, holder)
