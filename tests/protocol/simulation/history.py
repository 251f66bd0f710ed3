"""Checks each write to the table against the record before it."""

from math import inf
from typing import TYPE_CHECKING

from tests.protocol.simulation.invocations import Invocation
from tests.protocol.simulation.plans import DAY
from tests.protocol.simulation.table import Place, Record
from tests.subjects import keeps_gate_apart
from token_broker.item import Item
from token_broker.tokens import ONLY

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge

RENEWAL_SECONDS = 14 * DAY
"""How long Vendorlink's renewal tokens live."""

KEPT_SECONDS = 15 * DAY
VERDICTS = frozenset({"accepted_version", "rejected_versions", "suspect_version"})
"""Attributes that record accepted or rejected versions of the secret: never dropped."""

LONGEST_KEPT = 60 * DAY
"""The longest `ttl` in seconds after an item is last needed."""

ROLES_KNOWN_FOR = 270
"""Seconds for which a listing is not repeated: five minutes, less the clocks' skew."""


def check_write(
    judge: "Judge", writer: Invocation, place: Place, before: Record, after: Record
) -> None:
    """Check one write, and record what later checks need."""
    check_order(judge, writer, before, after)
    check_holder(judge, writer, place, before, after)
    check_lease(judge, writer, place, before, after)
    check_token(judge, writer, place, before, after)
    check_report(judge, writer, place, before, after)
    check_ttl(judge, writer, place, before, after)
    check_outage(judge, writer, before, after)
    if after.get("failure") and after.get("failure") != before.get("failure"):
        failure = after["failure"]["M"]
        judge.excuses.kept(writer, failure["code"]["S"], int(failure["retry_at"]["N"]))
    if after.get("nudged_until", before.get("nudged_until")) != before.get("nudged_until"):
        judge.refresh_claims[place[1]] += 1
    remember_rejections(judge, before, after)
    if after.get("target") and after.get("issued_at") != before.get("issued_at"):
        # The target is requested from now on; earlier reads used it as input of another token.
        writer.first_seen.pop(text(after, "target") or "", None)


def check_order(judge: "Judge", writer: Invocation, before: Record, after: Record) -> None:
    """I2: generation and fence never decrease."""
    for name in ("generation", "fence"):
        if number(after, name) < number(before, name):
            judge.violate("I2", f"{writer.name}: {name} decreases to {number(after, name)}")


def check_lease(
    judge: "Judge", writer: Invocation, place: Place, before: Record, after: Record
) -> None:
    """I3: a lease is ended by its owner, or taken over after its end by the writer's clock."""
    old, new = text(before, "lease_owner"), text(after, "lease_owner")
    if new == old:
        return
    now = int(judge.scheduler.now + writer.offset)
    is_own = old is None or old.rpartition(".")[0] == writer.name
    if not is_own and (new is None or now < number(before, "lease_until")):
        judge.violate("I3", f"{writer.name}: ends the lease of {old}")
    if new:
        check_need(judge, writer, judge.item(place[1], before), now)


def check_holder(
    judge: "Judge", writer: Invocation, place: Place, before: Record, after: Record
) -> None:
    """I3: only the lease's holder stores a failure, or a rejection on a variant's own item."""
    is_gate = place[1] == ONLY and keeps_gate_apart(judge.plan.flow)
    is_free = is_gate or judge.is_unshared(next(reversed(writer.read), None))
    owner = text(before, "lease_owner") or ""
    if is_free or owner.rpartition(".")[0] == writer.name:
        return
    for name in ("failure", "rejected_versions"):
        if name in after and after[name] != before.get(name):
            judge.violate("I3", f"{writer.name}: stores {name} without the lease")


def check_need(judge: "Judge", writer: Invocation, item: Item, now: int) -> None:
    """I5: an exchange replaces a usable token only when its refresh is due."""
    is_gate = item.variant == ONLY and keeps_gate_apart(judge.plan.flow)
    event = writer.event
    would_do = item.is_live(now, None) and item.is_live(now, event.get("min_ttl"))
    is_uncertain = item.lease_owner is not None and now >= item.lease_until
    first, _ = writer.first_seen.get(item.variant, (item.generation, 0))
    is_newer = item.generation > first
    is_forced = event.get("force") and not is_newer
    if is_gate or not would_do or is_uncertain or is_forced:
        return
    if item.fingerprint in (event.get("rejected"), *judge.reported):
        return
    due = item.failure.retry_at if item.failure else item.refresh_at
    is_renewal = writer.action == "renew" and now >= due
    is_listed_anew = item.kind == "listing" and now - item.issued_at > ROLES_KNOWN_FOR
    # During a rotation a token of one version may be replaced by one of another.
    if not is_renewal and not is_listed_anew and {item.secret_version} == {*writer.read}:
        judge.violate("I5", f"{writer.name}: acquires the lease of a usable token")


