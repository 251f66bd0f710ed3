"""Ways in which a network, a proxy or an overloaded vendor fails, whatever its rules are."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

Kind = Literal[
    "delay",  # waits *seconds*, then processes
    "late",  # processes, then waits *seconds* before it answers
    "status",  # answers *status* without processing
    "status_after",  # processes, yet answers *status*
    "html",  # answers *status* with a proxy's HTML page, without processing
    "answer",  # answers *status*, *headers* and *body*, without processing
    "reset",  # breaks the connection before processing
    "drop",  # processes, then closes the connection without an answer
    "cut",  # processes, then closes the connection amid the body
    "truncate",  # processes, and answers half of the body as if it were all
    "no_token",  # processes, and leaves the token out of the answer
    "flood",  # processes, and pads the body beyond 2 MiB
    "drip",  # processes, and sends a byte each *seconds*
]
KINDS: tuple[str, ...] = get_args(Kind)
UNPROCESSED = frozenset({"status", "html", "answer", "reset"})
LOST = frozenset({"drop", "cut", "reset"})


class FaultError(ValueError):
    """There is no such fault, or no such step. The message lists what there is."""


@dataclass(slots=True)
class Fault:
    """One way to fail, for the next *times* requests of *step* (None: always, any step)."""

    kind: Kind
    step: str | None = None
    """An endpoint's name, as in the log, or a path that begins with ``/``."""
    times: int | None = 1
    seconds: float = 0.0
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def __post_init__(self) -> None:
        """Refuse a fault that could never happen."""
        if self.kind not in KINDS:
            raise FaultError(f"there is no fault {self.kind!r}; there are {', '.join(KINDS)}")
        if self.times is not None and (type(self.times) is not int or self.times < 1):
            raise FaultError(f"times is a whole number from 1, or null for always: {self.times!r}")
        if not isinstance(self.seconds, int | float) or self.seconds < 0:
            raise FaultError(f"seconds is a number from 0: {self.seconds!r}")
        if type(self.status) is not int or not 100 <= self.status <= 599:  # noqa: PLR2004 (HTTP)
            raise FaultError(f"status is an HTTP status: {self.status!r}")

    def describe(self) -> dict[str, Any]:
        """Return this fault as JSON has it."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class Faults:
    """The faults that are set, in the order in which they were."""

    def __init__(self, steps: frozenset[str]) -> None:
        self.steps = steps
        self.set: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Set *fault*, besides those that are set already."""
        self.check(fault)
        self.set.append(fault)
        return fault

    def check(self, fault: Fault) -> None:
        """Raise `FaultError` where no request could ever meet *fault*."""
        step = fault.step
        if step is not None and not step.startswith("/") and step not in self.steps:
            known = ", ".join(sorted(self.steps))
            raise FaultError(f"there is no step {step!r}; there are {known}, or a path")

    def clear(self) -> None:
        """Set no fault any more."""
        self.set.clear()

    def take(self, step: str, path: str) -> tuple[Fault, ...]:
        """Return the faults that this request meets, and count it against them."""
        if not self.set:
            return ()
        met = tuple(fault for fault in self.set if fault.step in (None, step, path))
        for fault in met:
            if fault.times is not None:
                fault.times -= 1
        self.set = [fault for fault in self.set if fault.times != 0]
        return met
