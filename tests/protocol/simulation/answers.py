"""Checks each answer to a caller; each error must have a cause."""

from calendar import timegm
from collections.abc import Iterable
from math import inf
from time import strptime

from tests.protocol.simulation.excuses import (
    ENDING,
    KNOWN_FOR,
    LATCHED,
    LOOK_SECONDS,
    REFUSED,
    WAITING,
    is_excused,
)
from tests.protocol.simulation.history import History, Made
from tests.protocol.simulation.invocations import TIMEOUT, Invocation
from tests.protocol.simulation.operators import check_deleted_latch, check_deleted_token
from tests.protocol.simulation.origins import ROLES_SECONDS
from tests.protocol.simulation.plans import HARMLESS, ONCE
from token_broker.document import Document
from token_broker.errors import InvalidRequest
from token_broker.item import Item

PATIENCE_SECONDS = 1.4
"""Seconds that an invocation may freeze within the time that the broker reserves."""

CLOSE_SECONDS = 35
"""Seconds by which a lifetime must exceed `min_ttl`, since an exchange takes time."""

APART_SECONDS = 60
"""Seconds by which an alias is certainly later than a token, by any clock."""

BAD_CODES = frozenset(
    {"invalid_request", "upstream_refused", "credential_rejected", "upstream_contract_changed"}
)
"""Errors that a request for a nonexistent variant may get."""


def check_answer(history: History, invocation: Invocation) -> None:
    """Check how an invocation ended."""
    is_hindered = invocation.frozen_seconds >= PATIENCE_SECONDS or invocation.refused_by
    if invocation.end == "timed out" and not is_hindered:
        history.violate("answers", f"{invocation.name} does not answer in time")
    if invocation.end == "failed":
        check_error(history, invocation)
    if invocation.end == "answered" and invocation.action == "token":
        check_min_ttl(history, invocation)
        check_variant(history, invocation)
        check_caller_does_not_wait(history, invocation)


def check_error(history: History, invocation: Invocation) -> None:
    """I13, I17: each error is documented, has an end, and has a cause that still applies."""
    code, detail = invocation.answer["code"], invocation.answer.get("detail")
    is_own = code == "not_configured" and invocation.is_denied
    # A check's verification request, which is not stored: the next check may send it at once.
    is_own |= bool(invocation.sent) and invocation.verifies(invocation.sent[-1])
    if code in ENDING and not is_own and "retry_after" not in invocation.answer:
        history.violate("I13", f"{invocation.name} gets no retry_after: {code} ({detail})")
    if code in LATCHED and not invocation.is_hindered and has_logged_in(history, invocation):
        history.violate("I13", f"{invocation.name} logged in and gets no token: {code}")
    if has_lost_token(history, invocation):
        history.violate("I13", f"{invocation.name} made a token and gets none: {code} ({detail})")
    check_deleted_latch(history, invocation)
    if is_explained_by_request(history, invocation) or is_excused(history, invocation):
        return
    history.violate("errors", f"{invocation.name} fails without a cause: {code} ({detail})")


def is_explained_by_request(history: History, invocation: Invocation) -> bool:
    """Return whether the request explains its error: a nonexistent variant or a long `min_ttl`."""
    code = invocation.answer["code"]
    if invocation.is_bad:
        return code in BAD_CODES
    if "repeats" in history.plan.modes and history.caller_reports and code in WAITING | REFUSED:
        return True  # the vendor only issues the reported token again
    # Only a live stored token shows how long tokens live.
    is_known = invocation.life_at_begin > -CLOSE_SECONDS
    known = min(history.plan.lifetime, history.lifetime) if is_known else history.lifetime
    margin = CLOSE_SECONDS + history.plan.clocks_apart
    if "repeats" in history.plan.modes:
        margin += history.plan.lifetime / 2
    is_long = int(invocation.event.get("min_ttl", 0)) > known - margin
    has_made = any(made.maker is invocation for made in history.made.values())
    is_deleted = any(
        one.action == "forget" and (one.ended is None or one.ended > invocation.begun)
        for one in history.operations
    )
    is_exact = not any(history.plan.offsets) and invocation.life_at_begin > CLOSE_SECONDS
    if code == "invalid_request" and is_long and has_made and is_exact and not is_deleted:
        text = f"{invocation.name} replaced a live token for a min_ttl that no token meets"
        history.violate("I17", text)
    is_pinned = history.is_refused(invocation, invocation.begun - LOOK_SECONDS - KNOWN_FOR)
    return code == "invalid_request" and (is_long or is_pinned)


