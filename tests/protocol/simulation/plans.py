"""What happens in one run, written down before it: who calls when, and what goes wrong.

A plan is a value. Whatever is dropped from it leaves the rest as it was: so it can be shrunk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Setting:
    """Who logs in, with what, where, and what callers get who name nothing."""

    user: int = 0
    """Which of a vendor's two users, or applications."""
    password: str = ""
    host: int = 0
    """The vendor's address: each number stands for one of its own."""
    is_other: bool = False
    """Whether it has other defaults."""
    is_pinned: bool = False
    """Whether callers may not choose the organization, or the editor's user."""
    is_shared: bool = True
    """Whether callers share a token: the editor's option ``reuse``."""

    @property
    def credential(self) -> str:
        """What the vendor sees of it."""
        return f"{self.user}/{self.password}"


FlowName: TypeAlias = str
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
    "denied",  # a permission is missing, or the key is disabled: no effect
    "page",  # a proxy's page in HTML comes in place of the vendor's answer: no effect
]
ChangeKind = Literal[
    "good secret",  # with what the vendor accepts
    "bad secret",  # with a password that the vendor never had
    "new password",  # at the vendor only: the secret is wrong from then on
    "other defaults",
    "other user",  # of the same vendor, with other roles
    "other host",
    "other sharing",  # the editor's option `reuse`
    "other pins",  # callers may not choose any more, or may again
    "other role",  # a promotion or a demotion at the vendor's: both users change places
    "other lifetime",  # the vendor's new tokens live longer, or as long as before
    "revoked",  # the vendor ends all tokens
]
NoticeKind = Literal["trail", "label"]
"""Secrets Manager's call as CloudTrail tells of it, or its own ``Secret Label Updated``."""

HARMLESS: frozenset[FaultKind] = frozenset({"twice"})
"""What no caller may notice, but by waiting a moment."""

ONCE: tuple[FaultKind, ...] = ("refused", "denied", "lost")
"""What may become of one call to AWS, with no process that dies."""

DAY = 86_400


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
    is_bad: bool = False
    """Asks for what is not there, or may not be."""


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
    is_denied: bool = False
    """It refuses for want of a permission, or as the key is disabled."""


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody does to the secret, or at the vendor's."""

    at: float
    kind: ChangeKind
    notices: tuple["Notice", ...] = ()
    """When EventBridge tells of it: never, late, once, or several times."""


@dataclass(frozen=True, slots=True)
class Notice:
    """An event that tells of a new version of the secret, *after* some seconds."""

    after: float
    kind: NoticeKind = "trail"


@dataclass(frozen=True, slots=True)
class Shift:
    """The clock of one process steps at a moment: from then on it is ahead by *offset*."""

    at: float
    process: int
    offset: float


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
    shifts: tuple[Shift, ...] = ()
    setting: Setting = field(default_factory=Setting)
    """What the secret says at first."""
    lag: int | None = None
    """Seconds after an item's `ttl` at which the table drops it; None: never."""
    page: int = 1000
    """Items that one answer to a query holds."""
