"""A lease's holder sends a request, and the upstream processes and answers it."""

from collections.abc import Iterator

from tests.protocol.model.decision import may, placed
from tests.protocol.model.gate import gate_of, has_accepted, looks, used
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import (
    Ask,
    Lambda,
    Lease,
    Move,
    Outer,
    Result,
    Send,
    Stage,
    State,
    put,
)


def holds(rules: Rules, state: State, place: int, holder: Lambda) -> Iterator[Move]:
    """Get the organization's token, or the permission to log in."""
    scenario = rules.scenario
    if scenario.organization and holder.item and not holder.using:
        yield asks(rules, state, place, holder)
        return
    if holder.using and scenario.renewals and state.items[holder.item].version != state.secret:
        holder = holder._replace(using=0)  # another version may name another user
    if rules.guards.gate_first and not holder.using and not holder.gate:
        if may(rules, state, "defect"):
            yield refuses(state, place, holder)._replace(fair=False)
            yield refuses(state, place, holder, Result.DOWN)._replace(fair=False)
        looked = looks(rules, state, place, holder)
        if looked:
            yield looked
            return
    yield checks(rules, state, place, holder)
    if rules.is_timely and rules.guards.bound:
        yield refuses(state, place, holder)._replace(fair=False)


def asks(rules: Rules, state: State, place: int, holder: Lambda) -> Move:
    """Request the organization's token from the broker, like any caller."""
    if not rules.guards.ask:
        return checks(rules, state, place, holder._replace(using=OWN_TOKEN))
    return Move(place, "asks for the organization's token", placed(state, place, asking(holder)))


def asking(holder: Lambda) -> Lambda:
    """Return the holder of a workspace's lease as a caller for its organization's token."""
    outer = Outer(holder.item, holder.ask, holder.seen, holder.fence, holder.begun, holder.over)
    return Lambda(Stage.WAITING, 0, Ask.PLAIN, outer=outer)


def phase(state: State, holder: Lambda) -> int:
    """Return the phase of the holder's leases by its clock."""
    item, gate = state.items[holder.item], state.items[0]
    own = item.lease if item.fence == holder.fence else Lease.OVER
    if not holder.gate:
        return own
    return max(own, gate.lease if gate.fence == holder.gate else Lease.OVER)


def checks(rules: Rules, state: State, place: int, holder: Lambda) -> Move:
    """Check that there is time for one more answer; read the secret."""
    if rules.guards.bound and phase(state, holder) != Lease.EARLY:
        return refuses(state, place, holder)
    version = used(state, holder)
    checked = holder._replace(step=Stage.CHECKED, version=version)
    if rules.is_timely:
        return next(sends(rules, state, place, checked))
    after = placed(state, place, checked)
    return Move(place, "sees that there is time for a request", after)


def refuses(state: State, place: int, holder: Lambda, result: int = Result.REFUSED) -> Move:
    """Too little time is left; without any time it counts as an outage."""
    step = Stage.JUDGING if holder.gate else Stage.COMMITTING
    after = placed(state, place, holder._replace(step=step, result=result))
    return Move(place, "sees that the time is too short, and sends nothing", after)


def sends(rules: Rules, state: State, place: int, holder: Lambda) -> Iterator[Move]:
    """Send the request that was checked."""
    name = holder.item
    renewal = holder.using if rules.scenario.renewals else 0
    late = not rules.guards.bound or (
        not rules.promises.prompt and phase(state, holder) != Lease.EARLY
    )
    can_go_on = rules.scenario.renewals or rules.scenario.organization
    request = holder._replace(
        step=Stage.SENT,
        begun=holder.begun + 1,
        late=int(late),
        login=int(not holder.using),
        over=holder.over if can_go_on else 0,
    )
    sent = placed(state, place, request)
    if not holder.begun:
        sent = sent._replace(credit=put(state.credit, name, state.credit[name] - 1))
    sent = sent._replace(sent=max(state.sent, renewal))
    what = "a renewal" if renewal else "a step" if holder.using else "a login"
    yield Move(place, f"sends {what}", sent, (Send(name, holder.ask, renewal),))


OWN_TOKEN = -1
"""The token of a mutant that logs in for a separate organization's token."""


