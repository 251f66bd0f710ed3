"""Crashes of Lambdas, and the end of leases."""

from collections.abc import Iterator

from tests.protocol.model.answers import may
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Lambda, Lease, Move, Result, Stage, State, put, worth
from tests.protocol.model.upstream import processed

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
