"""Judges a run by the invariants of the protocol: from the vendor's side, and the table's history.

The judge sees everything at its true moment; what it knows, no invocation knew.
"""

import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.protocol.replay.replay import Replay
from tests.protocol.simulation.answers import body_of, check_answer, live_item
from tests.protocol.simulation.backoffs import Backoffs
from tests.protocol.simulation.checking import Checking
from tests.protocol.simulation.clients import Secrets
from tests.protocol.simulation.excuses import Excuses
from tests.protocol.simulation.forgetting import Forgetting
from tests.protocol.simulation.history import check_drop, check_write
from tests.protocol.simulation.holding import Holding
from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.origins import Origins
from tests.protocol.simulation.plans import Change, Plan, Setting
from tests.protocol.simulation.scheduler import EPOCH, Scheduler
from tests.protocol.simulation.table import Place, Record, Table
from tests.protocol.simulation.vendor import Vendor
from tests.protocol.simulation.wire import Wire
from token_broker.exchange import Response
from token_broker.flows.vntana.organizations import LISTING
from token_broker.item import Item
from token_broker.item_codec import item_of
from token_broker.tokens import fingerprint


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold."""

    invariant: str
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Made:
    """A token that the vendor handed out."""

    number: int
    name: str
    """Its fingerprint."""
    key: str
    token: str
    maker: Invocation
    at: float
    step: int = 0
    """Which of its maker's steps it was."""


class Tokens(dict[str, Made]):
    """Tokens by fingerprint, each as it was first made."""

    def __init__(self) -> None:
        self._of: dict[str, list[Made]] = {}

    def add(self, made: Made) -> None:
        """Remember a token, unless it is known."""
        if self.setdefault(made.name, made) is made:
            self._of.setdefault(made.key, []).append(made)

    def of(self, key: str) -> Sequence[Made]:
        """Return the tokens of a variant, in order of making."""
        return self._of.get(key, ())


@dataclass(slots=True)
class Credential:
    """What the vendor was tried to be logged in with, and what came of it."""

    versions: list[str] = field(default_factory=list)
    was_accepted: bool = False
    refused: list[tuple[Invocation, Sent]] = field(default_factory=list)
    """Logins with it that were refused."""
    strangers: list[Invocation] = field(default_factory=list)
    """Those that were refused for what they asked for, before it was ever accepted."""


