"""The end of an exchange: one conditional write, then the answer."""

from collections.abc import Iterator

from tests.protocol.model.decision import is_live
from tests.protocol.model.leases import with_message
from tests.protocol.model.state import (
    Age,
    End,
    Event,
    Failure,
    HandOut,
    Item,
    Lease,
    Move,
    Renewal,
    Result,
    Stage,
    State,
    put,
    worth,
)
from tests.protocol.model.turn import Turn

CODES = {
    Result.REFUSED: "refresh_in_progress",
    Result.DOWN: "upstream_unavailable",
    Result.UNANSWERED: "upstream_unavailable",
    Result.REJECTED: "credential_rejected",
    Result.LATCHED: "credential_latched",
    Result.SPOILT: "internal",
    Result.DENIED: "upstream_refused",
}


def may_commit(turn: Turn) -> bool:
    """Return whether the condition of the write holds: the holder still has the lease."""
    item, guards = turn.item, turn.guards
    own = item.fence == turn.me.fence
    return (own or not guards.fence) and ((own and item.lease != Lease.FREE) or not guards.owner)


def written(turn: Turn) -> Item:
    """Return the item with the outcome and without the lease."""
    item, holder, result, guards = turn.item, turn.me, turn.me.result, turn.guards
    has_renewals = turn.scenario.renewals
    if item.fence == holder.fence or not guards.own_end:
        item = item._replace(lease=Lease.FREE)
    if result > 0:
        return item._replace(
            token=result,
            age=item.age if item.token == result else Age.FRESH,  # the same write, twice
            generation=holder.seen + 1,
            renewal=Renewal.READY if has_renewals else Renewal.ABSENT,
            rejected=0,
            failure=Failure.CALM,
            strict=0,
            blames=-1,
            version=holder.version,
            suspect=-1,
            early=0,
        )
    if has_renewals and holder.using and not holder.begun:
        item = item._replace(renewal=Renewal.READY)  # it was not sent
    stored = {
        Result.DOWN: guards.backoff,
        Result.UNANSWERED: guards.stale,
        Result.REJECTED: True,
        Result.DENIED: True,
    }
    if stored.get(result):
        is_about = result in (Result.REJECTED, Result.DENIED)
        blames = holder.version + holder.previous if is_about else -1
        strict = holder.login if guards.strict else 0
        return item._replace(failure=Failure.PATIENT, strict=strict, blames=blames)
    # An exchange that failed for another reason may have ended a token.
    has_sent = holder.begun > 0 and guards.spoilt
    is_uncertain = has_sent or (holder.over and guards.put_back)
    if result not in stored and is_uncertain and item.token:
        return item._replace(failure=Failure.DUE, strict=holder.login, blames=-1)
    return item


def done(turn: Turn) -> State:
    """Return the state after the write; a stored failure justifies another exchange."""
    holder, name = turn.me, turn.me.item
    item = written(turn)
    after = turn.state._replace(items=put(turn.state.items, name, item))
    is_outage = holder.result in (Result.DOWN, Result.UNANSWERED)
    # The end of the back-off justifies another exchange.
    is_put_off = is_outage and item.failure == Failure.PATIENT
    has_unstored_successor = holder.result == Result.DOWN and not turn.guards.backoff
    has_failed = is_outage or holder.result in (Result.REFUSED, Result.SPOILT)
    if has_failed and holder.begun and not is_put_off and not has_unstored_successor:
        return worth(after, name)
    is_second = turn.gate.suspect == holder.version
    if holder.result == Result.REJECTED and (holder.version != after.secret or is_second):
        return worth(after, name)
    return after


def ended(turn: Turn, after: State) -> tuple[Event, ...]:
    """Return the event of a write that ends the lease, if it does."""
    item = turn.item
    is_ended = item.lease != after.items[turn.me.item].lease
    return (End(item.fence == turn.me.fence),) if is_ended else ()


def commits(turn: Turn) -> Iterator[Move]:
    """Store the outcome, unless another holder has the lease."""
    holder, has_token = turn.me, turn.me.result > 0
    if not turn.guards.commit_first and has_token:
        yield hands_out_first(turn)
        return
    if not may_commit(turn):
        yield turn.lost()
        return
    after = done(turn)
    events = ended(turn, after)
    move = replied(turn.within(after))
    yield move._replace(text=f"stores the outcome: {move.text}", events=events + move.events)
    if turn.may("defect") and has_token:
        spoilt = holder._replace(result=Result.SPOILT)
        yield turn.fault("fails after it got the new token", spoilt)
    if turn.may("unkept") and has_token:
        yield unkept(turn)
    if turn.may("blur"):
        unsure = holder._replace(step=Stage.SETTLING)
        text = "stores the outcome; the table's answer is lost"
        yield turn.within(after).fault(text, unsure, *events)
        yield turn.fault("writes; the request is lost", unsure)
        if has_token:
            late = turn.within(with_message(turn.state, holder))
            yield late.fault("writes; the request is late", unsure)


def unkept(turn: Turn) -> Move:
    """The token cannot be stored: the item records that, and the caller gets the token."""
    holder, name = turn.me, turn.me.item
    item = turn.item._replace(
        lease=Lease.FREE, failure=Failure.PATIENT, blames=holder.version, strict=holder.login
    )
    event = HandOut(name, name, holder.result, stale=False)
    text = "records that its token cannot be stored, and returns it"
    return turn.fault(text, turn.answered(holder.result), End(own=True), event, item=item)


def hands_out_first(turn: Turn) -> Move:
    """A mutant answers before it stores. The platform then freezes it with its write in flight."""
    item = turn.item._replace(token=turn.me.result, failure=Failure.CALM, lease=Lease.FREE)
    late = turn.within(with_message(turn.state, turn.me))
    return late.hands_out("returns its token before it is stored", item)


def replied(turn: Turn) -> Move:
    """The outcome is stored: answer the caller."""
    item, holder, name = turn.item, turn.me, turn.me.item
    if holder.result > 0 and not is_live(item):
        return turn.lost()._replace(text="its token has ended meanwhile")
    if holder.result > 0:
        return turn.hands_out("returns its token", item._replace(token=holder.result))
    if is_live(item) or (item.token > 0 and not turn.guards.min_ttl):
        event = HandOut(name, name, item.token, stale=True)
        return turn.move("returns the old token as stale", turn.answered(item.token), event)
    code = CODES[holder.result]
    return turn.fails(f"answers {code}", code, holder.version)


def settles(turn: Turn) -> Iterator[Move]:
    """Find out by a read whether the lost write was done; if not, write again."""
    item, holder = turn.item, turn.me
    own = item.fence == holder.fence
    is_free = own and item.lease == Lease.FREE
    there = item.token == holder.result if holder.result > 0 else is_free
    if there or not turn.guards.settle:
        move = replied(turn)
        yield move._replace(text=f"finds its write done: {move.text}")
    elif own and item.lease != Lease.FREE:
        yield turn.move("finds its write not done", holder._replace(step=Stage.COMMITTING))
    else:
        yield turn.lost()
