"""What callers are told: each answer is judged, and each error must have a reason."""

from calendar import timegm
from time import strptime
from typing import TYPE_CHECKING

from tests.protocol.simulation.invocations import Invocation
from token_broker.document import Document
from token_broker.errors import InvalidRequest
from token_broker.item_codec import item_of

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge

PATIENCE_SECONDS = 1.4
"""What the broker keeps back for itself covers this much standing still."""

KNOWN_FOR = 61
"""Seconds for which a process may still go by what it read."""

CREDENTIAL_CODES = frozenset({"credential_rejected", "credential_latched"})
EXCUSED_CODES = frozenset(
    {"upstream_unavailable", "refresh_in_progress", "store_unavailable", "too_many_requests"}
)


def check_answer(judge: "Judge", invocation: Invocation) -> None:
    """Judge how an invocation ended."""
    is_hindered = invocation.stood >= PATIENCE_SECONDS or invocation.was_refused
    if invocation.end == "timed out" and not is_hindered:
        judge.violate("answers", f"{invocation.name} does not answer in time")
    if invocation.end == "failed":
        check_error(judge, invocation)
    if invocation.end == "answered" and invocation.action == "token":
        check_min_ttl(judge, invocation)
        check_variant(judge, invocation)
        check_path(judge, invocation)


def check_error(judge: "Judge", invocation: Invocation) -> None:
    """Each error is documented, and something in the plan is its reason."""
    code = invocation.answer["code"]
    is_on_demand = not invocation.is_plain and code == "too_many_requests"
    has_bad = any(c.refused for c in judge.credentials.values())
    is_fine = is_on_demand or (code in CREDENTIAL_CODES and has_bad)
    is_fine |= code in EXCUSED_CODES and not judge.plan.is_calm
    # Whatever was earned a moment ago was worth nothing any more.
    is_fine |= code == "upstream_refused" and judge.revoked_at > 0
    if not is_fine:
        detail = invocation.answer.get("detail")
        judge.violate("errors", f"{invocation.name} fails for no reason: {code} ({detail})")


def check_min_ttl(judge: "Judge", invocation: Invocation) -> None:
    """I8: a token lives as long as was wished, by the clock of the one who hands it out."""
    answer, lifetime = invocation.answer, judge.plan.lifetime
    ends = timegm(strptime(answer["expires_at"], "%Y-%m-%dT%H:%M:%SZ"))
    is_new = answer["source"] == "exchange"
    decided = max(invocation.begun, invocation.heard_at if is_new else invocation.knew_at)
    # A vendor's clock may be off: so a lifetime that is counted from ours, by a tenth of that.
    wished = invocation.event.get("min_ttl", min(30, lifetime // 10) - 2)
    if ends - wished <= int(decided + invocation.offset):
        left = ends - int(decided + invocation.offset)
        judge.violate("I8", f"{invocation.name} gets a token with {left} seconds left")


def check_variant(judge: "Judge", invocation: Invocation) -> None:
    """I8: a token is of the variant that was asked for, and is not the one that was reported."""
    made = judge.made.get(invocation.answer["fingerprint"])
    if made is None or made.token not in " ".join(invocation.answer["headers"].values()):
        judge.violate("I8", f"{invocation.name} gets a token that the vendor never made")
        return
    invocation.was_dead = judge.vendor.is_ended(made.token)
    invocation.was_begun = judge.is_begun(made.key)
    wanted = {
        judge.vendor.wanted(body_of(invocation), is_other=is_other)
        for is_other in defaults_for(judge, invocation, made.at)
    }
    if made.key not in wanted:
        judge.violate("I8", f"{invocation.name} gets a token of another variant")
    if invocation.answer["fingerprint"] == invocation.event.get("rejected"):
        judge.violate("I9", f"{invocation.name} gets the token that it reports")


def check_path(judge: "Judge", invocation: Invocation) -> None:
    """I5: nobody waits for the renewal of a token that is still valid."""
    has_waited = invocation.slept or invocation.sent
    if has_waited and invocation.had_live and invocation.had_live == live_item(judge, invocation):
        judge.violate("I5", f"{invocation.name} waits though there is a token that would do")


def live_item(judge: "Judge", invocation: Invocation) -> str:
    """Return the fingerprint that is kept for a call, if it will do as long as that takes."""
    body = Document(body_of(invocation), InvalidRequest)
    key = judge.vendor.flow.asked(body).key
    item = item_of(judge.partition, key, judge.table.get((judge.partition, key)))
    version = item.secret_version
    if item.target:
        record = judge.table.get((judge.partition, item.target))
        item = item_of(judge.partition, item.target, record)
    if item.secret_version != version:
        return ""  # what leads to it may have to be looked up anew
    latest = int(judge.scheduler.now + invocation.offset) + 21
    is_good = item.is_live(latest, None) and item.lease_owner is None
    return item.fingerprint or "" if is_good else ""


def body_of(invocation: Invocation) -> dict[str, object]:
    """Return what a call says of the variant it wants."""
    names = ("organization", "workspace", "parameters")
    return {name: invocation.event[name] for name in names if name in invocation.event}


def defaults_for(judge: "Judge", invocation: Invocation, made_at: float) -> set[bool]:
    """Return which defaults an answer may go by: those that were replaced, only for a while.

    Until the next exchange, where no event told of it; by what a process remembers; and while no
    newer version of the secret is known to work.
    """
    ends = [begins for begins, _ in judge.defaults[1:]] + [judge.scheduler.now]
    return {
        is_other
        for (_, is_other), end in zip(judge.defaults, ends, strict=True)
        if end > invocation.begun - KNOWN_FOR or made_at < end or judge.recorded
    }