def processed(rules: Rules, state: State, request: Lambda) -> tuple[State, int]:
    """Return the state and the answer after the upstream processed *request*; 0 is a refusal."""
    name, using = request.item, request.using
    if rules.scenario.organization and name:
        if using == OWN_TOKEN:
            return state._replace(made=put(state.made, 0, state.made[0] + 1)), 0
        right = using == state.made[0]
    elif using:
        right = using == state.made[name]
    else:
        right = bool(state.good >> request.version & 1)
        if not right:
            return blamed(rules, state, request), Result.REJECTED
    if not right:
        return state, 0
    made = put(state.made, name, state.made[name] + 1)
    if not rules.promises.alone:
        made = tuple(number + 1 for number in state.made)
    return state._replace(made=made), made[name]


def blamed(rules: Rules, state: State, request: Lambda) -> State:
    """Return the state with one more rejected login.

    A login in flight at the first rejection of an accepted version does not count.
    """
    gate, version = state.items[gate_of(rules, request)], request.version
    if has_accepted(rules, gate, version) and gate.suspect != version:
        return state
    return state._replace(wrong=put(state.wrong, version, state.wrong[version] + 1))


def serves(rules: Rules, state: State, place: int, holder: Lambda) -> Iterator[Move]:
    """The upstream answers, or it does not."""
    after, answer = processed(rules, state, holder)
    if holder.begun < rules.scenario.steps:
        again = holder._replace(step=Stage.HOLDING, using=0, late=0, over=0)
        yield Move(place, "gets an answer, and goes on", placed(state, place, again))
    if answer:
        yield Move(place, "gets an answer", concluded(after, place, holder, answer))
    else:
        yield refused_token(rules, after, place, holder)
    less = state._replace(faults=state.faults - 1)
    if may(rules, state, "loss"):
        done = after._replace(faults=less.faults, wrong=state.wrong)
        unheard = concluded(done, place, holder, Result.UNANSWERED)
        yield Move(place, "is processed, the answer is lost", unheard, (), fair=False)
        silent = less
        if not rules.promises.in_time:
            silent = less._replace(messages=tuple(sorted((*less.messages, holder))))
        unheard = concluded(silent, place, holder, Result.UNANSWERED)
        yield Move(place, "gets no answer in time", unheard, (), fair=False)
    if may(rules, state, "outage"):
        failed = concluded(less, place, holder, Result.DOWN)
        yield Move(place, "gets the answer that the upstream is down", failed, (), fair=False)
    if may(rules, state, "denial"):
        failed = concluded(less, place, holder, Result.DENIED)
        yield Move(place, "is refused for another reason", failed, (), fair=False)
    if may(rules, state, "page") and not holder.using:
        failed = concluded(blamed(rules, less, holder), place, holder, Result.REJECTED)
        yield Move(place, "is rejected by a proxy in between", failed, (), fair=False)


def concluded(state: State, place: int, holder: Lambda, result: int) -> State:
    """Return the state after the exchange ended with *result*, which is not stored yet."""
    step = Stage.JUDGING if holder.gate or result == Result.REJECTED else Stage.COMMITTING
    return placed(state, place, holder._replace(step=step, result=result, using=0, late=0, over=0))


def refused_token(rules: Rules, state: State, place: int, holder: Lambda) -> Move:
    """The token of the exchange was rejected: log in, or request another one once."""
    again = holder._replace(step=Stage.HOLDING, using=0, late=0)
    if not rules.scenario.organization:
        return Move(place, "is refused the renewal", placed(state, place, again))
    if holder.using == OWN_TOKEN:
        again = again._replace(using=state.made[0])
        return Move(place, "gets a separate organization's token", placed(state, place, again))
    if holder.begun > 1:
        failed = placed(state, place, again._replace(step=Stage.COMMITTING, result=Result.DOWN))
        return Move(place, "is refused the step again", failed)
    outer = Outer(holder.item, holder.ask, holder.seen, holder.fence, holder.begun, holder.over)
    inner = Lambda(Stage.WAITING, 0, Ask.REPORTING, kept=holder.using, outer=outer)
    return Move(place, "is refused the step", placed(state, place, inner))
