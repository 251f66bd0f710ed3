"""The invariants of the protocol, as predicates on states and on transitions.

A predicate on a transition gets the state before, the event and the state after. The counters
(`credit`, `sent`, `wrong`) are history variables, which the protocol does not read.
"""

from collections.abc import Callable

from tests.protocol.model.decision import HAND_OUT, decide, is_leased, is_stale
from tests.protocol.model.exchange import OWN_TOKEN
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

PLAIN_CALLER = Lambda(step=Stage.IDLE, ask=Ask.PLAIN)
"""A plain call for a token."""


def i1(rules: Rules, state: State) -> bool:
    """At most one exchange of a variant is in flight."""
    del rules
    flying = [one for one in state.lambdas + state.messages if one.step == Stage.SENT]
    if len(flying) < 2:
        return True
    names = [0 if one.using == OWN_TOKEN else one.item for one in flying]
    return len(set(names)) == len(names)


def i2(before: State, after: State) -> bool:
    """The stored generation never decreases, and each new token increases it."""
    return all(
        new.token in (0, old.token) or (old.token < new.token and old.generation < new.generation)
        for old, new in zip(before.items, after.items, strict=True)
    )


def i3(event: End) -> bool:
    """Only its owner ends a lease."""
    return event.own


def i4(rules: Rules, state: State) -> bool:
    """For an upstream with one session, the stored token is live in every quiescent state.

    Quiescent: no exchange of the item is running, and no message of one is in flight. A token that
    would be returned as stale, or not at all, is known to be uncertain and does not count.
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
    """Exchanges ≤ 1 + lease expiries + crashes, per expiry of a token.

    A stored failure, a forced call and a new version of the secret justify one more each.
    """
    return event.ask == Ask.REPORTING or after.credit[event.item] >= 0


def i6(event: Send, before: State) -> bool:
    """No renewal token is sent twice."""
    return not event.renewal or event.renewal > before.sent


def i7(rules: Rules, state: State) -> bool:
    """Logins with a rejected version of a secret ≤ 1, for any number of callers, forced or not.

    Two if it had been accepted. A login does not count if its sender crashed before it stored the
    answer, or if it was in flight at the first rejection of an accepted version.
    """
    return max(state.wrong) <= rules.scenario.wrong


def i8(event: HandOut, after: State) -> bool:
    """No answer breaks its `min_ttl`; no answer holds a token of another variant."""
    item = after.items[event.served]
    return event.asked == event.served and (item.token != event.token or item.age > Age.DEAD)


def i9(event: HandOut | Send, after: State) -> bool:
    """N reports of the same token cause one exchange; a report of an older token causes none.

    At least one: a token that was reported while it was current is not returned again.
    """
    if isinstance(event, HandOut):
        return event.served != 0 or event.token != after.reported
    return event.ask != Ask.REPORTING or after.credit[event.item] >= 0


def i10(event: HandOut, after: State) -> bool:
    """After a crash of an exchange's holder, the next caller has a live token within one lease.

    After the end of the lease no dead token is returned without `stale`; `explorer` checks that no
    caller waits.
    """
    if event.stale or event.token == after.made[event.served]:
        return True
    return is_leased(after.items[event.served])


def l1(event: Refusal, rules: Rules) -> bool:
    """If the upstream answers and a holder survives, every caller ends with a token or an error.

    Here: the error is documented and true. `explorer` checks that callers end.
    """
    if event.code == "credential_latched":
        return not rules.scenario.good[event.version] or "expel" in rules.scenario.may
    return event.code != "conflict"


OF_STATES: dict[str, Callable[[Rules, State], bool]] = {"I1": i1, "I4": i4, "I7": i7}


def broken(rules: Rules, before: State, events: tuple[Event, ...], after: State) -> list[str]:
    names = [] if before.items is after.items or i2(before, after) else ["I2"]
    for event in events:
        verdicts = judged(rules, before, event, after)
        names += [name for name, holds in verdicts.items() if not holds]
    return names


def judged(rules: Rules, before: State, event: Event, after: State) -> dict[str, bool]:
    """Return the invariants on *event*, and whether each holds."""
    if isinstance(event, HandOut):
        return {"I8": i8(event, after), "I9": i9(event, after), "I10": i10(event, after)}
    if isinstance(event, Send):
        return {"I5": i5(event, after), "I6": i6(event, before), "I9": i9(event, after)}
    return {"I3": i3(event)} if isinstance(event, End) else {"L1": l1(event, rules)}


def broken_by(rules: Rules, state: State) -> list[str]:
    return [name for name, holds in OF_STATES.items() if not holds(rules, state)]
