"""The facts of a run: each effect at the vendor and each write of the table, at its true time.

No invocation has this view. `judge` records the facts; the checks are functions of them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

from tests.protocol.simulation.clients import Secrets
from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.plans import Plan, Setting
from tests.protocol.simulation.scheduler import EPOCH, Scheduler
from tests.protocol.simulation.table import Place, Record, Table
from tests.protocol.simulation.vendor import Vendor
from tests.protocol.simulation.wire import Wire
from tests.subjects import keeps_gate_apart
from token_broker.item import Item
from token_broker.item_codec import item_of
from token_broker.tokens import ONLY


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
    """Tokens by fingerprint, in the order of issue, each with the data of its first issue."""

    def __init__(self) -> None:
        self._of: dict[str, list[Made]] = {}

    def add(self, made: Made) -> None:
        """Record a token on its first issue."""
        if self.setdefault(made.name, made) is made:
            self._of.setdefault(made.key, []).append(made)

    def of(self, key: str) -> Sequence[Made]:
        """Return the tokens of a variant, in the order of issue."""
        return self._of.get(key, ())


class Update(NamedTuple):
    """A write to the table: a record before and after."""

    writer: Invocation
    place: Place
    before: Record
    after: Record

    @property
    def variant(self) -> str:
        return self.place[1]

    def is_new(self, name: str) -> bool:
        """Return whether an attribute has another value after the write."""
        return bool(self.after.get(name) != self.before.get(name))

    def added(self, name: str) -> list[str]:
        """Return the strings that the write added to a list."""
        old, new = (one.get(name, {"L": []})["L"] for one in (self.before, self.after))
        return [member["S"] for member in new if member not in old]


def number(record: Record, name: str) -> int:
    """Return a number attribute of a record, by default 0."""
    return int(record[name]["N"]) if name in record else 0


def text(record: Record, name: str) -> str | None:
    """Return a string attribute of a record, or None."""
    return str(record[name]["S"]) if name in record else None


@dataclass(slots=True)
class Credential:
    """A credential that logins used, and the vendor's responses."""

    versions: list[str] = field(default_factory=list)
    was_accepted: bool = False
    refused: list[tuple[Invocation, Sent]] = field(default_factory=list)
    """Logins with this credential that the vendor rejected."""
    strangers: list[Invocation] = field(default_factory=list)
    """Invocations with a bad variant that were rejected before the first accepted login, or after a
    DELETE, which removes the acceptance."""


@dataclass(slots=True)
class Hold:
    """A hold, from the write that sets it to the write that lifts it."""

    since: float
    putter: Invocation
    until: float = inf


@dataclass(frozen=True, slots=True)
class Harm:
    """A period in which other invocations may fail with *code*, or with any code."""

    since: float
    until: float
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """The back-off of a request *body* for one version of the secret, as a caller was told it."""

    body: dict[str, Any]
    version: str
    since: float
    until: float
    is_unclear: bool
    """Whether a login got no clear answer: a forced call must wait as well."""


class Streak(NamedTuple):
    """Consecutive upstream failures with one version of the secret, the last of them at *at*."""

    failures: int
    version: str | None
    at: float


