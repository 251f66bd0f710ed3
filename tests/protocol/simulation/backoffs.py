"""I5, I13: an exchange that failed, or whose token could not be stored, waits for its back-off."""

from tests.protocol.simulation.excuses import LONGEST_WAIT_SECONDS, REFUSED
from tests.protocol.simulation.history import History, Made, Wait
from tests.protocol.simulation.invocations import Invocation
from tests.subjects import is_made_in_steps

REFUSED_SECONDS = 15
"""The least back-off in seconds after a refusal by the upstream."""


def least_seconds(history: History, failures: int) -> float:
    """Return the least back-off after *failures* in a row, which doubles, as any clock sees it."""
    return float(min(2**failures, LONGEST_WAIT_SECONDS) - 1 - history.plan.clocks_apart)


def record_backoff(history: History, invocation: Invocation) -> None:
    """Record the `retry_after` of an error, and check its length."""
    check_length(history, invocation)
    if invocation.end != "failed" or not is_upstreams(invocation):
        return
    is_refused = invocation.answer["code"] in REFUSED
    seconds = invocation.answer.get("retry_after", REFUSED_SECONDS if is_refused else 0)
    last = invocation.sent[-1]
    # The seconds count from the write of the failure, whose time no caller knows.
    failed_at = last.ended_at or history.now
    history.waits.append(
        Wait(
            history.body_of(invocation.event),
            invocation.read[-1],
            history.now,
            failed_at + min(seconds, LONGEST_WAIT_SECONDS) - 1 - history.plan.clocks_apart,
            last.credential is not None and (last.is_unclear or not last.is_answered),
        )
    )


def check_length(history: History, invocation: Invocation) -> None:
    """Check that a back-off doubles, up to a minute."""
    body, plan = str(history.body_of(invocation.event)), history.plan
    if invocation.end == "answered" and invocation.action == "token":
        history.streaks[body] = 0
    if invocation.end != "failed" or invocation.answer["code"] != "upstream_unavailable":
        return
    seconds = int(invocation.answer.get("retry_after", 0))
    if seconds > LONGEST_WAIT_SECONDS + plan.clocks_apart:
        history.violate("I13", f"{invocation.name} is told to wait for {seconds} s")
    # A token that is made in steps stores each failure on another item.
    is_one = not plan.faults and not is_made_in_steps(plan.flow)
    if is_one and is_upstreams(invocation) and not history.operations:
        history.streaks[body] += 1
        if seconds < least_seconds(history, history.streaks[body]):
            history.violate("I5", f"{invocation.name} is told to wait for {seconds} s only")


def check_sent_amid_backoff(history: History, invocation: Invocation) -> None:
    """Check that a caller sends no request during a back-off that others were given."""
    if invocation.action != "token" or invocation.is_bad or not invocation.read:
        return
    is_plain = not invocation.event.keys() & {"force", "rejected"}
    body = history.body_of(invocation.event)
    for wait in history.waits:
        is_amid = wait.since < invocation.begun and history.now < wait.until
        is_same = wait.body == body and wait.version == invocation.version
        is_lifted = any(one.begun > wait.since - 30 for one in history.operations)
        if is_amid and is_same and not is_lifted and (is_plain or wait.is_unclear):
            history.violate("I5", f"{invocation.name} sends a request during the back-off")


def check_repeated(history: History, made: Made) -> None:
    """Check that an exchange whose token could not be stored waits before it is repeated."""
    maker, earlier = made.maker, history.made.of(made.key)
    unkept = 0
    for one in reversed(earlier):
        is_kept = one.name in history.kept
        if one.maker.refused_by != {"key"} or is_kept or one.maker is maker:
            break
        unkept += 1
    if not unkept or not maker.is_plain:
        return
    last = earlier[-1].maker
    seconds = least_seconds(history, unkept)
    if last.ended is not None and last.ended < maker.begun < last.ended + seconds:
        history.violate("I13", f"{maker.name} repeats the exchange of {last.name} at once")


def is_upstreams(invocation: Invocation) -> bool:
    """Return whether an invocation met faults of the vendor only."""
    is_amiss = invocation.is_hurt_upstream or invocation.refused_by == {"upstream"}
    is_more = len(invocation.met) > 1 or bool(invocation.refused_by - {"upstream"})
    is_one = invocation.action == "token" and bool(invocation.sent) and bool(invocation.read)
    return is_amiss and is_one and not is_more
