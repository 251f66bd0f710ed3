"""The judge: checks the protocol's invariants during a run, and collects the violations.

It sees each effect at the vendor and each write of the table at its true time. No invocation has
this view.
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
    """An invariant that a run broke, with the time and a description."""

    invariant: str
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Made:
    """A token that the vendor issued."""

    number: int
    name: str
    """Its fingerprint."""
    key: str
    token: str
    maker: Invocation
    at: float
    step: int = 0
    """The step of the invocation that obtained it."""


class Tokens(dict[str, Made]):
    """Tokens by fingerprint, each with the data of its first issue."""

    def __init__(self) -> None:
        self._of: dict[str, list[Made]] = {}

    def add(self, made: Made) -> None:
        """Record a token on its first issue."""
        if self.setdefault(made.name, made) is made:
            self._of.setdefault(made.key, []).append(made)

    def of(self, key: str) -> Sequence[Made]:
        """Return the tokens of a variant, in the order of issue."""
        return self._of.get(key, ())


@dataclass(slots=True)
class Credential:
    """A credential that logins used, and the vendor's responses."""

    versions: list[str] = field(default_factory=list)
    was_accepted: bool = False
    refused: list[tuple[Invocation, Sent]] = field(default_factory=list)
    """Logins with this credential that the vendor rejected."""
    strangers: list[Invocation] = field(default_factory=list)
    """Invocations with a bad variant that were rejected before the first accepted login."""