class Judge:
    """Everything that happened, and what of it must not have."""

    wire: Wire
    table: Table
    secrets: Secrets

    def __init__(
        self, plan: Plan, scheduler: Scheduler, vendor: Vendor, *, has_model: bool = False
    ) -> None:
        self.plan = plan
        self.lifetime = vendor.set_lifetime(plan.lifetime)
        """How long the vendor's new tokens live, as the flow has it."""
        self.scheduler = scheduler
        self.vendor = vendor
        self.trace: list[tuple[float, str, str]] = []
        self.violations: list[Violation] = []
        self.made = Tokens()
        """By fingerprint, in order of making."""
        self.made_again: dict[str, float] = {}
        """When a vendor that repeats itself last handed out a token of before."""
        self.kept: dict[str, float] = {}
        """Since when a fingerprint has been in the table, if it ever was."""
        self.gone: dict[str, float] = {}
        """When a fingerprint was first removed from the table, or replaced there."""
        self.lifetimes: dict[tuple[str, int], int] = {}
        """Seconds from `issued_at` to `expires_at` as kept, by fingerprint and generation."""
        self.generations: dict[str, list[tuple[float, int]]] = {}
        """Which generations each variant had, since when."""
        self.reported: set[str] = set()
        """Fingerprints that somebody may report: the vendor or a caller refused them."""
        self.marked: dict[str, float] = {}
        """When a fingerprint was marked as rejected in the table."""
        self.doubted: set[str] = set()
        """Fingerprints that a caller reported."""
        self.credentials: dict[str, Credential] = {}
        self.recorded: dict[str, float] = {}
        """When the rejection of a secret's version was written down."""
        self.settings: dict[str, Setting] = {}
        """What each version of the secret says, in order."""
        self.put_at: dict[str, float] = {}
        self.valid: set[str] = set()
        """Credentials that the vendor accepts now."""
        self._items: dict[int, tuple[Record, Item]] = {}
        self.origins, self.excuses, self.backoffs = Origins(self), Excuses(self), Backoffs(self)
        self.operations: list[Invocation] = []
        """Those that were asked to forget, rotate or renew."""
        self.announcements: list[tuple[float, str, str]] = []
        """When the bus was told what, of which version of the secret."""
        self.outages: list[tuple[float, str, str]] = []
        """When the bus was told that the upstream is down, or up, since when."""
        self.news: Counter[str] = Counter()
        """How often the bus was told of a token, by fingerprint."""
        self.forgetting, self.holding, self.checking = (
            Forgetting(self),
            Holding(self),
            Checking(self),
        )
        self.refresh_claims, self.refreshes_started = Counter[str](), Counter[str]()
        self.forgotten, self.revoked_at = 0, 0.0
        self.answered: list[Invocation] = []
        self.carriers: list[Invocation] = []
        """Those of them that carried out events."""
        self.replay = Replay.beside(self) if has_model else None

    @property
    def partition(self) -> str:
        """The table's partition key of the connection."""
        return f"{self.plan.flow}#acme"

    # What the world tells.

    def noted(self, invocation: Invocation, what: str) -> None:
        """Write down a step."""
        who = f"{invocation.container} {invocation.name}"
        self.trace.append((self.scheduler.now, who, what))

    def began(self, invocation: Invocation) -> None:
        """Write down what an invocation is for."""
        self.noted(invocation, f"begins: {dict(invocation.event)}")
        self.forgetting.began(invocation)
        if invocation.action in ("forget", "rotate"):
            self.operations.append(invocation)
        if rejected := invocation.event.get("rejected"):
            self.reported.add(rejected)
            self.doubted.add(rejected)
        if invocation.is_plain:
            invocation.had_live = live_item(self, invocation)
        if "min_ttl" in invocation.event:
            body, setting = body_of(self, invocation.event), list(self.settings.values())[-1]
            keys = self.vendor.wanted(body, setting, self.scheduler.now)
            items = [one for one in self.items() if one.variant in keys]
            ends = [one.expires_at for one in items if one.fingerprint in self.made]
            invocation.had_until = max(ends, default=0) - self.scheduler.now

    def ended(self, invocation: Invocation) -> None:
        """Judge what came of an invocation."""
        shown = invocation.answer.get("code") or invocation.answer.get("source") or ""
        self.noted(invocation, f"{invocation.end} {shown}".rstrip())
        self.answered.append(invocation)
        if invocation.name.startswith("event"):
            self.carriers.append(invocation)
        self.forgotten += invocation.action == "forget"
        self.forgetting.ended(invocation)
        self.holding.ended(invocation)
        self.checking.ended(invocation)
        self.excuses.ended(invocation)
        self.backoffs.ended(invocation)
        if self.replay:
            self.replay.ended(invocation)
        check_answer(self, invocation)

    def sent(self, invocation: Invocation, sent: Sent) -> None:
        """Judge that a request is sent: only by the holder of its variant's lease."""
        self._check_lease(invocation, sent, "is sent")
        self.origins.check_sent(invocation, sent)
        self.holding.check_sent(invocation, sent)
        self.backoffs.check_sent(invocation)
        if self.replay:
            self.replay.sent(invocation, sent)

    def processed(self, invocation: Invocation, sent: Sent, response: Response) -> None:
        """Write down what the vendor did, and judge that nobody else was at it."""
        self._check_lease(invocation, sent, "is processed")
        if response.status in (401, 403):
            self.reported.add(fingerprint(sent.bearer or ""))
        if sent.credential is not None:
            self._logged_in(invocation, sent, response)
        self.origins.processed(invocation, sent, response)
        self.checking.processed(invocation, sent, response)
        token = next(iter(self.vendor.tokens(response)), None) if sent.key else None
        self.noted(invocation, f"  {sent.request.step} answered with {response.status}")
        if token and sent.key:
            name = fingerprint(token)
            number, now = len(self.made), self.scheduler.now
            made = Made(number, name, sent.key, token, invocation, now, invocation.step)
            self._check_maker(invocation, sent.key)
            self._check_twice(invocation, made)
            self.backoffs.check_made(made)
            if name in self.made:
                self.made_again[name] = now
            self.made.add(made)
            self.noted(invocation, f"  makes {name[:6]} of {sent.key[:8]}")

    def written(self, place: Place, before: Record | None, after: Record) -> None:
        """Judge a write to the table."""
        check_write(self, self._actor, place, before or {}, after)
        self.origins.check_write(self._actor, place, before or {}, after)
        self.forgetting.written(place[1], self._actor)
        self.holding.written(self._actor, place, before or {}, after)
        if self.replay:
            self.replay.written(self._actor, place, before or {}, after)

    def looked(self, place: Place, record: Record | None) -> None:
        """Write down what an invocation read, and have the model know it."""
        self._actor.saw(place[1], self.item(place[1], record or {}).generation)
        self.holding.looked(self._actor, place)
        if self.replay:
            self.replay.read(self._actor, place, record)

    def refused(self, place: Place, changes: str) -> None:
        """Have the model judge that a conditional write was lost."""
        if self.replay:
            self.replay.refused(self._actor, place, changes)

    def dropped(self, place: Place, record: Record) -> None:
        """Judge that the table dropped an item."""
        check_drop(self, place, record)

    def refresh_started(self, invocation: Invocation, payload: Mapping[str, Any]) -> None:
        """Write down that a caller starts a renewal."""
        if invocation.action == "token":
            self.refreshes_started[payload.get("variant", "")] += 1

    def announced(self, what: str, detail: Mapping[str, Any]) -> bool:
        """Write down what the bus is told."""
        self.noted(self.wire.current, f"  announces: {what}")
        match what:
            case "Connection Latched" | "Connection Recovered":
                version = str(detail["secret_version"])
                self.announcements.append((self.scheduler.now, what, version))
            case "Upstream Down" | "Upstream Up":
                self.outages.append((self.scheduler.now, what, str(detail["since"])))
            case "Connection Held" | "Connection Lifted":
                pass  # `Holding` sees the writes themselves
            case _:
                self.news[str(detail["fingerprint"])] += 1
        return True

    def changed(self, change: Change) -> None:
        """Write down what somebody did."""
        self.trace.append((self.scheduler.now, "world", change.kind))
        if change.kind == "revoked":
            self.revoked_at = self.scheduler.now

    def put(self, version: str, setting: Setting) -> None:
        """Write down a new version of the secret."""
        credential = self.credentials.setdefault(setting.credential, Credential())
        credential.versions.append(version)
        self.settings[version] = setting
        self.put_at[version] = self.scheduler.now
        self.trace.append((self.scheduler.now, "world", f"{version} is the secret: {setting}"))

    def defect(self, error: Exception, request_id: str) -> None:
        """A defect: something was raised that is no documented error."""
        lines = traceback.format_exception(error)
        self.violate("errors", f"a defect in {request_id}: {''.join(lines[-3:])}")

    def violate(self, invariant: str, text: str) -> None:
        """Write down that an invariant does not hold."""
        self.trace.append((self.scheduler.now, "judge", f"*** {invariant}: {text}"))
        self.violations.append(Violation(invariant, self.scheduler.now - EPOCH, text))

    def breaks(self, invariant: str) -> bool:
        """Say whether an invariant does not hold."""
        return any(found.invariant == invariant for found in self.violations)

    def item(self, variant: str, record: Record | None = None) -> Item:
        """Return what a record of a variant says, by default the one that is kept now."""
        if record is None:
            record = self.table.get((self.partition, variant)) or {}
        known = self._items.get(id(record))
        if known is None or known[0] is not record:
            # Kept with the record itself, whose id is another's as soon as it is gone.
            known = self._items[id(record)] = record, item_of(self.partition, variant, record)
        return known[1]

    def items(self) -> list[Item]:
        """Return what is kept now."""
        return [self.item(variant) for _, variant in list(self.table.records)]

    def versions_of(self, made: Made) -> frozenset[str]:
        """Return the versions of the secret that may have made a token."""
        return self.origins.of_token(made.token) or frozenset()

    def successors(self, made: Made) -> list[Made]:
        """Return the tokens that were made after one of the same variant."""
        return [m for m in self.made.of(made.key) if m.number > made.number]

    # What it concludes.

    @property
    def _actor(self) -> Invocation:
        actor = self.wire.acting
        if actor is None:
            raise LookupError("a write that nobody made")
        return actor

    def _check_lease(self, invocation: Invocation, sent: Sent, what: str) -> None:
        if sent.key is None and sent.credential is None:
            return
        if self.is_unshared(next(reversed(invocation.read), None)):
            return
        if not self.holds(invocation, sent.key):
            step = sent.request.step
            self.violate("I1", f"{invocation.name}: {step} {what} without a lease of its own")

    def holds(self, invocation: Invocation, key: str | None) -> bool:
        """Say whether *invocation* has the lease of *key*, or any where that is None."""
        keys = [key] if key else [k for _, k in self.table.records]
        records = [self.table.get((self.partition, k)) or {} for k in keys]
        owners = [r["lease_owner"]["S"] for r in records if "lease_owner" in r]
        return any(owner.rpartition(".")[0] == invocation.name for owner in owners)

    def is_begun(self, key: str) -> bool:
        """Say whether the table has a lease of *key* that nobody ended."""
        return "lease_owner" in (self.table.get((self.partition, key)) or {})

    def _check_maker(self, invocation: Invocation, key: str) -> None:
        """I17: who asks for what there is not, replaces no token that others live by."""
        if not invocation.is_bad:
            return
        made = self.made.of(key)
        if not made:
            return
        last = made[-1]
        ends_at = self.vendor.ends_at(last.token)
        was_live = last.name in self.kept and ends_at > self.scheduler.now + 60
        is_current = not self.versions_of(last).isdisjoint(invocation.read)
        is_doubtful = last.name in self.doubted or self.revoked_at > last.at
        forgets = [one for one in self.operations if one.action == "forget"]
        is_forgotten = self.item(key).fingerprint != last.name and any(
            one.ended is None or one.ended > last.at for one in forgets
        )
        if was_live and is_current and not is_doubtful and not is_forgotten:
            self.violate("I17", f"{invocation.name} replaces the live token of {key[:8]}")

    def _check_twice(self, invocation: Invocation, made: Made) -> None:
        """I5: what an invocation made it uses, and makes no second one for the same version."""
        for one in self.made.of(made.key):
            if one.maker is not invocation:
                continue
            # What the vendor refused since, or had ended before its time, may be made again.
            is_gone = one.name in self.reported or self.vendor.ends_at(one.token) < made.at + 60
            is_other = len({*invocation.read}) > 1 or self.is_unshared(invocation.read[-1])
            if not (is_gone or is_other or self.revoked_at > one.at):
                self.violate("I5", f"{invocation.name} makes a token of {made.key[:8]} twice")

    def is_unshared(self, version: str | None) -> bool:
        """Say whether each caller has a token of its own, by a version of the secret."""
        return version is not None and not self.settings[version].is_shared

    def _logged_in(self, invocation: Invocation, sent: Sent, response: Response) -> None:
        credential = self.credentials[sent.credential or ""]
        if sent.credential not in self.valid:
            credential.refused.append((invocation, sent))
        elif invocation.is_bad and not response.is_success and not credential.was_accepted:
            credential.strangers.append(invocation)
        else:
            credential.was_accepted = True

    def versions_since(self, since: float) -> list[str]:
        """Return the versions of the secret that were current at some time *since* then."""
        ends = [*list(self.put_at.values())[1:], float("inf")]
        return [version for version, end in zip(self.put_at, ends, strict=True) if end >= since]

    def forbids(self, invocation: Invocation, version: str) -> bool:
        """Say whether a version of the secret pins what an invocation chooses otherwise."""
        return self.vendor.forbids(body_of(self, invocation.event), self.settings[version])

    def is_listing(self, key: str) -> bool:
        """Say whether *key* is VNTANA's list of organizations, which is no token."""
        return key == LISTING.key