def has_logged_in(history: History, invocation: Invocation) -> bool:
    """Return whether a login succeeded, and no check met the end of a token after it."""
    for sent in reversed(invocation.sent):
        if invocation.verifies(sent) and history.vendor.is_ended(sent.bearer or ""):
            return False
        if sent.credential in history.valid and sent.is_answered:
            return not invocation.is_bad
    return False


def has_lost_token(history: History, invocation: Invocation) -> bool:
    """Return whether one failed call to AWS lost the token that the caller obtained."""
    faults = [fault for fault in invocation.met if fault.kind not in HARMLESS]
    is_one = len(faults) == 1 and faults[0].kind in ONCE and not invocation.refused_by
    is_one &= not invocation.is_hurt_upstream
    is_key = not faults and invocation.refused_by == {"key"}
    if invocation.action != "token" or not (is_one or is_key):
        return False
    min_ttl = invocation.event.get("min_ttl", 0)
    return any(
        made.maker is invocation
        and made.key in wanted_of(history, invocation, made, history.versions_of(made))
        and (is_key or made.step < faults[0].step)
        and history.vendor.ends_at(made.token) - history.now > min_ttl + CLOSE_SECONDS
        and not history.vendor.is_ended(made.token)
        for made in history.made.values()
    )


def check_min_ttl(history: History, invocation: Invocation) -> None:
    """I8: a token lives for `min_ttl`, by the clock of the process that returns it."""
    answer = invocation.answer
    ends = timegm(strptime(answer["expires_at"], "%Y-%m-%dT%H:%M:%SZ"))
    is_new = answer["source"] == "exchange"
    decided = max(invocation.begun, invocation.answered_at if is_new else invocation.decided_at)
    wished = invocation.event.get("min_ttl", default_of(history, invocation, ends))
    if ends - wished <= int(decided + invocation.offset):
        left = ends - int(decided + invocation.offset)
        history.violate("I8", f"{invocation.name} gets a token with {left} seconds left")


