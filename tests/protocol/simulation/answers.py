"""Checks each answer to a caller; each error must have a cause."""

from calendar import timegm
from collections.abc import Iterable, Mapping
from math import inf
from time import strptime
from typing import TYPE_CHECKING, Any

from tests.protocol.simulation.excuses import (
    ENDING,
    KNOWN_FOR,
    LATCHED,
    LOOK_SECONDS,
    REFUSED,
    WAITING,
    clocks_apart,
)
from tests.protocol.simulation.invocations import TIMEOUT, Invocation
from tests.protocol.simulation.origins import ROLES_SECONDS
from tests.protocol.simulation.pinning import check_pin, is_refused
from tests.protocol.simulation.plans import HARMLESS, ONCE
from token_broker.document import Document
from token_broker.errors import InvalidRequest

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge, Made

PATIENCE_SECONDS = 1.4
"""Seconds that an invocation may freeze within the time that the broker reserves."""

CLOSE_SECONDS = 35
"""Seconds by which a lifetime must exceed `min_ttl`, since an exchange takes time."""

BAD_CODES = frozenset(
    {"invalid_request", "upstream_refused", "credential_rejected", "upstream_contract_changed"}
)
"""Errors that a request for a nonexistent variant may get."""


def check_answer(judge: "Judge", invocation: Invocation) -> None:
    """Check how an invocation ended."""
    is_hindered = invocation.frozen_seconds >= PATIENCE_SECONDS or invocation.refused_by
    if invocation.end == "timed out" and not is_hindered:
        judge.violate("answers", f"{invocation.name} does not answer in time")
    if invocation.end == "failed":
        check_error(judge, invocation)
    if invocation.end == "answered" and invocation.action == "token":
        check_min_ttl(judge, invocation)
        check_variant(judge, invocation)
        check_caller_does_not_wait(judge, invocation)


def check_error(judge: "Judge", invocation: Invocation) -> None:
    """I13, I17: each error is documented, has an end, and has a cause that still applies."""
    code, detail = invocation.answer["code"], invocation.answer.get("detail")
    is_own = code == "not_configured" and invocation.is_denied
    is_own |= judge.checking.is_about_own_request(invocation)
    if code in ENDING and not is_own and "retry_after" not in invocation.answer:
        judge.violate("I13", f"{invocation.name} gets no retry_after: {code} ({detail})")
    if code in LATCHED and not invocation.is_hindered and has_logged_in(judge, invocation):
        judge.violate("I13", f"{invocation.name} logged in and gets no token: {code}")
    if has_lost_token(judge, invocation):
        judge.violate("I13", f"{invocation.name} made a token and gets none: {code} ({detail})")
    judge.forgetting.check_error(invocation)
    if is_explained_by_request(judge, invocation) or judge.excuses.excuses(invocation):
        return
    judge.violate("errors", f"{invocation.name} fails without a cause: {code} ({detail})")


def is_explained_by_request(judge: "Judge", invocation: Invocation) -> bool:
    """Return whether the request explains its error: a nonexistent variant or a long `min_ttl`."""
    code = invocation.answer["code"]
    if invocation.is_bad:
        return code in BAD_CODES
    if "repeats" in judge.plan.modes and judge.caller_reports and code in WAITING | REFUSED:
        return True  # the vendor only issues the reported token again
    # Only a live stored token shows how long tokens live.
    is_known = invocation.life_at_begin > -CLOSE_SECONDS
    known = min(judge.plan.lifetime, judge.lifetime) if is_known else judge.lifetime
    margin = CLOSE_SECONDS + clocks_apart(judge.plan)
    if "repeats" in judge.plan.modes:
        margin += judge.plan.lifetime / 2
    is_long = int(invocation.event.get("min_ttl", 0)) > known - margin
    has_made = any(made.maker is invocation for made in judge.made.values())
    is_exact = not any(judge.plan.offsets) and invocation.life_at_begin > CLOSE_SECONDS
    if code == "invalid_request" and is_long and has_made and is_exact:
        text = f"{invocation.name} replaced a live token for a min_ttl that no token meets"
        judge.violate("I17", text)
    is_pinned = is_refused(judge, invocation, invocation.begun - LOOK_SECONDS - KNOWN_FOR)
    return code == "invalid_request" and (is_long or is_pinned)


def has_logged_in(judge: "Judge", invocation: Invocation) -> bool:
    """Return whether the vendor accepted a login of an invocation."""
    return any(
        sent.credential in judge.valid and sent.is_answered and not invocation.is_bad
        for sent in invocation.sent
    )


