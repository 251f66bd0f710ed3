"""The lease: how it is acquired, how its holder crashes, and how it ends."""

from collections.abc import Iterator

from tests.protocol.model.decision import is_leased, lost, may, placed
from tests.protocol.model.exchange import processed
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import (
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


WORLD = -1
"""The actor of moves that no Lambda makes."""


def holds_lease(state: State, name: int, one: Lambda) -> bool:
    """Return whether *one* is alive and holds the current lease of item *name*."""
    fence, step = state.items[name].fence, one.step
    if one.outer and (one.outer.item, one.outer.fence) == (name, fence):
        return True
    if step < Stage.HOLDING and not (step == Stage.SETTLING_LEASE and one.wrote):
        return False
    has_gate = name == 0 and step != Stage.GATING and one.gate > 0 and one.gate == fence
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
    """The lease of any item becomes late, or ends."""
    for name, item in enumerate(state.items):
        if item.lease in (Lease.EARLY, Lease.LATE):
            yield from goes_on(rules, state, name)


def goes_on(rules: Rules, state: State, name: int) -> Iterator[Move]:
    """A lease becomes late, then it ends: the platform has ended its holder before.

    That is a crash (`deaths`), so only in a mutant a lease ends while its holder lives. Only a
    holder that is about to send notices a late lease.
    """
    item = state.items[name]
    holders = [one for one in state.lambdas if holds_lease(state, name, one)]
    if item.lease == Lease.EARLY and holders and not rules.is_timely:
        late = state._replace(items=put(state.items, name, item._replace(lease=Lease.LATE)))
        yield Move(WORLD, f"the lease of {name} becomes late", late, (), fair=False)
    if is_awaited(rules, state, name) or (holders and rules.guards.kill):
        return
    over = state._replace(items=put(state.items, name, item._replace(lease=Lease.OVER)))
    if not holders:
        yield Move(WORLD, f"the lease of {name} runs out", over)
    elif item.lease == Lease.LATE and may(rules, state, "death"):
        faults = state.faults - 1
        text = f"the lease of {name} runs out, its holder still lives"
        yield Move(WORLD, text, worth(over, name)._replace(faults=faults), (), fair=False)


def deaths(rules: Rules, state: State, place: int) -> Iterator[Move]:
    """A Lambda with a lease may crash, or be ended by the platform, at any step."""
    one = state.lambdas[place]
    if one.outer or one.step >= Stage.HOLDING or (one.step == Stage.SETTLING_LEASE and one.wrote):
        yield from dies(rules, state, place, one)


def dies(rules: Rules, state: State, place: int, one: Lambda) -> Iterator[Move]:
    """One Lambda crashes. Its messages in flight may still arrive."""
    gone = without_lambda(state, place, one)
    if one.step != Stage.SENT:
        yield Move(place, "dies", gone, (), fair=False)
    elif one.late or not rules.promises.in_time:
        yield Move(place, "dies, its request on the way", with_message(gone, one), (), fair=False)
    else:
        # The time of its processing makes no difference before the end of the lease.
        yield Move(place, "dies, its request is lost", gone, (), fair=False)
        after = processed(rules, gone, one)[0]._replace(wrong=gone.wrong)
        yield Move(place, "dies, its request is processed", after, (), fair=False)
    if one.step == Stage.COMMITTING and one.result > 0:
        yield Move(place, "dies, its write on the way", with_message(gone, one), (), fair=False)


def without_lambda(state: State, place: int, one: Lambda) -> State:
    """Return the state without a Lambda: its exchange justifies another one."""
    wrong = state.wrong
    if one.result == Result.REJECTED and one.step == Stage.JUDGING:
        wrong = put(wrong, one.version, wrong[one.version] - 1)
    gone = state._replace(
        lambdas=put(state.lambdas, place, Lambda()), faults=state.faults - 1, wrong=wrong
    )
    if one.outer and one.outer.begun:
        gone = worth(gone, one.outer.item)
    item = state.items[one.item]
    is_stored = item.fence != one.fence or item.lease == Lease.FREE
    return worth(gone, one.item) if one.begun and not is_stored else gone


def with_message(state: State, sender: Lambda) -> State:
    """Return the state with the message of *sender* in flight."""
    message = sender._replace(ask=0, kept=0, outer=())
    return state._replace(messages=tuple(sorted((*state.messages, message))))
