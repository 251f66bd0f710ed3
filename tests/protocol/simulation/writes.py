"""Checks each write to the table against the record before it."""

from math import inf

from tests.protocol.simulation.excuses import record_failure
from tests.protocol.simulation.history import History, Update, number, text
from tests.protocol.simulation.invocations import Invocation
from tests.protocol.simulation.plans import DAY
from tests.protocol.simulation.table import Record
from token_broker.flows.vntana.organizations import LISTING
from token_broker.item import Item

RENEWAL_SECONDS = 14 * DAY
"""How long Vendorlink's renewal tokens live."""

KEPT_SECONDS = 15 * DAY
VERDICTS = frozenset({"accepted_version", "rejected_versions", "suspect_version"})
"""Attributes that record accepted or rejected versions of the secret: never dropped."""

LONGEST_KEPT = 60 * DAY
"""The longest `ttl` in seconds after an item is last needed."""

ROLES_KNOWN_FOR = 270
"""Seconds for which a listing is not repeated: five minutes, less the clocks' skew."""


def check_write(history: History, update: Update) -> None:
    """Check one write, and record what later checks need."""
    writer, after = update.writer, update.after
    check_order(history, update)
    check_holder(history, update)
    check_lease(history, update)
    check_token(history, update)
    check_report(history, update)
    check_ttl(history, update)
    check_outage(history, update)
    if after.get("failure") and update.is_new("failure"):
        failure = after["failure"]["M"]
        record_failure(history, writer, failure["code"]["S"], int(failure["retry_at"]["N"]))
    if "nudged_until" in after and update.is_new("nudged_until"):
        history.refresh_claims[update.variant] += 1
    for version in update.added("rejected_versions"):
        history.recorded.setdefault((update.variant, version), history.now)
    if after.get("target") and (update.is_new("issued_at") or update.is_new("token")):
        # The target is requested from now on; earlier reads used it as input of another token.
        writer.first_seen.pop(text(after, "target") or "", None)
    if writer.action != "forget":
        history.last_written[update.variant] = history.now


def check_order(history: History, update: Update) -> None:
    """I2: generation and fence never decrease."""
    for name in ("generation", "fence"):
        value = number(update.after, name)
        if value < number(update.before, name):
            history.violate("I2", f"{update.writer.name}: {name} decreases to {value}")


def check_lease(history: History, update: Update) -> None:
    """I3: a lease is ended by its owner, or taken over after its end by the writer's clock."""
    writer, before = update.writer, update.before
    old, new = text(before, "lease_owner"), text(update.after, "lease_owner")
    if new == old:
        return
    now = int(history.now + writer.offset)
    is_own = old is None or writer.owns(old)
    if not is_own and (new is None or now < number(before, "lease_until")):
        history.violate("I3", f"{writer.name}: ends the lease of {old}")
    if new:
        check_need(history, writer, history.item(update.variant, before), now)


def check_holder(history: History, update: Update) -> None:
    """I3: only the lease's holder stores a failure, or a rejection on a variant's own item."""
    writer = update.writer
    is_free = history.is_gate(update.variant) or history.is_unshared(writer.version)
    if is_free or writer.owns(text(update.before, "lease_owner")):
        return
    for name in ("failure", "rejected_versions"):
        if name in update.after and update.is_new(name):
            history.violate("I3", f"{writer.name}: stores {name} without the lease")


def check_need(history: History, writer: Invocation, item: Item, now: int) -> None:
    """I5: an exchange replaces a usable token only when its refresh is due."""
    is_gate = history.is_gate(item.variant)
    event = writer.event
    would_do = item.lives_for(now, None) and item.lives_for(now, event.get("min_ttl"))
    is_uncertain = item.lease_owner is not None and now >= item.lease_until
    first, _ = writer.first_seen.get(item.variant, (item.generation, 0))
    is_forced = event.get("force") and item.generation <= first
    if is_gate or not would_do or is_uncertain or is_forced:
        return
    if item.fingerprint in (event.get("rejected"), *history.reported):
        return
    due = item.failure.retry_at if item.failure else item.refresh_at
    is_renewal = writer.action == "renew" and now >= due
    is_listed_anew = item.kind == "listing" and now - item.issued_at > ROLES_KNOWN_FOR
    # During a rotation a token of one version may be replaced by one of another.
    if not is_renewal and not is_listed_anew and {item.secret_version} == {*writer.read}:
        history.violate("I5", f"{writer.name}: acquires the lease of a usable token")