def has_lost_token(judge: "Judge", invocation: Invocation) -> bool:
    """Return whether one failed call to AWS lost the token that the caller obtained."""
    faults = [fault for fault in invocation.met if fault.kind not in HARMLESS]
    is_one = len(faults) == 1 and faults[0].kind in ONCE and not invocation.refused_by
    is_key = not faults and invocation.refused_by == {"key"}
    if invocation.action != "token" or not (is_one or is_key):
        return False
    min_ttl = invocation.event.get("min_ttl", 0)
    return any(
        made.maker is invocation
        and made.key in wanted_of(judge, invocation, made, judge.versions_of(made))
        and (is_key or made.step < faults[0].step)
        and judge.vendor.ends_at(made.token) - judge.scheduler.now > min_ttl + CLOSE_SECONDS
        and not judge.vendor.is_ended(made.token)
        for made in judge.made.values()
    )


def check_min_ttl(judge: "Judge", invocation: Invocation) -> None:
    """I8: a token lives for `min_ttl`, by the clock of the process that returns it."""
    answer = invocation.answer
    ends = timegm(strptime(answer["expires_at"], "%Y-%m-%dT%H:%M:%SZ"))
    is_new = answer["source"] == "exchange"
    decided = max(invocation.begun, invocation.answered_at if is_new else invocation.decided_at)
    wished = invocation.event.get("min_ttl", default_of(judge, invocation, ends))
    if ends - wished <= int(decided + invocation.offset):
        left = ends - int(decided + invocation.offset)
        judge.violate("I8", f"{invocation.name} gets a token with {left} seconds left")


