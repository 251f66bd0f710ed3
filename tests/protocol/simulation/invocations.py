"""The state and the result of one invocation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.protocol.simulation.plans import HARMLESS, Fault, FaultKind, Service
from token_broker.exchange import Request

EXCUSES: frozenset[FaultKind] = frozenset(
    {"crash", "crash after", "refused", "lost", "late", "denied", "page"}
)
DELAYS: frozenset[FaultKind] = frozenset({"twice", "slow", "freeze", "freeze after"})
LOSING: frozenset[FaultKind] = frozenset({"lost", "late", "twice"})
"""Faults after which a caller reads whether its write was done."""

TIMEOUT = 20.0
"""Seconds after which the platform ends an invocation."""


@dataclass(slots=True, eq=False)
class Sent:
    """One request to a vendor: its times and its content."""

    request: Request
    key: str | None
    """The variant of the token that it requests."""
    credential: str | None
    """The credential of a login, as in `Setting.credential`."""
    bearer: str | None = None
    """The token that it is sent with."""
    seconds: float = 0.0
    """The timeout in seconds."""
    sent_at: float = 0.0
    processed_at: float | None = None
    ended_at: float | None = None
    """The time of its answer, or of its timeout."""
    is_answered: bool = False
    is_down: bool = False
    """Whether the vendor answered that it is down; after an extension a login follows."""
    is_unclear: bool = False
    """Whether a proxy's page was the answer."""
    is_verified: bool = False
    """Whether it is a check's, and the vendor accepted a live token."""

    @property
    def step(self) -> str:
        return self.request.step

    def shows(self, token: str) -> bool:
        """Return whether the request has *token*."""
        request = self.request
        return token in f"{request.headers}{request.json}{request.form}"


@dataclass(slots=True, eq=False)
class Invocation:
    """An invocation: its event, its deadline, and what it did."""

    name: str
    event: Mapping[str, Any]
    container: str
    begun: float
    offset: float
    """The seconds by which its clock is ahead."""
    rng: Random
    faults: Mapping[int, Fault]
    is_bad: bool = False
    """Whether it requests a nonexistent variant."""
    depth: int = 0
    """The length of the chain of self-invocations before it."""
    tries: int = 0
    """The number of earlier attempts by the platform."""
    step: int = 0
    ended: float | None = None
    end: str = ""
    """``answered``, ``failed``, ``crashed`` or ``timed out``."""
    answer: Mapping[str, Any] = field(default_factory=dict)
    """The answer, or the problem."""
    was_dead: bool = False
    """Whether the token of its answer was dead at the vendor at that time."""
    had_open_lease: bool = False
    """Whether the variant then had a lease that was not ended."""
    met: list[Fault] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    slept: float = 0.0
    frozen_seconds: float = 0.0
    """The seconds that it was frozen, or waited for a lost answer."""
    answered_at: float = 0.0
    """The time of the last answer of any service."""
    decided_at: float = 0.0
    """The time of the last answer with data of a token, when it decides."""
    refused_by: set[Service] = field(default_factory=set)
    """Services that were down at one of its requests."""
    was_denied: bool = False
    """Whether one of them refused for a missing permission."""
    is_hurt_upstream: bool = False
    """Whether it met at least one fault of a request to the vendor."""
    is_claiming: bool = False
    """Whether it has chosen its token and starts a refresh."""
    read: list[str] = field(default_factory=list)
    """Versions of the secret that it read."""
    listed: str | None = None
    """The token of its last list of organizations."""
    offsets: list[float] = field(default_factory=list)
    """The offsets of its clock after each step during the invocation."""
    refused: str | None = None
    """The fingerprint of the token that the vendor rejected in a check."""
    first_seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The generation of each variant in its first read, and the step of that read."""
    owners: int = 0
    leased_at: float = 0.0
    """The time at which it last acquired a lease."""
    looked_at: float = 0.0
    """The time at which it last read the gate."""
    sessions: list[str] = field(default_factory=list)
    """Of a DELETE: the tokens whose session it found and could end."""
    unended: int = 0
    """Of a DELETE: the sessions that it reported as not ended."""
    children: int = 0
    life_at_begin: float = 0.0
    """The longest remaining life of the stored tokens at its begin, in seconds."""
    usable_at_begin: str = ""
    """The fingerprint of a usable stored token at its begin."""

    @property
    def deadline(self) -> float:
        """The time at which the platform ends it."""
        return self.begun + TIMEOUT

    @property
    def action(self) -> str:
        return str(self.event.get("action", "rotate" if "detail" in self.event else "token"))

    @property
    def version(self) -> str | None:
        """The version of the secret that it read last."""
        return self.read[-1] if self.read else None

    @property
    def rejected(self) -> str | None:
        """The fingerprint of the token that it reports."""
        rejected: str | None = self.event.get("rejected", self.refused)
        return rejected

    @property
    def is_asynchronous(self) -> bool:
        """Return whether no caller waits for it: then the platform retries a failure."""
        return "detail" in self.event or self.depth > 0

    @property
    def is_dead(self) -> bool:
        return self.end in ("crashed", "timed out")

    @property
    def is_excused(self) -> bool:
        """Return whether a fault may have kept it from storing its token."""
        is_hurt = any(fault.kind in EXCUSES for fault in self.met)
        return self.is_dead or bool(self.refused_by) or is_hurt

    @property
    def is_hindered(self) -> bool:
        """Return whether it met a fault that it may notice."""
        is_hurt = any(fault.kind not in HARMLESS for fault in self.met) or bool(self.offsets)
        return self.is_dead or bool(self.refused_by) or is_hurt

    @property
    def is_only_late(self) -> bool:
        """Return whether it met no fault but delays."""
        is_hurt = any(fault.kind not in DELAYS for fault in self.met) or bool(self.offsets)
        return not (self.is_dead or self.refused_by or is_hurt)

    @property
    def is_denied(self) -> bool:
        return self.was_denied or any(fault.kind == "denied" for fault in self.met)

    @property
    def is_plain(self) -> bool:
        """Return whether it is a call without options."""
        wants = self.event.keys() & {"force", "rejected", "min_ttl"}
        return self.action == "token" and not wants

    def owns(self, owner: str | None) -> bool:
        return owner is not None and owner.rpartition(".")[0] == self.name

    def verifies(self, sent: Sent) -> bool:
        """Return whether a request is a check's verification of its token: it changes nothing."""
        return self.action == "check" and sent.step in ("check", "verify")

    def saw(self, key: str, generation: int) -> None:
        """Record its first read of a variant; of a read that was sent twice, the answer."""
        _, step = self.first_seen.get(key, (generation, self.step))
        if step == self.step:
            self.first_seen[key] = generation, step

    def may_not_keep(self, since: int) -> bool:
        """Return whether it lacked permission to store the token of a step, or the KMS key."""
        later = any(fault.kind == "denied" and fault.step > since for fault in self.met)
        return later or self.was_denied or "key" in self.refused_by

    def has_lost(self, since: int) -> bool:
        """Return whether the answer of a call to AWS was lost after a step."""
        return any(fault.step > since and fault.kind in LOSING for fault in self.met)

    def latency(self) -> float:
        """Return the latency of a message in seconds; most are short."""
        kind = self.rng.random()
        if kind < 0.85:
            return 0.001 + 0.02 * self.rng.random()
        return (0.3 if kind < 0.97 else 1.0) * self.rng.random()

    def next_fault(self) -> Fault | None:
        """Begin the next step, and return its fault."""
        self.step += 1
        fault = self.faults.get(self.step)
        if fault:
            self.met.append(fault)
        return fault