def check_token(history: History, update: Update) -> None:
    """I2: each stored token is newer than the one before, in the table and at the vendor."""
    before, after, key = update.before, update.after, update.variant
    generation = number(after, "generation")
    name, earlier = text(after, "fingerprint"), text(before, "fingerprint")
    if generation != number(before, "generation"):
        history.generations.setdefault(key, []).append((history.now, generation))
    if name:
        lifetime = number(after, "expires_at") - number(after, "issued_at")
        history.lifetimes[name, generation] = lifetime
    if name == earlier:
        return
    if earlier:
        history.gone[earlier] = history.now
    if name is None:
        return
    writer, made, old = update.writer, history.made.get(name), history.made.get(earlier or "")
    history.note_step(writer, f"  stores {name[:6]} in {key[:8]}")
    if generation != number(before, "generation") + 1:
        history.violate("I2", f"{writer.name}: the generation of {name[:6]} is not the next one")
    if made and old and made.number < old.number and name not in history.reissued_at:
        what = f"{name[:6]} is older than the token that it replaces"
        history.violate("I2", f"{writer.name}: {what}")
    if made and made.key != key:
        history.violate("I8", f"{writer.name}: stores a token of {made.key[:8]} as {key[:8]}")
    history.kept.setdefault(name, history.now)
    if text(update.after, "kind") in history.vendor.flow.vendor.token_kinds:
        history.for_callers.add(name)


def check_report(history: History, update: Update) -> None:
    """I9: only a report marks a token as rejected, and only the reported one."""
    mark = text(update.after, "rejected")
    if mark is None or not update.is_new("rejected") or update.variant == LISTING.key:
        return
    history.marked[mark] = history.now
    if mark != text(update.before, "fingerprint") or mark not in history.reported:
        what = f"marks the unreported {mark[:6]} as rejected"
        history.violate("I9", f"{update.writer.name}: {what}")


def check_outage(history: History, update: Update) -> None:
    """An outage begins, or is announced, only after a request without an answer."""
    writer, before, after = update.writer, update.before, update.after
    is_begun = number(after, "outage_since") > number(before, "outage_since")
    is_announced = text(after, "outage_phase") == "telling" != text(before, "outage_phase")
    is_refused = writer.is_hurt_upstream or "upstream" in writer.refused_by
    has_failed = is_refused or any(not sent.is_answered for sent in writer.sent)
    if (is_begun or is_announced) and not (writer.sent and has_failed):
        history.violate("outage", f"{writer.name} announces an outage without a failed request")


def check_ttl(history: History, update: Update) -> None:
    """I15: an item's `ttl` is later than its last use, and is bounded."""
    after, key = update.after, update.variant
    who = f"{update.writer.name}: {key[:8]}"
    if "ttl" not in after:
        if update.is_new("fingerprint") and is_ordinary(history, after):
            history.violate("I15", f"{who} is never dropped")
        return
    ttl, until = number(after, "ttl"), needed_until(history, key, after)
    # DELETE computes it from its read; a lease may have been acquired since.
    item = history.item(key, after)
    ends_at = max(
        item.expires_at if item.token else 0,
        item.lease_until if item.lease_owner else 0,
        item.failure.retry_at if item.failure else 0,
    )
    is_short = ttl < ends_at + KEPT_SECONDS
    if is_short and update.writer.action != "forget":
        history.violate("I15", f"{who} is not kept for fifteen days after its last use")
    if not VERDICTS.isdisjoint(after):
        history.violate("I15", f"{who} has a verdict and a ttl")
    if ttl < until:
        history.violate("I15", f"{who} may be dropped {until - ttl:.0f} s too early")
    if ttl > max(until, history.now) + LONGEST_KEPT:
        history.violate("I15", f"{who} is kept for too long")


def is_ordinary(history: History, record: Record) -> bool:
    """Return whether a record has neither a hold nor a rejection: both stay with the item."""
    is_forgotten = any(one.action == "forget" for one in history.operations)
    is_rejected = bool(record.get("rejected_versions", {"L": []})["L"])
    return not ("held" in record or is_forgotten or is_rejected)


def check_drop(history: History, key: str, record: Record) -> None:
    """I15: the table drops no item that is still needed."""
    history.trace.append((history.now, "table", f"drops {key[:8]}"))
    history.generations.pop(key, None)
    if needed_until(history, key, record) > history.now + 60:
        history.violate("I15", f"the table drops {key[:8]}, which is needed")


def needed_until(history: History, key: str, record: Record) -> float:
    """Return until when an item is needed: token, renewal token, lease, failure and latch."""
    current = history.secrets.versions[-1].id
    item = history.item(key, record)
    if item.held or current in item.rejected_versions:
        return inf
    # The previous version may be tried for a day, if it was not rejected.
    is_latched = any(one.id in item.rejected_versions for one in history.secrets.versions[-2:])
    return max(
        history.put_at[current] + DAY if is_latched else 0,
        item.expires_at if item.token and not item.is_rejected else 0,
        item.lease_until if item.lease_owner else 0,
        item.failure.retry_at if item.failure else 0,
        item.issued_at + RENEWAL_SECONDS if item.renewal == "ready" else 0,
    )
