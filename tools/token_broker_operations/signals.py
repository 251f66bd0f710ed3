"""The alarm of each error code, and the service level objectives.

The thresholds are failures in a period over all flows. A failure of the broker, or one that needs
an action, alarms at once; a temporary one by callers or upstreams only above a number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from token_broker.errors import BrokerError

PERIOD = 300
"""Seconds over which failures are counted."""

PROMPT = 60
"""The same for failures that roll a deployment back, as a canary takes five minutes."""

AT_ONCE = 0
"""The first failure alarms."""

Whose: TypeAlias = Literal["ours", "load", "secret", "vendor", "caller"]
"""Who is responsible for a failure. The service level excludes those of callers."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A code's alarm: more than *above* failures in each of *periods* times `period` seconds."""

    code: str
    whose: Whose
    meaning: str
    above: int = AT_ONCE
    periods: int = 1
    is_budgeted: bool = False
    """Whether it alarms only by the burn rate of the error budget: it is temporary, and the number
    of failures depends on the number of calls."""

    @property
    def guards(self) -> bool:
        """Whether the alarm rolls a deployment back: the new version may have caused it."""
        return self.whose == "ours"

    @property
    def period(self) -> int:
        """Seconds over which failures are counted."""
        return PROMPT if self.guards else PERIOD

    @property
    def name(self) -> str:
        """The code as part of a resource's name."""
        return "".join(word.capitalize() for word in self.code.split("_"))


SIGNALS = (
    Signal(
        "internal", "ours", "A defect of the broker's. A deployment that meets it is taken back."
    ),
    Signal(
        "store_unavailable",
        "ours",
        "The table or its key does not answer, or may not be used.",
        above=3,
    ),
    Signal(
        "not_configured", "secret", "A secret, or the environment, is wrong. The log names the key."
    ),
    Signal("credential_rejected", "secret", "A vendor refused a connection's credentials."),
    Signal(
        "credential_latched",
        "secret",
        "Callers ask for a connection whose credentials were refused.",
    ),
    Signal(
        "upstream_refused",
        "vendor",
        "A vendor refuses, but not for the credentials: its code says why.",
        above=3,
    ),
    Signal("upstream_contract_changed", "vendor", "A vendor answers other than documented."),
    Signal(
        "upstream_unavailable",
        "vendor",
        "A vendor does not answer, and no old token lives.",
        is_budgeted=True,
    ),
    Signal(
        "refresh_in_progress",
        "load",
        "Callers wait in vain for somebody else's exchange.",
        is_budgeted=True,
    ),
    Signal(
        "too_many_requests", "caller", "A caller forces or rejects tokens again and again.", 20, 3
    ),
    Signal("connection_held", "caller", "Callers ask for a connection that is held.", 100, 3),
    Signal(
        "unknown_connection", "caller", "A caller asks for a connection that has no secret.", 20, 3
    ),
    Signal("invalid_request", "caller", "A caller sends requests that are wrong.", 100, 3),
)

WINDOW_DAYS = 30
"""Over which an objective is to be met."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A service level objective: the share of good calls, and the metrics of bad and all calls.

    With *is_beside*, calls counted by *bad* are not included in *counted*.
    """

    name: str
    promised: float
    bad: str
    counted: str
    is_beside: bool
    meaning: str

    @property
    def budget(self) -> float:
        """The share of calls that may be bad."""
        return round(1 - self.promised, 6)


@dataclass(frozen=True, slots=True)
class Burn:
    """A burn rate that alarms: *rate* times the one that spends the budget in the whole window.

    The long window shows that it is significant, the short one that it continues.
    https://sre.google/workbook/alerting-on-slos/
    """

    name: str
    rate: float
    long_seconds: int
    short_seconds: int

    @property
    def spent(self) -> float:
        """The share of the budget that is spent in the long window."""
        return self.rate * self.long_seconds / (WINDOW_DAYS * 86_400)


OBJECTIVES: Sequence[Objective] = (
    Objective("answered", 0.999, "Unanswered", "HandOut", True, "Calls for a token get none"),
    Objective("prompt", 0.99, "Slow", "HandOut", False, "Kept tokens take 100 ms and more"),
)

BURNS: Sequence[Burn] = (
    Burn("fast", 14.4, 3_600, 300),
    Burn("slow", 6, 21_600, 1_800),
)

LEAST_BAD = 3
"""The fewest bad calls in the long window that alarm: one of ten calls is no trend."""


def codes() -> set[str]:
    """Return the code of every error that can be raised."""
    return {error.code for error in leaves(BrokerError)}


def leaves(error: type[BrokerError]) -> Iterator[type[BrokerError]]:
    """Yield the errors below *error* that have none below them."""
    below = error.__subclasses__()
    if not below:
        yield error
    for each in below:
        yield from leaves(each)
