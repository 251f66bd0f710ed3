"""Judges a run by the invariants of the protocol: from the vendor's side, and the table's history.

The judge sees everything at its true moment; what it knows, no invocation knew.
"""

import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.protocol.simulation.answers import check_answer, live_item
from tests.protocol.simulation.clients import Secrets
from tests.protocol.simulation.history import check_write
from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.plans import Change, Plan
from tests.protocol.simulation.scheduler import EPOCH, Scheduler
from tests.protocol.simulation.table import Place, Record, Table
from tests.protocol.simulation.vendor import Vendor
from tests.protocol.simulation.wire import Wire
from token_broker.exchange import Response
from token_broker.flows.vntana.flow import LISTING
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
    key: str
    token: str
    maker: Invocation
    at: float


@dataclass(slots=True)
class Credential:
    """A password, and what came of it."""

    versions: list[str] = field(default_factory=list)
    was_accepted: bool = False
    refused: list[tuple[Invocation, Sent]] = field(default_factory=list)
    """Logins with it that were refused."""


class Judge:
    """Everything that happened, and what of it must not have."""

    wire: Wire
    table: Table
    secrets: Secrets

    def __init__(self, plan: Plan, scheduler: Scheduler, vendor: Vendor) -> None:
        self.plan = plan
        self.scheduler = scheduler
        self.vendor = vendor
        self.partition = f"{plan.flow}#acme"
        self.trace: list[tuple[float, str, str]] = []
        self.violations: list[Violation] = []
        self.made: dict[str, Made] = {}
        """By fingerprint, in order of making."""
        self.kept: set[str] = set()
        """Fingerprints that were ever in the table."""
        self.reported: set[str] = set()
        """Fingerprints that somebody may report: the vendor or a caller refused them."""
        self.credentials: dict[str, Credential] = {}
        self.recorded: dict[str, float] = {}
        """When the rejection of a secret's version was written down."""
        self.defaults: list[tuple[float, bool]] = []
        """Since when a secret had which defaults."""
        self.elections: Counter[str] = Counter()
        self.nudges: Counter[str] = Counter()
        self.forgotten = 0
        self.revoked_at = 0.0
        self.calm_since = float("inf")
        """From then on nothing goes wrong any more."""
        self.answered: list[Invocation] = []

    # What the world tells.

    def noted(self, invocation: Invocation, what: str) -> None:
        """Write down a step."""
        who = f"{invocation.container} {invocation.name}"
        self.trace.append((self.scheduler.now, who, what))

    def began(self, invocation: Invocation) -> None:
        """Write down what an invocation is for."""
        self.noted(invocation, f"begins: {dict(invocation.event)}")
        if rejected := invocation.event.get("rejected"):
            self.reported.add(rejected)
        if invocation.is_plain:
            invocation.had_live = live_item(self, invocation)

    def ended(self, invocation: Invocation) -> None:
        """Judge what came of an invocation."""
        shown = invocation.answer.get("code") or invocation.answer.get("source") or ""
        self.noted(invocation, f"{invocation.end} {shown}".rstrip())
        self.answered.append(invocation)
        self.forgotten += invocation.action == "forget"
        check_answer(self, invocation)

    def sent(self, invocation: Invocation, sent: Sent) -> None:
        """Judge that a request is sent: only by the holder of its variant's lease."""
        self._check_lease(invocation, sent, "is sent")

    def processed(self, invocation: Invocation, sent: Sent, response: Response) -> None:
        """Write down what the vendor did, and judge that nobody else was at it."""
        self._check_lease(invocation, sent, "is processed")
        if response.status in (401, 403):
            self._refused(sent)
        if sent.password is not None:
            self._logged_in(invocation, sent)
        token = self.vendor.token(response) if sent.key else None
        self.noted(invocation, f"  {sent.request.step} answered with {response.status}")
        if token and sent.key:
            name = fingerprint(token)
            self.made[name] = Made(len(self.made), sent.key, token, invocation, self.scheduler.now)
            self.noted(invocation, f"  makes {name[:6]} of {sent.key[:8]}")

    def written(self, place: Place, before: Record | None, after: Record) -> None:
        """Judge a write to the table."""
        check_write(self, self._actor, place, before or {}, after)

    def nudged(self, invocation: Invocation, payload: Mapping[str, Any]) -> None:
        """Write down that a renewal is started."""
        del invocation
        self.nudges[payload.get("variant", "")] += 1

    def changed(self, change: Change) -> None:
        """Write down what somebody did."""
        self.trace.append((self.scheduler.now, "world", change.kind))
        if change.kind == "revoked":
            self.revoked_at = self.scheduler.now

    def put(self, version: str, password: str, *, is_other: bool) -> None:
        """Write down a new version of the secret."""
        self.credentials.setdefault(password, Credential()).versions.append(version)
        self.defaults.append((self.scheduler.now, is_other))

    def defect(self, error: Exception, request_id: str) -> None:
        """A defect: something was raised that is no documented error."""
        lines = traceback.format_exception(error)
        self.violate("errors", f"a defect in {request_id}: {''.join(lines[-3:])}")

    def violate(self, invariant: str, text: str) -> None:
        """Write down that an invariant does not hold."""
        self.trace.append((self.scheduler.now, "judge", f"*** {invariant}: {text}"))
        self.violations.append(Violation(invariant, self.scheduler.now - EPOCH, text))

    # What it concludes.

    @property
    def _actor(self) -> Invocation:
        actor = self.wire.acting
        if actor is None:
            raise LookupError("a write that nobody made")
        return actor

    def _check_lease(self, invocation: Invocation, sent: Sent, what: str) -> None:
        if sent.key is None and sent.password is None:
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

    def _refused(self, sent: Sent) -> None:
        headers = sent.request.headers
        value = headers.get("x-auth-token") or headers.get("authorization") or ""
        self.reported.add(fingerprint(value.removeprefix("Bearer ")))

    def _logged_in(self, invocation: Invocation, sent: Sent) -> None:
        credential = self.credentials[sent.password or ""]
        if sent.password == self.password:
            credential.was_accepted = True
        else:
            credential.refused.append((invocation, sent))

    password = ""
    """What the vendor accepts."""

    def is_listing(self, key: str) -> bool:
        """Say whether *key* is VNTANA's list of organizations, which is no token."""
        return key == LISTING.key
