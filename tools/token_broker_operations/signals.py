"""When a failure is worth an alarm: one signal for each code, and none without a code.

The thresholds are failures in a period over all flows. A failure that is ours or that somebody
must act on alarms at once; one that callers or upstreams cause and that passes, only in numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from token_broker.errors import BrokerError

PERIOD = 300
"""Seconds over which failures are counted."""

PROMPT = 60
"""The same, for failures that take a deployment back: a canary is over in five minutes."""

AT_ONCE = 0
"""The first failure alarms."""

Whose: TypeAlias = Literal["ours", "load", "secret", "vendor", "caller"]
"""At whose door a failure lies. The service level counts what is ours, and load."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A code's alarm: more than *above* failures in each of *periods* times *period* seconds."""

    code: str
    whose: Whose
    above: int
    periods: int
    meaning: str
    period: int = PERIOD

    @property
    def guards(self) -> bool:
        """Whether the alarm takes a deployment back: a version can be at fault for it."""
        return self.whose == "ours"

    @property
    def name(self) -> str:
        """The code as part of a resource's name."""
        return "".join(word.capitalize() for word in self.code.split("_"))


SIGNALS = (
    Signal(
        "internal",
        "ours",
        AT_ONCE,
        1,
        "A defect of the broker's. A deployment that meets it is taken back.",
        PROMPT,
    ),
    Signal(
        "store_unavailable",
        "ours",
        3,
        1,
        "The table or its key does not answer, or may not be used.",
        PROMPT,
    ),
    Signal(
        "not_configured",
        "secret",
        AT_ONCE,
        1,
        "A secret, or the environment, is wrong. The log names the key.",
    ),
    Signal(
        "credential_rejected", "secret", AT_ONCE, 1, "A vendor refused a connection's credentials."
    ),
    Signal(
        "credential_latched",
        "secret",
        AT_ONCE,
        1,
        "Callers ask for a connection whose credentials were refused.",
    ),
    Signal(
        "upstream_refused",
        "vendor",
        3,
        1,
        "A vendor refuses, but not for the credentials: its code says why.",
    ),
    Signal(
        "upstream_contract_changed", "vendor", AT_ONCE, 1, "A vendor answers other than documented."
    ),
    Signal(
        "upstream_unavailable", "vendor", 10, 3, "A vendor does not answer, and no old token lives."
    ),
    Signal(
        "refresh_in_progress", "load", 20, 3, "Callers wait in vain for somebody else's exchange."
    ),
    Signal(
        "too_many_requests", "caller", 20, 3, "A caller forces or rejects tokens again and again."
    ),
    Signal("connection_held", "caller", 100, 3, "Callers ask for a connection that is held."),
    Signal(
        "unknown_connection", "caller", 20, 3, "A caller asks for a connection that has no secret."
    ),
    Signal("invalid_request", "caller", 100, 3, "A caller sends requests that are wrong."),
)


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
