"""The steps of a lease's holder before it sends a request."""

from collections.abc import Iterator

from tests.protocol.model.answers import may, placed
from tests.protocol.model.gate import looks, used
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
from tests.protocol.model.upstream import OWN_TOKEN


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
