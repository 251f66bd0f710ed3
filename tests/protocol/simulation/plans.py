"""Plans: the calls, faults, outages and changes of one run.

A plan is a value. Removing a part does not change the other parts, so a plan can be shrunk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Setting:
    """The content of the secret: user, password, host, defaults and options."""

    user: int = 0
    """The index of one of the vendor's two users, or applications."""
    password: str = ""
    host: int = 0
    """The index of one of the vendor's addresses."""
    is_other: bool = False
    """Whether the secret has the second set of defaults."""
    is_pinned: bool = False
    """Whether callers may not choose the organization, or the editor's user."""
    is_shared: bool = True
    """Whether callers share a token: the editor's option ``reuse``."""

    @property
    def credential(self) -> str:
        """The user and password that the vendor receives."""
        return f"{self.user}/{self.password}"


FlowName: TypeAlias = str
Service = Literal["table", "key", "secrets", "function", "upstream"]
FaultKind = Literal[
    "crash",  # the process crashes before the step's effect
    "crash after",  # the process crashes between the effect and its answer
    "freeze",  # the process stops for *seconds*, then continues
    "freeze after",  # the process stops between the effect and its answer
    "refused",  # throttled, or answered with 503: no effect
    "lost",  # the effect happens, the answer is lost
    "late",  # the caller times out; the effect happens *seconds* later
    "twice",  # botocore's retry: the answer is lost, and the same request is sent again
    "slow",  # the effect, or a vendor's answer, takes *seconds*
    "denied",  # a permission is missing, or the key is disabled: no effect
    "page",  # a proxy's page in HTML comes in place of the vendor's answer: no effect
]
ChangeKind = Literal[
    "good secret",  # with a password that the vendor accepts
    "bad secret",  # with a password that the vendor never had
    "new password",  # changed at the vendor only, so the secret is wrong
    "other defaults",
    "other user",  # of the same vendor, with other roles
    "other host",
    "other sharing",  # the editor's option `reuse`
    "other pins",  # callers may no longer choose, or may choose again
    "other role",  # at the vendor the two users swap their roles
    "other lifetime",  # new tokens live longer, or as long as at first
    "revoked",  # the vendor ends all tokens
]
NoticeKind = Literal["trail", "label"]
"""A CloudTrail event for the Secrets Manager call, or ``Secret Label Updated``."""

HARMLESS: frozenset[FaultKind] = frozenset({"twice"})
"""Faults that may only delay a caller."""

ONCE: tuple[FaultKind, ...] = ("refused", "denied", "lost")
"""Faults of one call to AWS without a crash."""

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Visit:
    """One invocation from outside: a caller, an operator or a schedule."""

    name: str
    at: float
    event: Mapping[str, Any]
    rejects: str | None = None
    """The name of the visit whose token this one reports as rejected."""
    is_cold: bool = False
    """Whether a new process serves it."""
    is_bad: bool = False
    """Whether it requests a nonexistent or forbidden variant."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at one step of one invocation."""

    visit: str
    step: int
    kind: FaultKind
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Outage:
    """A period in which a service refuses all requests."""

    service: Service
    begins: float
    ends: float
    is_denied: bool = False
    """Whether the cause is a missing permission or a disabled key."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the secret, or at the vendor."""

    at: float
    kind: ChangeKind
    notices: Sequence["Notice"] = ()
    """The EventBridge events for it: none, a late one, one, or several."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An EventBridge event for a new version of the secret, *after* some seconds."""

    after: float
    kind: NoticeKind = "trail"


@dataclass(frozen=True, slots=True)
class Shift:
    """A step of one process's clock: from then on it is ahead by *offset*."""

    at: float
    process: int
    offset: float


@dataclass(frozen=True, slots=True)
class Plan:
    """All inputs of one run."""

    seed: int
    flow: FlowName
    lifetime: int
    visits: Sequence[Visit]
    offsets: tuple[float, ...] = (0.0,)
    """The seconds by which each process's clock is ahead, in turn."""
    faults: Sequence[Fault] = ()
    outages: Sequence[Outage] = ()
    changes: Sequence[Change] = ()
    modes: Mapping[str, Any] = field(default_factory=dict)
    """The modes of the vendor's fake."""
    shifts: Sequence[Shift] = ()
    setting: Setting = field(default_factory=Setting)
    """The first content of the secret."""
    lag: int | None = None
    """Seconds from an item's `ttl` until the table drops it; None for never."""
    page: int = 1000
    """The number of items in one page of a query."""

    def __post_init__(self) -> None:
        for name in ("visits", "faults", "outages", "changes", "shifts"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def clocks_apart(self) -> float:
        """The maximum difference of two clocks in seconds."""
        offsets = [*self.offsets, *(shift.offset for shift in self.shifts)]
        return max(offsets) - min(offsets)
