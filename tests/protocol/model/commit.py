"""The end of an exchange: one conditional write, then the answer."""

from collections.abc import Iterator

from tests.protocol.model.decision import answered, handed, is_live, lost, may, placed, refused
from tests.protocol.model.gate import gate_of
from tests.protocol.model.leases import with_message
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import (
    Age,
    End,
    Event,
    Failure,
    HandOut,
    Item,
    Lambda,
    Lease,
    Move,
    Renewal,
    Result,
    Stage,
    State,
    put,
    worth,
)

CODES = {
    Result.REFUSED: "refresh_in_progress",
    Result.DOWN: "upstream_unavailable",
    Result.UNANSWERED: "upstream_unavailable",
    Result.REJECTED: "credential_rejected",
    Result.LATCHED: "credential_latched",
    Result.SPOILT: "internal",
    Result.DENIED: "upstream_refused",
}


def may_commit(rules: Rules, item: Item, holder: Lambda) -> bool:
    """Return whether the condition of the write holds: the holder still has the lease."""
    own = item.fence == holder.fence
    return (own or not rules.guards.fence) and (
        (own and item.lease != Lease.FREE) or not rules.guards.owner
    )


def written(rules: Rules, state: State, holder: Lambda) -> Item:
    """Return the item with the outcome and without the lease."""
    item, result = state.items[holder.item], holder.result
    if item.fence == holder.fence or not rules.guards.own_end:
        item = item._replace(lease=Lease.FREE)
    if result > 0:
        renewal = Renewal.READY if rules.scenario.renewals else Renewal.ABSENT
        age = item.age if item.token == result else Age.FRESH  # the same write, twice
        return item._replace(
            token=result,
            age=age,
            generation=holder.seen + 1,
            renewal=renewal,
            rejected=0,
            failure=Failure.CALM,
            strict=0,
            blames=-1,
            version=holder.version,
            suspect=-1,
            early=0,
        )
    guards = rules.guards
    if rules.scenario.renewals and holder.using and not holder.begun:
        item = item._replace(renewal=Renewal.READY)  # it was not sent
    stored = {
        Result.DOWN: guards.backoff,
        Result.UNANSWERED: guards.stale,
        Result.REJECTED: True,
        Result.DENIED: True,
    }
    if stored.get(result):
        blames = (
            holder.version + holder.previous if result in (Result.REJECTED, Result.DENIED) else -1
        )
        strict = holder.login if guards.strict else 0
        return item._replace(failure=Failure.PATIENT, strict=strict, blames=blames)
    if result not in stored and is_uncertain(rules, holder) and item.token:
        return item._replace(failure=Failure.DUE, strict=holder.login, blames=-1)
    return item


def is_uncertain(rules: Rules, holder: Lambda) -> bool:
    """Return whether an exchange that failed for another reason may have ended a token."""
    has_sent = holder.begun > 0 and rules.guards.spoilt
    return has_sent or bool(holder.over and rules.guards.put_back)


def done(rules: Rules, state: State, holder: Lambda) -> State:
    """Return the state after the write; a stored failure justifies another exchange."""
    name = holder.item
    after = state._replace(items=put(state.items, name, written(rules, state, holder)))
    is_outage = holder.result in (Result.DOWN, Result.UNANSWERED)
    # The end of the back-off justifies another exchange.
    is_put_off = is_outage and after.items[name].failure == Failure.PATIENT
    has_unstored_successor = holder.result == Result.DOWN and not rules.guards.backoff
    has_failed = is_outage or holder.result in (Result.REFUSED, Result.SPOILT)
    if has_failed and holder.begun and not is_put_off and not has_unstored_successor:
        return worth(after, name)
    is_second = state.items[gate_of(rules, holder)].suspect == holder.version
    if holder.result == Result.REJECTED and (holder.version != state.secret or is_second):
        return worth(after, name)
    return after


