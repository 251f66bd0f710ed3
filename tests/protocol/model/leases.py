"""The lease: how it is acquired, how its holder crashes, and how it ends."""

from collections.abc import Iterator

from tests.protocol.model.decision import is_leased
from tests.protocol.model.exchange import processed
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import (
    WORLD,
    Ask,
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
from tests.protocol.model.turn import Turn, may


def acquires(turn: Turn) -> Iterator[Move]:
    """Take the lease by one conditional write, whose answer may be lost."""
    item, caller, guards = turn.item, turn.me, turn.guards
    using = item.token if item.renewal == Renewal.READY else 0
    ask = caller.ask
    if ask == Ask.RENEWING or (ask == Ask.FORCED and guards.latch_forced):
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
        renewal=Renewal.IN_USE if using and guards.in_use else item.renewal,
    )
    if not may_acquire(turn.rules, item, caller):
        yield turn.lost()
        return
    yield turn.move("takes the lease", holder, item=taken)
    if turn.may("blur"):
        unsure = holder._replace(step=Stage.SETTLING_LEASE)
        text = "takes the lease; the table's answer is lost"
        yield turn.fault(text, unsure._replace(wrote=1), item=taken)
        yield turn.fault("asks for the lease; the request is lost", unsure._replace(wrote=0))


def may_acquire(rules: Rules, item: Item, caller: Lambda) -> bool:
    """Return whether the condition of the write holds."""
    guards = rules.guards
    if guards.swap_generation and item.generation != caller.seen:
        return False
    if guards.swap_fence:
        return item.fence == caller.fence
    return not is_leased(item) or not guards.free


def settles_lease(turn: Turn) -> Iterator[Move]:
    """Read whether the write without an answer acquired the lease."""
    caller, guards = turn.me, turn.guards
    mine = turn.item.fence == caller.fence and (caller.wrote or not guards.owner_read)
    if mine or not guards.settle:
        holder = caller._replace(step=Stage.HOLDING, wrote=0)
        yield turn.move("takes the lease for its own", holder)
    else:
        yield turn.lost()


def may_hold(one: Lambda) -> bool:
    """Return whether a Lambda has a lease, or a write that acquired one."""
    return one.step >= Stage.HOLDING or (one.step == Stage.SETTLING_LEASE and bool(one.wrote))


def holds_lease(state: State, name: int, one: Lambda) -> bool:
    """Return whether *one* is alive and holds the current lease of item *name*."""
    fence = state.items[name].fence
    if one.outer and (one.outer.item, one.outer.fence) == (name, fence):
        return True
    if not may_hold(one):
        return False
    has_gate = name == 0 and one.step != Stage.GATING and one.gate > 0 and one.gate == fence
    return has_gate or (one.item, one.fence) == (name, fence)


def is_awaited(rules: Rules, state: State, name: int) -> bool:
    """Return whether a request that was sent in time under this lease is still in flight."""
    if not rules.promises.in_time:
        return any(holds_lease(state, name, o) and o.step == Stage.SENT for o in state.lambdas)
    return any(
        one.step == Stage.SENT and not one.late and holds_lease(state, name, one)
        for one in state.lambdas + state.messages
    )


def leases(rules: Rules, state: State) -> Iterator[Move]:
    """The lease of any item becomes late, or ends: the platform has ended its holder before.

    That is a crash (`deaths`), so only in a mutant a lease ends while its holder lives. Only a
    holder that is about to send notices a late lease.
    """
    for name, item in enumerate(state.items):
        if item.lease in (Lease.EARLY, Lease.LATE):
            yield from goes_on(rules, state, name)


def goes_on(rules: Rules, state: State, name: int) -> Iterator[Move]:
    """A lease becomes late, then it ends."""
    item = state.items[name]
    holders = [one for one in state.lambdas if holds_lease(state, name, one)]
    if item.lease == Lease.EARLY and holders and not rules.is_timely:
        late = state._replace(items=put(state.items, name, item._replace(lease=Lease.LATE)))
        yield Move(WORLD, f"the lease of {name} becomes late", late, fair=False)
    if is_awaited(rules, state, name) or (holders and rules.guards.kill):
        return
    over = state._replace(items=put(state.items, name, item._replace(lease=Lease.OVER)))
    if not holders:
        yield Move(WORLD, f"the lease of {name} runs out", over)
    elif item.lease == Lease.LATE and may(rules, state, "death"):
        over = worth(over, name)._replace(faults=state.faults - 1)
        yield Move(WORLD, f"the lease of {name} runs out, its holder still lives", over, fair=False)


def deaths(turn: Turn) -> Iterator[Move]:
    """A Lambda with a lease may crash at any step. Its messages in flight may still arrive."""
    one, place = turn.me, turn.place
    if not turn.may("death") or not (one.outer or may_hold(one)):
        return
    gone = without_lambda(turn)
    if one.step != Stage.SENT:
        yield Move(place, "dies", gone, fair=False)
    elif one.late or not turn.rules.promises.in_time:
        yield Move(place, "dies, its request on the way", with_message(gone, one), fair=False)
    else:
        # The time of its processing makes no difference before the end of the lease.
        yield Move(place, "dies, its request is lost", gone, fair=False)
        after = processed(turn.within(gone))[0]._replace(wrong=gone.wrong)
        yield Move(place, "dies, its request is processed", after, fair=False)
    if one.step == Stage.COMMITTING and one.result > 0:
        yield Move(place, "dies, its write on the way", with_message(gone, one), fair=False)


def without_lambda(turn: Turn) -> State:
    """Return the state without a Lambda: its exchange justifies another one."""
    one, item, wrong = turn.me, turn.item, turn.state.wrong
    if one.result == Result.REJECTED and one.step == Stage.JUDGING:
        wrong = put(wrong, one.version, wrong[one.version] - 1)
    gone = turn.after(Lambda())._replace(faults=turn.state.faults - 1, wrong=wrong)
    if one.outer and one.outer.begun:
        gone = worth(gone, one.outer.item)
    is_stored = item.fence != one.fence or item.lease == Lease.FREE
    return worth(gone, one.item) if one.begun and not is_stored else gone


def with_message(state: State, sender: Lambda) -> State:
    message = sender._replace(ask=0, kept=0, outer=())
    return state._replace(messages=tuple(sorted((*state.messages, message))))
