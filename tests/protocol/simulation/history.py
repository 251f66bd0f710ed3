"""The table's history: each write is judged by what was there before."""

from typing import TYPE_CHECKING

from tests.protocol.simulation.invocations import Invocation
from tests.protocol.simulation.table import Place, Record
from token_broker.item import Item
from token_broker.item_codec import item_of
from token_broker.tokens import ONLY

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge


def check_write(
    judge: "Judge", writer: Invocation, place: Place, before: Record, after: Record
) -> None:
    """Judge one write, and remember what later checks need of it."""
    check_order(judge, writer, before, after)
    check_lease(judge, writer, place, before, after)
    check_token(judge, writer, place, before, after)
    check_report(judge, writer, place, before, after)
    if after.get("nudged_until", before.get("nudged_until")) != before.get("nudged_until"):
        judge.elections[place[1]] += 1
    remember_rejections(judge, before, after)


def check_order(judge: "Judge", writer: Invocation, before: Record, after: Record) -> None:
    """I2: generation and fence never go back."""
    for name in ("generation", "fence"):
        if number(after, name) < number(before, name):
            judge.violate("I2", f"{writer.name}: {name} goes back to {number(after, name)}")


def check_lease(
    judge: "Judge", writer: Invocation, place: Place, before: Record, after: Record
) -> None:
    """I3: a lease is ended by its owner, or taken over by a clock that says it is past."""
    old, new = text(before, "lease_owner"), text(after, "lease_owner")
    if new == old:
        return
    now = int(judge.scheduler.now + writer.offset)
    is_own = old is None or old.rpartition(".")[0] == writer.name
    if not is_own and (new is None or now < number(before, "lease_until")):
        judge.violate("I3", f"{writer.name}: ends the lease of {old}")
    if new:
        check_need(judge, writer, item_of(*place, before), now)


def check_need(judge: "Judge", writer: Invocation, item: Item, now: int) -> None:
    """I5: an exchange of a token that would do is begun only to renew it in time."""
    is_gate = item.variant == ONLY and judge.plan.flow != "vendorlink"
    event = writer.event
    would_do = item.is_live(now, None) and item.is_live(now, event.get("min_ttl"))
    is_in_doubt = item.lease_owner is not None and now >= item.lease_until
    if is_gate or not would_do or is_in_doubt or event.get("force"):
        return
    if item.fingerprint in (event.get("rejected"), *judge.reported):
        return
    due = item.failure.retry_at if item.failure else item.refresh_at
    current = judge.secrets.versions[-1].id
    is_renewal = writer.action == "renew" and now >= due
    is_rotation = writer.action == "rotate" and item.secret_version != current
    if not is_renewal and not is_rotation:
        judge.violate("I5", f"{writer.name}: takes the lease of a token that would do")


def check_token(
    judge: "Judge", writer: Invocation, place: Place, before: Record, after: Record
) -> None:
    """I2: each token that is kept is newer than the one before, here and at the vendor."""
    name = text(after, "fingerprint")
    if name is None or name == text(before, "fingerprint"):
        return
    judge.noted(writer, f"  keeps {name[:6]} in {place[1][:8]}")
    if number(after, "generation") != number(before, "generation") + 1:
        judge.violate("I2", f"{writer.name}: the generation of {name[:6]} does not follow")
    made, old = judge.made.get(name), judge.made.get(text(before, "fingerprint") or "")
    if made and old and made.number < old.number:
        judge.violate("I2", f"{writer.name}: {name[:6]} is older than what it replaces")
    if made and made.key != place[1]:
        judge.violate("I8", f"{writer.name}: keeps a token of {made.key[:8]} as {place[1][:8]}")
    judge.kept.add(name)


def check_report(
    judge: "Judge", writer: Invocation, place: Place, before: Record, after: Record
) -> None:
    """I9: only the token that was reported is marked as rejected, and only by a report."""
    mark = text(after, "rejected")
    if mark is None or mark == text(before, "rejected") or judge.is_listing(place[1]):
        return
    if mark != text(before, "fingerprint") or mark not in judge.reported:
        judge.violate("I9", f"{writer.name}: marks {mark[:6]}, which nobody reported, as rejected")


def remember_rejections(judge: "Judge", before: Record, after: Record) -> None:
    """Remember when the rejection of a secret's version was written down."""
    old, new = (record.get("rejected_versions", {"L": []})["L"] for record in (before, after))
    for version in new:
        if version not in old:
            judge.recorded.setdefault(version["S"], judge.scheduler.now)


def number(record: Record, name: str) -> int:
    """Return a number of a record, 0 if there is none."""
    return int(record[name]["N"]) if name in record else 0


def text(record: Record, name: str) -> str | None:
    """Return a text of a record."""
    value: str | None = record[name]["S"] if name in record else None
    return value
