"""The upstream's processing of a request, and the answer to the Lambda."""

from collections.abc import Iterator

from tests.protocol.model.answers import may, placed
from tests.protocol.model.gate import gate_of, has_accepted
from tests.protocol.model.rules import Rules
from tests.protocol.model.state import Ask, Lambda, Move, Outer, Result, Stage, State, put

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
