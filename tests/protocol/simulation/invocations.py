"""One invocation while it runs, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.protocol.simulation.plans import HARMLESS, Fault, FaultKind, Service
from token_broker.exchange import Request

EXCUSES: frozenset[FaultKind] = frozenset(
    {"crash", "crash after", "refused", "lost", "late", "denied", "page"}
)
LOSING: frozenset[FaultKind] = frozenset({"lost", "late", "twice"})
"""What makes a caller ask whether its write was done."""

TIMEOUT = 20.0
"""Seconds after which the platform ends an invocation, dead or alive."""


@dataclass(slots=True, eq=False)
class Sent:
    """One request to a vendor: when it travelled, and what it was about."""

    request: Request
    key: str | None
    """The variant whose token it makes."""
    credential: str | None
    """What it tries to log in with, as `Setting.credential` has it."""
    bearer: str | None = None
    """The token that it is sent with."""
    seconds: float = 0.0
    """For how long its answer is waited for."""
    sent_at: float = 0.0
    processed_at: float | None = None
    ended_at: float | None = None
    """When its answer came, or that there is none was known."""
    is_answered: bool = False
    is_down: bool = False
    """Whether the answer was that the vendor is down: after an extension, a login follows."""
    is_unclear: bool = False
    """What came back was a proxy's page."""


@dataclass(slots=True, eq=False)
class Invocation:
    """An invocation: who it is, until when it may run, and what it did."""

    name: str
    event: Mapping[str, Any]
    container: str
    begun: float
    offset: float
    """Seconds by which its clock is ahead."""
    rng: Random
    faults: Mapping[int, Fault]
    is_bad: bool = False
    """It asks for what there is not."""
    depth: int = 0
    """How many invocations of the function by itself led to it."""
    tries: int = 0
    """How often the platform had invoked it before."""
    step: int = 0
    ended: float | None = None
    end: str = ""
    """``answered``, ``failed``, ``crashed`` or ``timed out``."""
    answer: Mapping[str, Any] = field(default_factory=dict)
    """What was answered, or the problem."""
    was_dead: bool = False
    """The vendor had ended the token of its answer, at that moment."""
    was_begun: bool = False
    """Somebody's lease of that variant had not been ended."""
    met: list[Fault] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    slept: float = 0.0
    stood: float = 0.0
    """Seconds that it was frozen, or waited for what did not answer."""
    heard_at: float = 0.0
    """When the last answer of any service came."""
    knew_at: float = 0.0
    """When the last answer came that told it of a token: it decides by its clock then."""
    refused_by: set[Service] = field(default_factory=set)
    """Services that were down when it asked them."""
    was_denied: bool = False
    """One of them was out for want of a permission."""
    is_hurt_upstream: bool = False
    """What went wrong for it was, at least once, an answer of the vendor's."""
    is_claiming: bool = False
    """It has decided what to hand out, and starts a renewal."""
    read: list[str] = field(default_factory=list)
    """Versions of the secret that it read."""
    listed: str | None = None
    """The token by which it last had organizations listed."""
    offsets: list[float] = field(default_factory=list)
    """Where its clock stepped to meanwhile."""
    refused: str | None = None
    """Fingerprint of the token that a check was refused with."""
    first_seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The generation of each variant that it read, as of its first look, and that one's step."""
    owners: int = 0
    children: int = 0
    had_until: float = 0.0
    """How many seconds the longest of the kept tokens still lived when it began."""
    had_live: str = ""
    """Fingerprint of what was there for it when it began, and would do."""

    @property
    def deadline(self) -> float:
        """When the platform ends it."""
        return self.begun + TIMEOUT

    @property
    def action(self) -> str:
        """What it is to do."""
        return str(self.event.get("action", "rotate" if "detail" in self.event else "token"))

    @property
    def rejected(self) -> str | None:
        """Fingerprint of the token that it reports."""
        rejected: str | None = self.event.get("rejected", self.refused)
        return rejected

    @property
    def is_asynchronous(self) -> bool:
        """Say whether no caller waits for it: then the platform repeats what fails."""
        return "detail" in self.event or self.depth > 0

    @property
    def is_dead(self) -> bool:
        """Say whether it was killed amid its work."""
        return self.end in ("crashed", "timed out")

    @property
    def is_excused(self) -> bool:
        """Say whether something may have kept it from keeping what it earned."""
        is_hurt = any(fault.kind in EXCUSES for fault in self.met)
        return self.is_dead or bool(self.refused_by) or is_hurt

    @property
    def is_hindered(self) -> bool:
        """Say whether anything went wrong for it that it may notice."""
        is_hurt = any(fault.kind not in HARMLESS for fault in self.met) or bool(self.offsets)
        return self.is_dead or bool(self.refused_by) or is_hurt

    @property
    def is_denied(self) -> bool:
        """Say whether it met what it has no permission for."""
        return self.was_denied or any(fault.kind == "denied" for fault in self.met)

    @property
    def is_plain(self) -> bool:
        """Say whether it wants whatever token there is."""
        wants = self.event.keys() & {"force", "rejected", "min_ttl"}
        return self.action == "token" and not wants

    def saw(self, key: str, generation: int) -> None:
        """Remember what its first look at a variant showed; of a read sent twice, the answer."""
        _, step = self.first_seen.get(key, (generation, self.step))
        if step == self.step:
            self.first_seen[key] = generation, step

    def has_lost(self, since: int) -> bool:
        """Say whether the answer of a call to AWS was lost after a step."""
        return any(fault.step > since and fault.kind in LOSING for fault in self.met)

    def latency(self) -> float:
        """Return how long a message takes: most are quick."""
        kind = self.rng.random()
        if kind < 0.85:
            return 0.001 + 0.02 * self.rng.random()
        return (0.3 if kind < 0.97 else 1.0) * self.rng.random()

    def next_fault(self) -> Fault | None:
        """Begin the next step, and return what goes wrong in it."""
        self.step += 1
        fault = self.faults.get(self.step)
        if fault:
            self.met.append(fault)
        return fault