@dataclass(eq=False)
class History:
    """The facts of a run, and the invariants that it broke."""

    plan: Plan
    scheduler: Scheduler
    vendor: Vendor
    lifetime: int = field(init=False)
    """The lifetime of new tokens in seconds, as the flow computes it."""
    wire: Wire = field(init=False)
    table: Table = field(init=False)
    secrets: Secrets = field(init=False)

    trace: list[tuple[float, str, str]] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)

    operations: list[Invocation] = field(default_factory=list)
    """Invocations with the action `forget` or `rotate`."""
    answered: list[Invocation] = field(default_factory=list)
    event_invocations: list[Invocation] = field(default_factory=list)
    """Answered invocations that an EventBridge event started."""
    deletes: list[Invocation] = field(default_factory=list)
    """DELETEs that answered `complete`."""
    forgotten: int = 0
    revoked_at: float = 0.0
    roles_at: float = 0.0
    """The time at which the two users last swapped their roles."""

    made: Tokens = field(default_factory=Tokens)
    made_by: dict[str, frozenset[str]] = field(default_factory=dict)
    """The versions of the secret that may have made a token, by its value."""
    reissued_at: dict[str, float] = field(default_factory=dict)
    """The time at which the vendor last issued an existing token again, by fingerprint."""
    kept: dict[str, float] = field(default_factory=dict)
    """The time of the first write of each fingerprint to the table."""
    gone: dict[str, float] = field(default_factory=dict)
    """The time at which a fingerprint was last removed or replaced in the table."""
    deleted: set[str] = field(default_factory=set)
    """Fingerprints that a DELETE removed from the table."""
    lifetimes: dict[tuple[str, int], int] = field(default_factory=dict)
    """Stored seconds from `issued_at` to `expires_at`, by fingerprint and generation."""
    generations: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    """The generations of each variant, with the time of each write."""
    last_written: dict[str, float] = field(default_factory=dict)
    """The time of the last write of each variant by an invocation other than a DELETE."""
    reported: set[str] = field(default_factory=set)
    """Fingerprints that the vendor rejected or a caller reported."""
    caller_reports: set[str] = field(default_factory=set)
    """Fingerprints that a caller reported."""
    marked: dict[str, float] = field(default_factory=dict)
    """The time at which a fingerprint was marked as rejected in the table."""

    credentials: dict[str, Credential] = field(default_factory=dict)
    valid: set[str] = field(default_factory=set)
    """Credentials that the vendor accepts now."""
    recorded: dict[tuple[str, str], float] = field(default_factory=dict)
    """The time at which an item recorded the rejection of a secret's version, by variant and
    version. The gate's holds for all variants."""
    settings: dict[str, Setting] = field(default_factory=dict)
    """The content of each version of the secret, in order."""
    put_at: dict[str, float] = field(default_factory=dict)

    holds: list[Hold] = field(default_factory=list)
    told_of_hold: dict[str, float] = field(default_factory=dict)
    """The time at which a process last answered `connection_held`."""
    harms: list[Harm] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    streaks: dict[str, Streak] = field(default_factory=dict)
    """Consecutive upstream failures of each body."""

    latch_events: list[tuple[float, str, str]] = field(default_factory=list)
    """Events on the bus about latches: time, event, version of the secret."""
    outage_events: list[tuple[float, str, str]] = field(default_factory=list)
    """Events on the bus about outages: time, event, begin of the outage."""
    for_callers: set[str] = field(default_factory=set)
    """The kept tokens of the kinds that callers get."""
    token_events: Counter[str] = field(default_factory=Counter)
    """The number of events on the bus about each token, by fingerprint."""
    refresh_claims: Counter[str] = field(default_factory=Counter)
    refreshes_started: Counter[str] = field(default_factory=Counter)
    _items: dict[int, tuple[Record, Item]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lifetime = self.vendor.set_lifetime(self.plan.lifetime)

    @property
    def now(self) -> float:
        return self.scheduler.now

    @property
    def partition(self) -> str:
        """The table's partition key of the connection."""
        return f"{self.plan.flow}#acme"

    def note_step(self, invocation: Invocation, what: str) -> None:
        self.trace.append((self.now, f"{invocation.container} {invocation.name}", what))

    def violate(self, invariant: str, text: str) -> None:
        self.trace.append((self.now, "judge", f"*** {invariant}: {text}"))
        self.violations.append(Violation(invariant, self.now - EPOCH, text))

    def breaks(self, invariant: str) -> bool:
        return any(found.invariant == invariant for found in self.violations)

    # The table

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
        return [self.item(variant) for _, variant in list(self.table.records)]

    def is_gate(self, variant: str) -> bool:
        """Return whether an item is the gate, and not a variant's as well."""
        return variant == ONLY and keeps_gate_apart(self.plan.flow)

    # Tokens, and the versions of the secret

    def versions_of(self, made: Made) -> frozenset[str]:
        """Return the versions of the secret that may have made a token."""
        return self.made_by.get(made.token, frozenset())

    def issued_at(self, made: Made) -> float:
        """Return when the vendor issued a token: the last time, if it did so again."""
        return max(made.at, self.reissued_at.get(made.name, 0.0))

    def successors(self, made: Made) -> list[Made]:
        """Return the tokens of the same variant that were issued later."""
        return [m for m in self.made.of(made.key) if m.number > made.number]

    def versions_since(self, since: float) -> list[str]:
        """Return the versions of the secret that were current at any time after *since*."""
        ends = [*list(self.put_at.values())[1:], inf]
        return [version for version, end in zip(self.put_at, ends, strict=True) if end >= since]

    def credential_of(self, version: str) -> Credential:
        return self.credentials[self.settings[version].credential]

    def is_unshared(self, version: str | None) -> bool:
        """Return whether a version of the secret gives each caller a separate token."""
        return version is not None and not self.settings[version].is_shared

    def body_of(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members of an event that choose the variant."""
        names = {name for body in self.vendor.bodies for name in body}
        return {name: event[name] for name in event if name in names}

    def forbids(self, invocation: Invocation, version: str) -> bool:
        """Return whether a version of the secret pins a parameter that the invocation sets."""
        return self.vendor.forbids(self.body_of(invocation.event), self.settings[version])

    def is_refused(self, invocation: Invocation, since: float) -> bool:
        """Return whether a version of the secret after *since* forbids an invocation's request."""
        return any(self.forbids(invocation, version) for version in self.versions_since(since))

    def is_nonexistent(self, invocation: Invocation, made: Made) -> bool:
        """Return whether an invocation requests what does not exist, so it may not get a token."""
        body = self.body_of(invocation.event)
        return invocation.is_bad and not self.vendor.may_open(body, made.key)

    # Holds

    @property
    def is_held(self) -> bool:
        return bool(self.holds) and self.holds[-1].until == inf

    def was_held(self, invocation: Invocation) -> bool:
        """Return whether there was a hold at any time since an invocation began."""
        return any(hold.until >= invocation.begun for hold in self.holds)
