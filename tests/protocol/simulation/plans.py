"""What happens in one run, written down before it: who calls when, and what goes wrong.

A plan is a value. Whatever is dropped from it leaves the rest as it was: so it can be shrunk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

FlowName = Literal["vendorlink", "vntana", "editor"]
Service = Literal["table", "key", "secrets", "function", "upstream", "clock"]
FaultKind = Literal[
    "crash",  # dies before the step has any effect
    "crash after",  # dies once it had its effect, before the answer
    "freeze",  # stands still for *seconds*, then goes on as if nothing was
    "freeze after",  # the same, between the effect and its answer
    "refused",  # throttled, or answered with 503: no effect
    "lost",  # has its effect, but the answer is lost
    "late",  # the caller gives up; the effect comes *seconds* later all the same
    "twice",  # botocore's retry: the answer is lost, and the same request is sent again
    "slow",  # the effect, or a vendor's answer, takes *seconds*
]
ChangeKind = Literal["good secret", "bad secret", "new password", "other defaults", "revoked"]

HARMLESS: frozenset[FaultKind] = frozenset({"twice"})
"""What no caller may notice, but by waiting a moment."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One invocation that is asked for from outside."""

    name: str
    at: float
    event: Mapping[str, Any]
    rejects: str | None = None
    """Reports the token that the visit of this name was given."""
    is_cold: bool = False
    """Comes to a process of its own."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong at one step of one invocation."""

    visit: str
    step: int
    kind: FaultKind
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Outage:
    """A service that refuses whoever asks, for a while."""

    service: Service
    begins: float
    ends: float


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody does to the secret, or at the vendor's."""

    at: float
    kind: ChangeKind
    events: tuple[float, ...] = ()
    """After how many seconds EventBridge tells of it: never, once, or twice."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is decided beforehand."""

    seed: int
    flow: FlowName
    lifetime: int
    visits: tuple[Visit, ...]
    offsets: tuple[float, ...] = (0.0,)
    """By how much each process's clock is ahead, in turn."""
    faults: tuple[Fault, ...] = ()
    outages: tuple[Outage, ...] = ()
    changes: tuple[Change, ...] = ()
    modes: Mapping[str, Any] = field(default_factory=dict)
    """How the vendor behaves."""

    @property
    def is_calm(self) -> bool:
        """Say whether nothing in this plan excuses an error."""
        is_harmless = all(fault.kind in HARMLESS for fault in self.faults)
        return is_harmless and not self.outages and not self.changes