def check_token(
    judge: "Judge", writer: Invocation, place: Place, before: Record, after: Record
) -> None:
    """I2: each stored token is newer than the one before, in the table and at the vendor."""
    name = text(after, "fingerprint")
    if number(after, "generation") != number(before, "generation"):
        generation = judge.scheduler.now, number(after, "generation")
        judge.generations.setdefault(place[1], []).append(generation)
    if name:
        lifetime = number(after, "expires_at") - number(after, "issued_at")
        judge.lifetimes[name, number(after, "generation")] = lifetime
    earlier = text(before, "fingerprint")
    if name == earlier:
        return
    if earlier:
        judge.gone.setdefault(earlier, judge.scheduler.now)
    if name is None:
        return
    judge.note_step(writer, f"  stores {name[:6]} in {place[1][:8]}")
    if number(after, "generation") != number(before, "generation") + 1:
        judge.violate("I2", f"{writer.name}: the generation of {name[:6]} is not the next one")
    made, old = judge.made.get(name), judge.made.get(earlier or "")
    if made and old and made.number < old.number and name not in judge.reissued_at:
        judge.violate("I2", f"{writer.name}: {name[:6]} is older than the token that it replaces")
    if made and made.key != place[1]:
        judge.violate("I8", f"{writer.name}: stores a token of {made.key[:8]} as {place[1][:8]}")
    judge.kept.setdefault(name, judge.scheduler.now)


def check_report(
    judge: "Judge", writer: Invocation, place: Place, before: Record, after: Record
) -> None:
    """I9: only a report marks a token as rejected, and only the reported one."""
    mark = text(after, "rejected")
    if mark is None or mark == text(before, "rejected") or judge.is_listing(place[1]):
        return
    judge.marked[mark] = judge.scheduler.now
    if mark != text(before, "fingerprint") or mark not in judge.reported:
        judge.violate("I9", f"{writer.name}: marks the unreported {mark[:6]} as rejected")


def check_outage(judge: "Judge", writer: Invocation, before: Record, after: Record) -> None:
    """An outage begins, or is announced, only after a request without an answer."""
    is_new = number(after, "outage_since") > number(before, "outage_since")
    is_telling = text(after, "outage_phase") == "telling" != text(before, "outage_phase")
    is_refused = writer.is_hurt_upstream or "upstream" in writer.refused_by
    if (is_new or is_telling) and not (writer.sent and is_refused):
        judge.violate("outage", f"{writer.name} announces an outage without a failed request")


def remember_rejections(judge: "Judge", before: Record, after: Record) -> None:
    """Record the time at which the table stored the rejection of a secret's version."""
    old, new = (record.get("rejected_versions", {"L": []})["L"] for record in (before, after))
    for version in new:
        if version not in old:
            judge.recorded.setdefault(version["S"], judge.scheduler.now)


def check_ttl(
    judge: "Judge", writer: Invocation, place: Place, before: Record, after: Record
) -> None:
    """I15: an item's `ttl` is later than its last use, and is bounded."""
    until = needed_until(judge, place, after)
    if "ttl" in after:
        ttl = number(after, "ttl")
        ends = ends_at(judge.item(place[1], after))
        # DELETE computes it from its read; a lease may have been acquired since.
        if ttl < ends + KEPT_SECONDS and writer.action != "forget":
            what = f"{place[1][:8]} is not kept for fifteen days after its last use"
            judge.violate("I15", f"{writer.name}: {what}")
        if not VERDICTS.isdisjoint(after):
            judge.violate("I15", f"{writer.name}: {place[1][:8]} has a verdict and a ttl")
        if ttl < until:
            what = f"{place[1][:8]} may be dropped {until - ttl:.0f} s too early"
            judge.violate("I15", f"{writer.name}: {what}")
        if ttl > max(until, judge.scheduler.now) + LONGEST_KEPT:
            judge.violate("I15", f"{writer.name}: {place[1][:8]} is kept for too long")
    elif text(after, "fingerprint") != text(before, "fingerprint") and is_ordinary(judge, after):
        judge.violate("I15", f"{writer.name}: {place[1][:8]} is never dropped")


def ends_at(item: Item) -> int:
    """Return when the token, the lease and the back-off of an item have all ended."""
    return max(
        item.expires_at if item.token else 0,
        item.lease_until if item.lease_owner else 0,
        item.failure.retry_at if item.failure else 0,
    )


def is_ordinary(judge: "Judge", record: Record) -> bool:
    """Return whether a record has neither a hold nor a rejection: both stay with the item."""
    is_forgotten = any(one.action == "forget" for one in judge.operations)
    if "held" in record:
        return False
    return not is_forgotten and not record.get("rejected_versions", {"L": []})["L"]


def check_drop(judge: "Judge", place: Place, record: Record) -> None:
    """I15: the table drops no item that is still needed."""
    judge.trace.append((judge.scheduler.now, "table", f"drops {place[1][:8]}"))
    judge.generations.pop(place[1], None)
    if needed_until(judge, place, record) > judge.scheduler.now + 60:
        judge.violate("I15", f"the table drops {place[1][:8]}, which is needed")


def needed_until(judge: "Judge", place: Place, record: Record) -> float:
    """Return until when an item is needed: token, renewal token, lease, failure and latch."""
    current = judge.secrets.versions[-1].id
    item = judge.item(place[1], record)
    if item.held or current in item.rejected_versions:
        return inf
    # The previous version may be tried for a day, if it was not rejected.
    is_latched = any(
        version.id in item.rejected_versions for version in judge.secrets.versions[-2:]
    )
    needs = [
        judge.put_at[current] + DAY if is_latched else 0,
        item.expires_at if item.token and not item.is_rejected else 0,
        item.lease_until if item.lease_owner else 0,
        item.failure.retry_at if item.failure else 0,
        item.issued_at + RENEWAL_SECONDS if item.renewal == "ready" else 0,
    ]
    return max(needs)


def number(record: Record, name: str) -> int:
    """Return a number attribute of a record, by default 0."""
    return int(record[name]["N"]) if name in record else 0


def text(record: Record, name: str) -> str | None:
    """Return a string attribute of a record, or None."""
    value: str | None = record[name]["S"] if name in record else None
    return value