def default_of(judge: "Judge", invocation: Invocation, ends: int) -> int:
    """Return the default `min_ttl` of a call: 30, or a tenth of the token's lifetime.

    The lifetime is the stored one: by its maker's clock, from before the request was sent. For a
    token that could not be stored it is the least possible one.
    """
    name, generation = invocation.answer["fingerprint"], invocation.answer["generation"]
    made = judge.made.get(name)
    sent_at = int((made.at if made else invocation.begun) + invocation.offset)
    lifetime = judge.lifetimes.get((name, generation), ends - sent_at)
    return min(30, max(0, lifetime // 10))


def check_variant(judge: "Judge", invocation: Invocation) -> None:
    """I8: a token belongs to the requested variant, and is not the reported one."""
    made = judge.made.get(invocation.answer["fingerprint"])
    if made is None or made.token not in " ".join(invocation.answer["headers"].values()):
        judge.violate("I8", f"{invocation.name} gets a token that the vendor never issued")
        return
    versions = judge.versions_of(made)
    bases = frozenset[str]().union(*(judge.vendor.bases(judge.settings[v]) for v in versions))
    if invocation.answer["base_url"] not in bases:
        judge.violate("I12", f"{invocation.name} gets {sorted(versions)}'s token and another host")
    invocation.was_dead = judge.vendor.is_ended(made.token)
    invocation.had_open_lease = judge.is_begun(made.key)
    wanted = wanted_by(judge, invocation, made)
    if made.key not in wanted and not has_outdated_alias(judge, invocation, made):
        judge.violate("I8", f"{invocation.name} gets a token of another variant")
    if invocation.is_bad:
        judge.violate("I17", f"{invocation.name} gets a token for a nonexistent variant")
    check_report(judge, invocation, made)
    check_generation(judge, invocation, made)
    name = invocation.answer["fingerprint"]
    kept_at = max(judge.kept.get(name, made.at), judge.reissued_at.get(name, 0.0))
    judge.forgetting.check_answer(invocation, kept_at)
    check_unshared_token(judge, invocation, made)
    check_pin(judge, invocation, made)
    check_stale_flag(judge, invocation, made)


def check_report(judge: "Judge", invocation: Invocation, made: "Made") -> None:
    """I14: a caller that reports a token gets neither that token nor an older one."""
    reported = judge.made.get(invocation.event.get("rejected", ""))
    if reported is made:
        judge.violate("I14", f"{invocation.name} gets the token that it reports")
    marked_at = judge.marked.get(invocation.answer["fingerprint"], inf)
    is_known = invocation.answer["source"] == "table" or invocation.begun > marked_at + KNOWN_FOR
    again_at = judge.reissued_at.get(invocation.answer["fingerprint"], 0.0)
    if marked_at < invocation.begun and is_known and again_at < marked_at:
        judge.violate("I9", f"{invocation.name} gets a token that was already marked as rejected")
    if reported and reported.key == made.key and made.number < reported.number:
        judge.violate("I14", f"{invocation.name} gets an older token than it reports")


def check_generation(judge: "Judge", invocation: Invocation, made: "Made") -> None:
    """I2: a new token has a newer generation than the stored one, even if it is not stored."""
    before = judge.generations.get(made.key, [])
    known = [number for at, number in before if at < invocation.begun]
    is_new = invocation.answer["source"] == "exchange" and made.maker is invocation
    if is_new and known and invocation.answer["generation"] <= known[-1]:
        judge.violate("I2", f"{invocation.name} gets an old generation")


def check_unshared_token(judge: "Judge", invocation: Invocation, made: "Made") -> None:
    """With `reuse: false` a caller gets only a token that its own invocation obtained.

    An older shared token may be returned until an event announces the change (see I11).
    """
    versions = judge.versions_of(made)
    is_again = judge.reissued_at.get(invocation.answer["fingerprint"], 0.0) >= invocation.begun
    is_own = made.maker is invocation or is_again
    if not is_own and all(judge.is_unshared(version) for version in versions):
        judge.violate("reuse", f"{invocation.name} gets the token of {made.maker.name}")


def check_stale_flag(judge: "Judge", invocation: Invocation, made: "Made") -> None:
    """I4: a token that a crashed process ended is returned as stale once its lease is over."""
    is_from_table = invocation.answer["source"] == "table" and not invocation.answer["stale"]
    if not (is_from_table and invocation.was_dead):
        return
    later = judge.successors(made)
    if later and later[0].maker.is_dead and later[0].at < invocation.begun - TIMEOUT:
        judge.violate("I4", f"{invocation.name} gets a dead token without the stale flag")


def check_caller_does_not_wait(judge: "Judge", invocation: Invocation) -> None:
    """I5: no caller waits for the refresh of a token that is still valid."""
    has_waited = invocation.slept or invocation.sent
    if judge.is_unshared(next(reversed(judge.settings), None)):
        return
    reported_at = judge.marked.get(invocation.usable_at_begin, inf)
    if invocation.begun <= reported_at <= judge.reissued_at.get(invocation.usable_at_begin, 0.0):
        return  # it was reported meanwhile, and the vendor issued it again
    if (
        has_waited
        and invocation.usable_at_begin
        and invocation.usable_at_begin == live_item(judge, invocation)
    ):
        judge.violate("I5", f"{invocation.name} waits though a usable token is stored")


def live_item(judge: "Judge", invocation: Invocation) -> str:
    """Return the fingerprint of the stored token, if the token outlives the call, or ""."""
    body = Document(body_of(judge, invocation.event), InvalidRequest)
    key = judge.vendor.flow.requested(body).key
    item = judge.item(key)
    version = item.secret_version
    if item.target:
        item = judge.item(item.target)
    if item.secret_version != version:
        return ""  # the alias may have to be looked up again
    latest = int(judge.scheduler.now + invocation.offset) + 21
    is_good = item.is_live(latest, None) and item.lease_owner is None
    return item.fingerprint or "" if is_good else ""


def body_of(judge: "Judge", event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of an event that choose the variant."""
    names = {name for body in judge.vendor.bodies for name in body}
    return {name: event[name] for name in event if name in names}


def has_outdated_alias(judge: "Judge", invocation: Invocation, made: "Made") -> bool:
    """Return whether a stale answer has the token of an alias of an older version.

    The broker does not look up an alias again while a failure backs off.
    """
    if not invocation.answer["stale"]:
        return False
    body = Document(body_of(judge, invocation.event), InvalidRequest)
    keys = (judge.vendor.flow.requested(body).key, made.key)
    failures = [item.failure for item in map(judge.item, keys) if item.failure]
    now = int(invocation.decided_at + invocation.offset)
    is_waiting = any(failure.is_backing_off(now) for failure in failures)
    return is_waiting and made.key in wanted_of(judge, invocation, made, judge.settings)


def wanted_by(judge: "Judge", invocation: Invocation, made: "Made") -> set[str]:
    """Return the variants whose token an invocation may be given.

    An older version of the secret and older roles count: until the next exchange if no event
    announced the change, while a process caches a token, and while no newer version is accepted.
    """
    since = min(invocation.begun - KNOWN_FOR, made.maker.begun)
    versions = list(judge.settings) if judge.recorded else judge.versions_since(since)
    return wanted_of(judge, invocation, made, versions)


def wanted_of(
    judge: "Judge", invocation: Invocation, made: "Made", versions: Iterable[str]
) -> set[str]:
    """Return the variants that an invocation requests by these *versions* of the secret."""
    body, roles_since = body_of(judge, invocation.event), made.at - ROLES_SECONDS
    return {
        key
        for version in versions
        for key in judge.vendor.wanted(body, judge.settings[version], roles_since)
    }