def default_of(history: History, invocation: Invocation, ends: int) -> int:
    """Return the default `min_ttl` of a call: 30, or a tenth of the token's lifetime.

    The lifetime is the stored one: by its maker's clock, from before the request was sent. For a
    token that could not be stored it is the least possible one.
    """
    name, generation = invocation.answer["fingerprint"], invocation.answer["generation"]
    made = history.made.get(name)
    sent_at = int((made.at if made else invocation.begun) + invocation.offset)
    lifetime = history.lifetimes.get((name, generation), ends - sent_at)
    return min(30, max(0, lifetime // 10))


def check_variant(history: History, invocation: Invocation) -> None:
    """I8: a token belongs to the requested variant, and is not the reported one."""
    made = history.made.get(invocation.answer["fingerprint"])
    if made is None or made.token not in " ".join(invocation.answer["headers"].values()):
        history.violate("I8", f"{invocation.name} gets a token that the vendor never issued")
        return
    versions = history.versions_of(made)
    bases = frozenset[str]().union(*(history.vendor.bases(history.settings[v]) for v in versions))
    if invocation.answer["base_url"] not in bases:
        history.violate(
            "I12", f"{invocation.name} gets {sorted(versions)}'s token and another host"
        )
    invocation.was_dead = history.vendor.is_ended(made.token)
    invocation.had_open_lease = history.item(made.key).lease_owner is not None
    wanted = wanted_by(history, invocation, made)
    if made.key not in wanted and not has_outdated_alias(history, invocation, made):
        history.violate("I8", f"{invocation.name} gets a token of another variant")
    if history.is_nonexistent(invocation, made):
        history.violate("I17", f"{invocation.name} gets a token for a nonexistent variant")
    check_report(history, invocation, made)
    check_generation(history, invocation, made)
    name = invocation.answer["fingerprint"]
    kept_at = max(history.kept.get(name, made.at), history.reissued_at.get(name, 0.0))
    check_deleted_token(history, invocation, kept_at)
    check_unshared_token(history, invocation, made)
    check_pin(history, invocation, made)
    check_stale_flag(history, invocation, made)


def check_report(history: History, invocation: Invocation, made: Made) -> None:
    """I14: a caller that reports a token gets neither that token nor an older one."""
    reported = history.made.get(invocation.event.get("rejected", ""))
    if reported is made:
        history.violate("I14", f"{invocation.name} gets the token that it reports")
    marked_at = history.marked.get(invocation.answer["fingerprint"], inf)
    is_known = invocation.answer["source"] == "table" or invocation.begun > marked_at + KNOWN_FOR
    again_at = history.reissued_at.get(invocation.answer["fingerprint"], 0.0)
    if marked_at < invocation.begun and is_known and again_at < marked_at:
        history.violate("I9", f"{invocation.name} gets a token that was already marked as rejected")
    is_older = reported and history.issued_at(made) < history.issued_at(reported)
    if reported and reported.key == made.key and is_older:
        history.violate("I14", f"{invocation.name} gets an older token than it reports")


def check_generation(history: History, invocation: Invocation, made: Made) -> None:
    """I2: a new token has a newer generation than the stored one, even if it is not stored."""
    before = history.generations.get(made.key, [])
    known = [number for at, number in before if at < invocation.begun]
    is_new = invocation.answer["source"] == "exchange" and made.maker is invocation
    if is_new and known and invocation.answer["generation"] <= known[-1]:
        history.violate("I2", f"{invocation.name} gets an old generation")


def check_unshared_token(history: History, invocation: Invocation, made: Made) -> None:
    """With `reuse: false` a caller gets only a token that its own invocation obtained.

    An older shared token may be returned until an event announces the change (see I11).
    """
    versions = history.versions_of(made)
    is_again = history.reissued_at.get(invocation.answer["fingerprint"], 0.0) >= invocation.begun
    is_own = made.maker is invocation or is_again
    if not is_own and all(history.is_unshared(version) for version in versions):
        history.violate("reuse", f"{invocation.name} gets the token of {made.maker.name}")


def check_stale_flag(history: History, invocation: Invocation, made: Made) -> None:
    """I4: a token that a crashed process ended is returned as stale once its lease is over."""
    is_from_table = invocation.answer["source"] == "table" and not invocation.answer["stale"]
    if not (is_from_table and invocation.was_dead):
        return
    later = history.successors(made)
    if later and later[0].maker.is_dead and later[0].at < invocation.begun - TIMEOUT:
        history.violate("I4", f"{invocation.name} gets a dead token without the stale flag")


def check_caller_does_not_wait(history: History, invocation: Invocation) -> None:
    """I5: no caller waits for the refresh of a token that is still valid."""
    has_waited = invocation.slept or invocation.sent
    if history.is_unshared(next(reversed(history.settings), None)):
        return
    name = invocation.usable_at_begin
    for lost_at in (history.marked.get(name, inf), history.gone.get(name, inf)):
        if invocation.begun <= lost_at <= history.reissued_at.get(name, 0.0):
            return  # it was reported or removed meanwhile, and the vendor issued it again
    if has_waited and name and name == live_item(history, invocation):
        history.violate("I5", f"{invocation.name} waits though a usable token is stored")


def live_item(history: History, invocation: Invocation) -> str:
    """Return the fingerprint of the stored token, if the token outlives the call, or ""."""
    body = Document(history.body_of(invocation.event), InvalidRequest)
    key = history.vendor.flow.requested(body).key
    alias = history.item(key)
    item = history.item(alias.target) if alias.target else alias
    if is_outdated(alias, item):
        return ""
    latest = int(history.now + invocation.offset) + 21
    is_good = item.lives_for(latest, None) and item.lease_owner is None
    return item.fingerprint or "" if is_good else ""


def is_outdated(alias: Item, item: Item) -> bool:
    """Return whether *alias* was made for another version or role than the token of *item*.

    It may have to be resolved again, unless it was certainly made after the token.
    """
    expected, found = (one.decoded_context() or {} for one in (alias, item))
    is_other = item.secret_version != alias.secret_version
    is_other |= any(found.get(name) != value for name, value in expected.items())
    return is_other and alias.issued_at <= item.issued_at + APART_SECONDS


def has_outdated_alias(history: History, invocation: Invocation, made: Made) -> bool:
    """Return whether a stale answer has the token of an alias of an older version.

    The broker does not look up an alias again while a failure backs off.
    """
    if not invocation.answer["stale"]:
        return False
    body = Document(history.body_of(invocation.event), InvalidRequest)
    keys = (history.vendor.flow.requested(body).key, made.key)
    failures = [item.failure for item in map(history.item, keys) if item.failure]
    now = int(invocation.decided_at + invocation.offset)
    is_waiting = any(failure.is_backing_off(now) for failure in failures)
    return is_waiting and made.key in wanted_of(history, invocation, made, history.settings)


def wanted_by(history: History, invocation: Invocation, made: Made) -> set[str]:
    """Return the variants whose token an invocation may be given.

    An older version of the secret and older roles count: until the next exchange if no event
    announced the change, while a process caches a token, and while no newer version is accepted.
    """
    since = min(invocation.begun - KNOWN_FOR, made.maker.begun)
    versions = list(history.settings) if history.recorded else history.versions_since(since)
    return wanted_of(history, invocation, made, versions)


def wanted_of(
    history: History, invocation: Invocation, made: Made, versions: Iterable[str]
) -> set[str]:
    """Return the variants that an invocation requests by these *versions* of the secret."""
    body, roles_since = history.body_of(invocation.event), made.at - ROLES_SECONDS
    return {
        key
        for version in versions
        for key in history.vendor.wanted(body, history.settings[version], roles_since)
    }


def check_pin(history: History, invocation: Invocation, made: Made) -> None:
    """I8: after an announced rotation no caller gets a token that the secret's pins forbid.

    A call with an exchange must obey the version that it read. Any other call may return a stored
    or cached token of before the pin, until a fixed time after the rotation was carried out.
    """
    if invocation.read and made.maker is invocation:
        if all(history.forbids(invocation, version) for version in invocation.read):
            history.violate("I8", f"{invocation.name} obtains a token that the secret forbids")
        return
    carried_out = rotation_at(history)
    if carried_out is None:
        return
    begun, ended = carried_out
    forbidden = all(history.forbids(invocation, one) for one in history.versions_since(begun))
    is_late = history.kept.get(made.name, made.at) > begun
    was_under_way = is_late and made.maker.begun < list(history.put_at.values())[-1]
    known_until = ended + KNOWN_FOR + history.plan.clocks_apart
    if forbidden and not was_under_way and invocation.begun > known_until:
        history.violate("I8", f"{invocation.name} gets a token that the rotated secret forbids")


def rotation_at(history: History) -> tuple[float, float] | None:
    """Return the begin and end of an event of the current version that met no AWS fault.

    Faults of the vendor do not count.
    """
    current = list(history.put_at.values())[-1]
    events = history.event_invocations
    roots = [one for one in events if one.begun > current and ">" not in one.name]
    if not roots or any(
        one.met or one.refused_by - {"upstream"} or one.is_dead or one.offsets for one in events
    ):
        return None
    if any(one.is_asynchronous for one in history.wire.running.values() if one.ended is None):
        return None
    return min(one.begun for one in roots), max(one.ended or 0.0 for one in events)