class Judge:
    """The trace of a run, and the invariants that it broke."""

    wire: Wire
    table: Table
    secrets: Secrets

    def __init__(
        self, plan: Plan, scheduler: Scheduler, vendor: Vendor, *, has_model: bool = False
    ) -> None:
        self.plan = plan
        self.lifetime = vendor.set_lifetime(plan.lifetime)
        """The lifetime of new tokens in seconds, as the flow computes it."""
        self.scheduler = scheduler
        self.vendor = vendor
        self.trace: list[tuple[float, str, str]] = []
        self.violations: list[Violation] = []
        self.made = Tokens()
        """By fingerprint, in the order of issue."""
        self.reissued_at: dict[str, float] = {}
        """The time at which the vendor last issued an existing token again, by fingerprint."""
        self.kept: dict[str, float] = {}
        """The time of the first write of each fingerprint to the table."""
        self.gone: dict[str, float] = {}
        """The time at which a fingerprint was first removed or replaced in the table."""
        self.lifetimes: dict[tuple[str, int], int] = {}
        """Stored seconds from `issued_at` to `expires_at`, by fingerprint and generation."""
        self.generations: dict[str, list[tuple[float, int]]] = {}
        """The generations of each variant, with the time of each write."""
        self.reported: set[str] = set()
        """Fingerprints that the vendor rejected or a caller reported."""
        self.marked: dict[str, float] = {}
        """The time at which a fingerprint was marked as rejected in the table."""
        self.caller_reports: set[str] = set()
        """Fingerprints that a caller reported."""
        self.credentials: dict[str, Credential] = {}
        self.recorded: dict[str, float] = {}
        """The time at which the table recorded the rejection of a secret's version."""
        self.settings: dict[str, Setting] = {}
        """The content of each version of the secret, in order."""
        self.put_at: dict[str, float] = {}
        self.valid: set[str] = set()
        """Credentials that the vendor accepts now."""
        self._items: dict[int, tuple[Record, Item]] = {}
        self.origins, self.excuses, self.backoffs = Origins(self), Excuses(self), Backoffs(self)
        self.operations: list[Invocation] = []
        """Invocations with the action `forget` or `rotate`."""
        self.latch_events: list[tuple[float, str, str]] = []
        """Events on the bus about latches: time, event, version of the secret."""
        self.outage_events: list[tuple[float, str, str]] = []
        """Events on the bus about outages: time, event, begin of the outage."""
        self.token_events: Counter[str] = Counter()
        """The number of events on the bus about each token, by fingerprint."""
        self.forgetting, self.holding, self.checking = (
            Forgetting(self),
            Holding(self),
            Checking(self),
        )
        self.refresh_claims, self.refreshes_started = Counter[str](), Counter[str]()
        self.forgotten, self.revoked_at = 0, 0.0
        self.answered: list[Invocation] = []
        self.event_invocations: list[Invocation] = []
        """Answered invocations that an EventBridge event started."""
        self.replay = Replay.beside(self) if has_model else None

    @property
    def partition(self) -> str:
        """The table's partition key of the connection."""
        return f"{self.plan.flow}#acme"

    # Inputs from the simulated world.

    def note_step(self, invocation: Invocation, what: str) -> None:
        """Append a step to the trace."""
        who = f"{invocation.container} {invocation.name}"
        self.trace.append((self.scheduler.now, who, what))

    def began(self, invocation: Invocation) -> None:
        """Record the begin of an invocation and its event."""
        self.note_step(invocation, f"begins: {dict(invocation.event)}")
        self.forgetting.began(invocation)
        if invocation.action in ("forget", "rotate"):
            self.operations.append(invocation)
        if rejected := invocation.event.get("rejected"):
            self.reported.add(rejected)
            self.caller_reports.add(rejected)
        if invocation.is_plain:
            invocation.usable_at_begin = live_item(self, invocation)
        if "min_ttl" in invocation.event:
            body, setting = body_of(self, invocation.event), list(self.settings.values())[-1]
            keys = self.vendor.wanted(body, setting, self.scheduler.now)
            items = [one for one in self.items() if one.variant in keys]
            ends = [one.expires_at for one in items if one.fingerprint in self.made]
            invocation.life_at_begin = max(ends, default=0) - self.scheduler.now

    def ended(self, invocation: Invocation) -> None:
        """Check the result of an invocation."""
        shown = invocation.answer.get("code") or invocation.answer.get("source") or ""
        self.note_step(invocation, f"{invocation.end} {shown}".rstrip())
        self.answered.append(invocation)
        if invocation.name.startswith("event"):
            self.event_invocations.append(invocation)
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
        """Check that the sender of a request holds the lease of its variant."""
        self._check_lease(invocation, sent, "is sent")
        self.origins.check_sent(invocation, sent)
        self.holding.check_sent(invocation, sent)
        self.backoffs.check_sent(invocation)
        if self.replay:
            self.replay.sent(invocation, sent)

    def processed(self, invocation: Invocation, sent: Sent, response: Response) -> None:
        """Record the vendor's effect, and check that the sender still holds the lease."""
        self._check_lease(invocation, sent, "is processed")
        if response.status in (401, 403):
            self.reported.add(fingerprint(sent.bearer or ""))
        if sent.credential is not None:
            self._logged_in(invocation, sent, response)
        self.origins.processed(invocation, sent, response)
        self.checking.processed(invocation, sent, response)
        token = next(iter(self.vendor.tokens(response)), None) if sent.key else None
        self.note_step(invocation, f"  {sent.request.step} answered with {response.status}")
        if token and sent.key:
            name = fingerprint(token)
            number, now = len(self.made), self.scheduler.now
            made = Made(number, name, sent.key, token, invocation, now, invocation.step)
            self._check_maker(invocation, sent.key)
            self._check_twice(invocation, made)
            self.backoffs.check_made(made)
            if name in self.made:
                self.reissued_at[name] = now
            self.made.add(made)
            self.note_step(invocation, f"  makes {name[:6]} of {sent.key[:8]}")

    def written(self, place: Place, before: Record | None, after: Record) -> None:
        """Check a write to the table."""
        check_write(self, self._actor, place, before or {}, after)
        self.origins.check_write(self._actor, place, before or {}, after)
        self.forgetting.written(place[1], self._actor)
        self.holding.written(self._actor, place, before or {}, after)
        if self.replay:
            self.replay.written(self._actor, place, before or {}, after)

    def looked(self, place: Place, record: Record | None) -> None:
        """Record a read of an invocation, also in the replay."""
        self._actor.saw(place[1], self.item(place[1], record or {}).generation)
        self.holding.looked(self._actor, place)
        if self.replay:
            self.replay.read(self._actor, place, record)

    def refused(self, place: Place, changes: str) -> None:
        """Pass a conditional write that failed to the replay."""
        if self.replay:
            self.replay.refused(self._actor, place, changes)

    def dropped(self, place: Place, record: Record) -> None:
        """Check that an item which the table dropped by its `ttl` was no longer needed."""
        check_drop(self, place, record)

    def refresh_started(self, invocation: Invocation, payload: Mapping[str, Any]) -> None:
        """Count a background refresh that a caller starts."""
        if invocation.action == "token":
            self.refreshes_started[payload.get("variant", "")] += 1

    def announced(self, what: str, detail: Mapping[str, Any]) -> bool:
        """Record an event that was sent to the bus."""
        self.note_step(self.wire.current, f"  sends event: {what}")
        match what:
            case "Connection Latched" | "Connection Recovered":
                version = str(detail["secret_version"])
                self.latch_events.append((self.scheduler.now, what, version))
            case "Upstream Down" | "Upstream Up":
                self.outage_events.append((self.scheduler.now, what, str(detail["since"])))
            case "Connection Held" | "Connection Lifted":
                pass  # `Holding` checks the writes
            case _:
                self.token_events[str(detail["fingerprint"])] += 1
        return True

    def changed(self, change: Change) -> None:
        """Record a change of the secret or at the vendor."""
        self.trace.append((self.scheduler.now, "world", change.kind))
        if change.kind == "revoked":
            self.revoked_at = self.scheduler.now

    def put(self, version: str, setting: Setting) -> None:
        """Record a new version of the secret."""
        credential = self.credentials.setdefault(setting.credential, Credential())
        credential.versions.append(version)
        self.settings[version] = setting
        self.put_at[version] = self.scheduler.now
        self.trace.append((self.scheduler.now, "world", f"{version} is the secret: {setting}"))

    def defect(self, error: Exception, request_id: str) -> None:
        """Record an exception that is not a documented error."""
        lines = traceback.format_exception(error)
        self.violate("errors", f"a defect in {request_id}: {''.join(lines[-3:])}")

    def violate(self, invariant: str, text: str) -> None:
        """Record a violation of an invariant."""
        self.trace.append((self.scheduler.now, "judge", f"*** {invariant}: {text}"))
        self.violations.append(Violation(invariant, self.scheduler.now - EPOCH, text))

    def breaks(self, invariant: str) -> bool:
        """Return whether the run broke an invariant."""
        return any(found.invariant == invariant for found in self.violations)

    def item(self, variant: str, record: Record | None = None) -> Item:
        """Return the item of a record of a variant, by default of the stored record."""
        if record is None:
            record = self.table.get((self.partition, variant)) or {}
        known = self._items.get(id(record))
        if known is None or known[0] is not record:
            # The record is kept as well: Python reuses the id of an object that was freed.
            known = self._items[id(record)] = record, item_of(self.partition, variant, record)
        return known[1]

    def items(self) -> list[Item]:
        """Return all items of the table."""
        return [self.item(variant) for _, variant in list(self.table.records)]

    def versions_of(self, made: Made) -> frozenset[str]:
        """Return the versions of the secret that may have made a token."""
        return self.origins.of_token(made.token) or frozenset()

    def successors(self, made: Made) -> list[Made]:
        """Return the tokens of the same variant that were issued later."""
        return [m for m in self.made.of(made.key) if m.number > made.number]

    # Checks.

    @property
    def _actor(self) -> Invocation:
        actor = self.wire.acting
        if actor is None:
            raise LookupError("no invocation is acting")
        return actor

    def _check_lease(self, invocation: Invocation, sent: Sent, what: str) -> None:
        if sent.key is None and sent.credential is None:
            return
        if self.is_unshared(next(reversed(invocation.read), None)):
            return
        if not self.holds(invocation, sent.key):
            step = sent.request.step
            self.violate("I1", f"{invocation.name}: {step} {what} without holding the lease")

    def holds(self, invocation: Invocation, key: str | None) -> bool:
        """Return whether *invocation* holds the lease of *key*, or any lease if *key* is None."""
        keys = [key] if key else [k for _, k in self.table.records]
        records = [self.table.get((self.partition, k)) or {} for k in keys]
        owners = [r["lease_owner"]["S"] for r in records if "lease_owner" in r]
        return any(owner.rpartition(".")[0] == invocation.name for owner in owners)

    def is_begun(self, key: str) -> bool:
        """Return whether the table has a lease of *key* that was not ended."""
        return "lease_owner" in (self.table.get((self.partition, key)) or {})

    def _check_maker(self, invocation: Invocation, key: str) -> None:
        """I17: a request for a nonexistent variant does not replace a live token."""
        if not invocation.is_bad:
            return
        made = self.made.of(key)
        if not made:
            return
        last = made[-1]
        ends_at = self.vendor.ends_at(last.token)
        was_live = last.name in self.kept and ends_at > self.scheduler.now + 60
        is_current = not self.versions_of(last).isdisjoint(invocation.read)
        is_doubtful = last.name in self.caller_reports or self.revoked_at > last.at
        forgets = [one for one in self.operations if one.action == "forget"]
        is_forgotten = self.item(key).fingerprint != last.name and any(
            one.ended is None or one.ended > last.at for one in forgets
        )
        if was_live and is_current and not is_doubtful and not is_forgotten:
            self.violate("I17", f"{invocation.name} replaces the live token of {key[:8]}")

    def _check_twice(self, invocation: Invocation, made: Made) -> None:
        """I5: an invocation makes at most one token of a variant per version of the secret."""
        for one in self.made.of(made.key):
            if one.maker is not invocation:
                continue
            # A token that the vendor rejected or revoked since may be replaced.
            is_gone = one.name in self.reported or self.vendor.ends_at(one.token) < made.at + 60
            is_other = len({*invocation.read}) > 1 or self.is_unshared(invocation.read[-1])
            if not (is_gone or is_other or self.revoked_at > one.at):
                self.violate("I5", f"{invocation.name} makes a token of {made.key[:8]} twice")

    def is_unshared(self, version: str | None) -> bool:
        """Return whether a version of the secret gives each caller a separate token."""
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
        """Return the versions of the secret that were current at any time after *since*."""
        ends = [*list(self.put_at.values())[1:], float("inf")]
        return [version for version, end in zip(self.put_at, ends, strict=True) if end >= since]

    def forbids(self, invocation: Invocation, version: str) -> bool:
        """Return whether a version of the secret pins a parameter that the invocation sets."""
        return self.vendor.forbids(body_of(self, invocation.event), self.settings[version])

    def is_listing(self, key: str) -> bool:
        """Return whether *key* is VNTANA's list of organizations, which is not a token."""
        return key == LISTING.key
