"""How long a fault may cause errors in other invocations, and how long callers must wait.

A fault excuses the invocation that meets it. Other invocations may be affected by a process that
crashed, froze or could not end its lease, until the lease ends; and by a stored failure, until its
back-off ends. A failed call to AWS or a lost answer, without a crash, must not affect them.

I5, I13: an exchange that failed, or whose token could not be stored, waits for its back-off.
"""

from tests.protocol.simulation.history import Harm, History, Made, Streak, Wait
from tests.protocol.simulation.invocations import TIMEOUT, Invocation
from tests.protocol.simulation.plans import FaultKind
from tests.subjects import is_made_in_steps, refuses_clearly

SKEW_SECONDS = 30
LEASE_SECONDS = TIMEOUT + 2 + SKEW_SECONDS
"""Seconds from an invocation's begin to the end of its lease, by its clock."""

LINGERING: frozenset[FaultKind] = frozenset(
    {"crash", "crash after", "freeze", "freeze after", "late", "slow"}
)
"""Faults after which a lease may stay, or last long."""

KNOWN_FOR = 61
"""Seconds for which a process may use an earlier read."""

LOOK_SECONDS = 30
"""Seconds after which the broker reads a new version of the secret without an event."""

WAITED = "refresh_in_progress"
WAITING = frozenset({"upstream_unavailable", WAITED, "store_unavailable"})
ENDING = WAITING | {"not_configured"}
"""Codes of errors with a `retry_after`, except for the invocation that met the fault."""

REFUSED = frozenset({"upstream_refused", "upstream_contract_changed"})
LATCHED = frozenset({"credential_rejected", "credential_latched"})
LONGEST_WAIT_SECONDS = 60
LONGEST_REFUSAL_SECONDS = 3600


def record_harm(history: History, invocation: Invocation) -> None:
    """Record how an invocation that met a fault may affect others."""
    if not invocation.is_hindered:
        return
    begun = invocation.begun
    history.harms.append(Harm(begun, invocation.ended or begun))
    if leaves_lease(invocation):
        lease_over = begun + LEASE_SECONDS + history.plan.clocks_apart
        history.harms.append(Harm(begun, lease_over, WAITED))


def record_failure(history: History, writer: Invocation, code: str, retry_at: int) -> None:
    """Record until when a stored failure may be returned to other callers."""
    is_denied = code == "not_configured" and writer.is_denied  # by the key, whatever it asks for
    if writer.is_bad and not is_denied:
        return
    if not (writer.is_hindered or is_doubtful(history, writer, code)):
        return
    longest = LONGEST_REFUSAL_SECONDS if code in REFUSED else LONGEST_WAIT_SECONDS
    until = min(retry_at - writer.offset, history.now + longest) + history.plan.clocks_apart + 2
    history.harms.append(Harm(history.now, until, code))


def is_excused(history: History, invocation: Invocation) -> bool:
    """Return whether a fault that may still have effects explains the error of *invocation*."""
    code = invocation.answer["code"]
    if code == "connection_held":
        return history.was_held(invocation)
    if code in LATCHED:
        return has_wrong_secret(history, invocation)
    if code in WAITING | REFUSED:
        return is_temporary(history, invocation, code)
    if code == "not_configured":
        return invocation.is_denied or is_harmed(history, invocation, code)
    is_own = not invocation.is_plain and invocation.action == "token"
    is_on_demand = is_own or invocation.refused is not None
    return code == "too_many_requests" and is_on_demand


def is_temporary(history: History, invocation: Invocation, code: str) -> bool:
    """Return whether a fault of this or another invocation explains a temporary error."""
    if invocation.is_hindered:
        is_page = any(fault.kind == "page" for fault in invocation.met)
        return code in WAITING or is_page or is_harmed(history, invocation, code)
    is_wrong = has_wrong_secret(history, invocation)
    is_unclear = not refuses_clearly(history.plan.flow)
    is_refused = code == "upstream_refused" and (
        is_doubtful(history, invocation, code) or (is_unclear and is_wrong)
    )
    # It restarted with a new version, which was rejected, and does not combine tokens of the
    # version before with those of the exchange that it began.
    is_changed = any(at > invocation.begun for at in history.put_at.values())
    is_overtaken = code == WAITED and is_changed and is_wrong
    return is_refused or is_overtaken or is_harmed(history, invocation, code)


def is_harmed(history: History, invocation: Invocation, code: str) -> bool:
    """Return whether another invocation that met a fault may cause this error."""
    running = any(
        one.ended is None and one is not invocation and one.is_hindered
        for one in history.wire.running.values()
    )
    return (code == WAITED and running) or any(
        harm.since <= history.now and invocation.begun <= harm.until and harm.code in (None, code)
        for harm in history.harms
    )


def is_doubtful(history: History, writer: Invocation, code: str) -> bool:
    """Return whether an invocation may have used what the vendor has changed since.

    That is a token, if all were revoked; or a listing, if a role changed: a workspace is refused.
    """
    has_entered = any(sent.step == "enter workspace" for sent in writer.sent)
    is_entry = has_entered and code == "upstream_refused"
    changed_at = max(history.revoked_at, history.roles_at if is_entry else 0.0)
    return changed_at > writer.begun - KNOWN_FOR - history.plan.clocks_apart


def has_wrong_secret(history: History, invocation: Invocation) -> bool:
    """Return whether the vendor rejected a version that the invocation may use."""
    since = invocation.begun - LOOK_SECONDS - history.plan.clocks_apart - 5
    found = map(history.credential_of, history.versions_since(since))
    return any(c.refused or (c.strangers and invocation.is_bad) for c in found)


def leaves_lease(invocation: Invocation) -> bool:
    """Return whether an invocation may have left a lease: it crashed, froze or met two faults."""
    kinds = [fault.kind for fault in invocation.met if fault.kind != "twice"]
    is_lasting = not LINGERING.isdisjoint(kinds) or len(kinds) > 1
    return is_lasting or invocation.is_dead or bool(invocation.refused_by)


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
    """Check that a back-off doubles, up to a minute, while the secret has the same version."""
    body, plan = str(history.body_of(invocation.event)), history.plan
    if invocation.end == "answered" and invocation.action == "token":
        history.streaks.pop(body, None)
    if invocation.end != "failed" or invocation.answer["code"] != "upstream_unavailable":
        return
    seconds = int(invocation.answer.get("retry_after", 0))
    if seconds > LONGEST_WAIT_SECONDS + plan.clocks_apart + 1:  # clocks count whole seconds
        history.violate("I13", f"{invocation.name} is told to wait for {seconds} s")
    # A token that is made in steps stores each failure on another item.
    is_one = not plan.faults and not is_made_in_steps(plan.flow)
    if is_one and is_upstreams(invocation) and not history.operations:
        last = history.streaks.get(body, Streak(0, invocation.version, 0.0))
        # Exchanges that are not shared run beside each other: neither counts the other's failure.
        is_beside = history.is_unshared(last.version) and invocation.begun <= last.at
        is_first = invocation.version != last.version or is_beside
        failures = 1 if is_first else last.failures + 1
        history.streaks[body] = Streak(failures, invocation.version, history.now)
        if seconds < least_seconds(history, failures):
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
