"""A lease's holder sends a request, and the upstream processes and answers it."""

from collections.abc import Iterator

from tests.protocol.model.gate import has_accepted, looks, used
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
from tests.protocol.model.turn import Turn

OWN_TOKEN = -1
"""The token of a mutant that logs in for a separate organization's token."""


def holds(turn: Turn) -> Iterator[Move]:
    """Get the organization's token, or the permission to log in."""
    scenario, guards, holder = turn.scenario, turn.guards, turn.me
    if scenario.organization and holder.item and not holder.using:
        if guards.ask:  # the broker, like any caller
            yield turn.move("asks for the organization's token", asking(holder))
        else:
            yield checks(turn.by(using=OWN_TOKEN))
        return
    if holder.using and scenario.renewals and turn.item.version != turn.state.secret:
        turn = turn.by(using=0)  # another version may name another user
    if guards.gate_first and not turn.me.using and not turn.me.gate:
        if turn.may("defect"):
            yield refuses(turn)._replace(fair=False)
            yield refuses(turn, Result.DOWN)._replace(fair=False)
        if looked := looks(turn):
            yield looked
            return
    yield checks(turn)
    if turn.rules.is_timely and guards.bound:
        yield refuses(turn)._replace(fair=False)


def asking(holder: Lambda) -> Lambda:
    """Return the holder of a workspace's lease as a caller for its organization's token."""
    outer = Outer(holder.item, holder.ask, holder.seen, holder.fence, holder.begun, holder.over)
    return Lambda(Stage.WAITING, 0, Ask.PLAIN, outer=outer)


def phase(turn: Turn) -> int:
    """Return the phase of the holder's leases by its clock."""
    item, gate, holder = turn.item, turn.state.items[0], turn.me
    own = item.lease if item.fence == holder.fence else Lease.OVER
    if not holder.gate:
        return own
    return max(own, gate.lease if gate.fence == holder.gate else Lease.OVER)


def checks(turn: Turn) -> Move:
    """Check that there is time for one more answer; read the secret."""
    if turn.guards.bound and phase(turn) != Lease.EARLY:
        return refuses(turn)
    turn = turn.by(step=Stage.CHECKED, version=used(turn))
    if turn.rules.is_timely:
        return next(sends(turn))
    return turn.move("sees that there is time for a request", turn.me)


def refuses(turn: Turn, result: int = Result.REFUSED) -> Move:
    """Too little time is left; without any time it counts as an outage."""
    step = Stage.JUDGING if turn.me.gate else Stage.COMMITTING
    refused = turn.me._replace(step=step, result=result)
    return turn.move("sees that the time is too short, and sends nothing", refused)


def sends(turn: Turn) -> Iterator[Move]:
    scenario, state, holder, name = turn.scenario, turn.state, turn.me, turn.me.item
    renewal = holder.using if scenario.renewals else 0
    is_late = not turn.rules.promises.prompt and phase(turn) != Lease.EARLY
    request = holder._replace(
        step=Stage.SENT,
        begun=holder.begun + 1,
        late=int(is_late or not turn.guards.bound),
        login=int(not holder.using),
        over=holder.over if scenario.renewals or scenario.organization else 0,
    )
    sent = turn.after(request)._replace(sent=max(state.sent, renewal))
    if not holder.begun:
        sent = sent._replace(credit=put(state.credit, name, state.credit[name] - 1))
    what = "a renewal" if renewal else "a step" if holder.using else "a login"
    yield Move(turn.place, f"sends {what}", sent, (Send(name, holder.ask, renewal),))


def processed(turn: Turn) -> tuple[State, int]:
    """Return the state and the answer after the upstream processed a request; 0 is a refusal."""
    state, name, using = turn.state, turn.me.item, turn.me.using
    if turn.scenario.organization and name:
        if using == OWN_TOKEN:
            return state._replace(made=put(state.made, 0, state.made[0] + 1)), 0
        is_right = using == state.made[0]
    elif using:
        is_right = using == state.made[name]
    elif not state.good >> turn.me.version & 1:
        return blamed(turn), Result.REJECTED
    else:
        is_right = True
    if not is_right:
        return state, 0
    made = put(state.made, name, state.made[name] + 1)
    if not turn.rules.promises.alone:
        made = tuple(number + 1 for number in state.made)
    return state._replace(made=made), made[name]


def blamed(turn: Turn) -> State:
    """Return the state with one more rejected login.

    A login in flight at the first rejection of an accepted version does not count.
    """
    state, gate, version = turn.state, turn.gate, turn.me.version
    if has_accepted(turn.rules, gate, version) and gate.suspect != version:
        return state
    return state._replace(wrong=put(state.wrong, version, state.wrong[version] + 1))


def serves(turn: Turn) -> Iterator[Move]:
    """The upstream answers, or it does not."""
    state, holder = turn.state, turn.me
    after, answer = processed(turn)
    if holder.begun < turn.scenario.steps:
        again = holder._replace(step=Stage.HOLDING, using=0, late=0, over=0)
        yield turn.move("gets an answer, and goes on", again)
    if answer:
        yield turn.within(after).move("gets an answer", concluded(holder, answer))
    else:
        yield refused_token(turn.within(after))
    if turn.may("loss"):
        unheard = concluded(holder, Result.UNANSWERED)
        done = turn.within(after._replace(wrong=state.wrong))
        yield done.fault("is processed, the answer is lost", unheard)
        if not turn.rules.promises.in_time:
            state = state._replace(messages=tuple(sorted((*state.messages, holder))))
        yield turn.within(state).fault("gets no answer in time", unheard)
    if turn.may("outage"):
        text = "gets the answer that the upstream is down"
        yield turn.fault(text, concluded(holder, Result.DOWN))
    if turn.may("denial"):
        yield turn.fault("is refused for another reason", concluded(holder, Result.DENIED))
    if turn.may("page") and not holder.using:
        rejected = concluded(holder, Result.REJECTED)
        yield turn.within(blamed(turn)).fault("is rejected by a proxy in between", rejected)


def concluded(holder: Lambda, result: int) -> Lambda:
    """Return the holder after the exchange ended with *result*, which is not stored yet."""
    step = Stage.JUDGING if holder.gate or result == Result.REJECTED else Stage.COMMITTING
    return holder._replace(step=step, result=result, using=0, late=0, over=0)


def refused_token(turn: Turn) -> Move:
    """The token of the exchange was rejected: log in, or request another one once."""
    holder = turn.me
    again = holder._replace(step=Stage.HOLDING, using=0, late=0)
    if not turn.scenario.organization:
        return turn.move("is refused the renewal", again)
    if holder.using == OWN_TOKEN:
        again = again._replace(using=turn.state.made[0])
        return turn.move("gets a separate organization's token", again)
    if holder.begun > 1:
        failed = again._replace(step=Stage.COMMITTING, result=Result.DOWN)
        return turn.move("is refused the step again", failed)
    reporter = asking(holder)._replace(ask=Ask.REPORTING, kept=holder.using)
    return turn.move("is refused the step", reporter)