def commits(rules: Rules, state: State, place: int, holder: Lambda) -> Iterator[Move]:
    """Store the outcome, unless another holder has the lease."""
    item = state.items[holder.item]
    if not rules.guards.commit_first and holder.result > 0:
        yield hands_out_first(rules, state, place, holder)
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
        spoilt = placed(state, place, holder._replace(result=Result.SPOILT))
        less = spoilt._replace(faults=state.faults - 1)
        yield Move(place, "fails after it got the new token", less, (), fair=False)
    if may(rules, state, "unkept") and holder.result > 0:
        yield unkept(rules, state, place, holder)
    if may(rules, state, "blur"):
        less = state._replace(faults=state.faults - 1)
        yield from blurs(less, after._replace(faults=less.faults), place, holder, events)


def unkept(rules: Rules, state: State, place: int, holder: Lambda) -> Move:
    """The token cannot be stored: the item records that, and the caller gets the token."""
    name, failure = holder.item, Failure.PATIENT
    item = state.items[name]._replace(lease=Lease.FREE, failure=failure, blames=holder.version)
    item = item._replace(strict=holder.login)
    less = state._replace(faults=state.faults - 1)
    after = placed(less, place, answered(rules, holder, holder.result), (name, item))
    told = HandOut(name, name, holder.result, stale=False)
    text = "records that its token cannot be stored, and returns it"
    return Move(place, text, after, (End(own=True), told), fair=False)


def blurs(
    state: State, after: State, place: int, holder: Lambda, events: tuple[Event, ...]
) -> Iterator[Move]:
    """The table's answer is lost; the write happens, is lost, or is late."""
    unsure = holder._replace(step=Stage.SETTLING)
    text = "stores the outcome; the table's answer is lost"
    yield Move(place, text, placed(after, place, unsure), events, fair=False)
    text = "writes; the request is lost"
    yield Move(place, text, placed(state, place, unsure), (), fair=False)
    if holder.result > 0:
        text = "writes; the request is late"
        yield Move(place, text, placed(with_message(state, holder), place, unsure), (), fair=False)


def hands_out_first(rules: Rules, state: State, place: int, holder: Lambda) -> Move:
    """A mutant answers before it stores. The platform then freezes it with its write in flight."""
    item = state.items[holder.item]._replace(
        token=holder.result, failure=Failure.CALM, lease=Lease.FREE
    )
    after = placed(with_message(state, holder), place, answered(rules, holder, holder.result))
    return Move(place, "returns its token before it is stored", after, handed(rules, holder, item))


def replied(rules: Rules, state: State, place: int, holder: Lambda) -> Move:
    """The outcome is stored: answer the caller."""
    item, name = state.items[holder.item], holder.item
    if holder.result > 0 and not is_live(item):
        return lost(rules, state, place, holder)._replace(text="its token has ended meanwhile")
    if holder.result > 0:
        told = handed(rules, holder, item._replace(token=holder.result))
        after = placed(state, place, answered(rules, holder, holder.result))
        return Move(place, "returns its token", after, told)
    if is_live(item) or (item.token > 0 and not rules.guards.min_ttl):
        after = placed(state, place, answered(rules, holder, item.token))
        stale = HandOut(name, name, item.token, stale=True)
        return Move(place, "returns the old token as stale", after, (stale,))
    code = CODES[holder.result]
    after = placed(state, place, answered(rules, holder, 0))
    return Move(place, f"answers {code}", after, refused(holder, code, holder.version))


def settles(rules: Rules, state: State, place: int, holder: Lambda) -> Iterator[Move]:
    """Find out by a read whether the lost write was done; if not, write again."""
    item = state.items[holder.item]
    own = item.fence == holder.fence
    is_free = own and item.lease == Lease.FREE
    there = item.token == holder.result if holder.result > 0 else is_free
    if there or not rules.guards.settle:
        move = replied(rules, state, place, holder)
        yield move._replace(text=f"finds its write done: {move.text}")
    elif own and item.lease != Lease.FREE:
        again = placed(state, place, holder._replace(step=Stage.COMMITTING))
        yield Move(place, "finds its write not done", again)
    else:
        yield lost(rules, state, place, holder)
