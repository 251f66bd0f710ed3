"""The invariants of the protocol, each a predicate that says whether it holds.

Some are about a state, some about what has just happened: the state before, the event, the state
after. What they count (`credit`, `sent`, `wrong`) is history that the protocol does not see.
"""

from collections.abc import Callable

from tests.protocol.model.decision import HAND_OUT, decide, is_leased, is_stale
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import (
    Age,
    Ask,
    End,
    Event,
    HandOut,
    Lambda,
    Refusal,
    Send,
    Stage,
    State,
)
from tests.protocol.model.upstream import OWN_TOKEN

PLAIN_CALLER = Lambda(step=Stage.IDLE, ask=Ask.PLAIN)
"""A caller who just asks for a token."""


def i1(rules: Rules, state: State) -> bool:
    """At most one exchange of a variant is in flight."""
    del rules
    flying = [one for one in state.lambdas + state.messages if one.step == Stage.SENT]
    if len(flying) < 2:
        return True
    names = [0 if one.using == OWN_TOKEN else one.item for one in flying]
    return len(set(names)) == len(names)


def i2(before: State, after: State) -> bool:
    """The stored token never goes back to an older generation, and a new one has a newer."""
    return all(
        new.token in (0, old.token) or (old.token < new.token and old.generation < new.generation)
        for old, new in zip(before.items, after.items, strict=True)
    )


def i3(event: End) -> bool:
    """Nobody ends a lease that it does not own."""
    return event.own


def i4(rules: Rules, state: State) -> bool:
    """For an upstream that keeps one session, the stored token is the live one when all is quiet.

    Quiet: no exchange of the item, and nothing of one on its way. A token that would be handed out
    as stale, or not at all, is known to be in doubt and does not count.
    """
    if all(item.token == made for item, made in zip(state.items, state.made, strict=True)):
        return True
    busy = {one.item for one in state.messages} | {
        one.outer.item if one.outer else one.item
        for one in state.lambdas
        if one.outer or one.step >= Stage.SETTLING_LEASE
    }
    if any(one.using == OWN_TOKEN for one in state.lambdas):
        busy.add(0)
    return all(
        item.token == state.made[name]
        or name in busy
        or is_leased(item)
        or decide(rules, item, PLAIN_CALLER, state.secret) != HAND_OUT
        or is_stale(rules, item)
        for name, item in enumerate(state.items)
    )


def i5(event: Send, after: State) -> bool:
    """Exchanges ≤ 1 + lease expiries + deaths, per expiry of a token.

    A stored failure, a forced call and a new version of the secret are worth one each, too.
    """
    return event.ask == Ask.REPORTING or after.credit[event.item] >= 0


def i6(event: Send, before: State) -> bool:
    """A spent renewal token is never sent again. Stricter: none is sent twice, spent or not."""
    return not event.renewal or event.renewal > before.sent


def i7(rules: Rules, state: State) -> bool:
    """Logins with a rejected version of a secret ≤ 1, for any number of callers, forced or not.

    Two where it had been accepted. A login whose answer nobody lived to store does not count, nor
    those that are on their way when an accepted version is rejected first: nobody can know of it.
    """
    return max(state.wrong) <= rules.scenario.wrong


def i8(event: HandOut, after: State) -> bool:
    """No answer breaks its `min_ttl`; no answer holds a token of another variant."""
    item = after.items[event.served]
    return event.asked == event.served and (item.token != event.token or item.age > Age.DEAD)


def i9(event: HandOut | Send, after: State) -> bool:
    """N reports of the same token cause one exchange; a late report of an older causes none.

    One, not none: a token that was reported while it was current is not handed out again.
    """
    if isinstance(event, HandOut):
        return event.served != 0 or event.token != after.reported
    return event.ask != Ask.REPORTING or after.credit[event.item] >= 0


def i10(event: HandOut, after: State) -> bool:
    """After an exchange whose holder died, the next caller has a live token within one lease.

    Once the lease is over, no dead token is handed out as good; and (`explorer`) nobody waits.
    """
    if event.stale or event.token == after.made[event.served]:
        return True
    return is_leased(after.items[event.served])


def l1(event: Refusal, rules: Rules) -> bool:
    """If the upstream answers and a holder survives, every caller ends with a token or an error.

    Here: a documented error, and a true one. That callers end at all, `explorer` sees to.
    """
    if event.code == "credential_latched":
        return not rules.scenario.good[event.version] or "expel" in rules.scenario.may
    return event.code != "conflict"


OF_STATES: dict[str, Callable[[Rules, State], bool]] = {"I1": i1, "I4": i4, "I7": i7}


def broken(rules: Rules, before: State, events: tuple[Event, ...], after: State) -> list[str]:
    """Return the invariants that this move breaks by itself."""
    names = [] if before.items is after.items or i2(before, after) else ["I2"]
    for event in events:
        verdicts = judged(rules, before, event, after)
        names += [name for name, holds in verdicts.items() if not holds]
    return names


def judged(rules: Rules, before: State, event: Event, after: State) -> dict[str, bool]:
    """Return the invariants that *event* is about, and whether they hold."""
    if isinstance(event, HandOut):
        return {"I8": i8(event, after), "I9": i9(event, after), "I10": i10(event, after)}
    if isinstance(event, Send):
        return {"I5": i5(event, after), "I6": i6(event, before), "I9": i9(event, after)}
    return {"I3": i3(event)} if isinstance(event, End) else {"L1": l1(event, rules)}


def broken_by(rules: Rules, state: State) -> list[str]:
    """Return the invariants that do not hold in a state."""
    return [name for name, holds in OF_STATES.items() if not holds(rules, state)]
