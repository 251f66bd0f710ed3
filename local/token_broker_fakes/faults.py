"""Failures of a network, a proxy or an overloaded vendor, and their effect on an answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from token_broker_fakes.clock import FURTHEST_SECONDS
from token_broker_fakes.wire import Answer

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


LAST_STATUS = 599


class FaultError(ValueError):
    """There is no such fault, or no such step. The message lists the valid ones."""


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
        """Raise `FaultError` for invalid values."""
        for name, (is_right, rule) in self._rules().items():
            if not is_right:
                raise FaultError(f"{name} is {rule}; not {getattr(self, name)!r}")

    def _rules(self) -> dict[str, tuple[bool, str]]:
        return {
            "kind": (self.kind in KINDS, f"one of {', '.join(KINDS)}"),
            "step": (self.step is None or isinstance(self.step, str), "a step, a path, or null"),
            "times": (self.times is None or is_whole(self.times, 1), "from 1, or null for always"),
            "seconds": (
                is_number(self.seconds) and 0 <= self.seconds <= FURTHEST_SECONDS,
                "a number from 0, a century at most",
            ),
            "status": (is_whole(self.status, 200) and self.status <= LAST_STATUS, "200 to 599"),
            "headers": (is_of_texts(self.headers), "an object of texts in Latin-1"),
            "body": (is_text(self.body, "utf-8"), "a text"),
        }

    def describe(self) -> dict[str, Any]:
        """Return this fault as JSON has it."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class Faults:
    """The faults that are set, oldest first."""

    def __init__(self, steps: frozenset[str]) -> None:
        self.steps = steps
        self.set: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Add *fault* to those that are set."""
        self.check(fault)
        self.set.append(fault)
        return fault

    def check(self, fault: Fault) -> None:
        """Raise `FaultError` if *fault* is for an unknown step."""
        step = fault.step
        if step is not None and not step.startswith("/") and step not in self.steps:
            known = ", ".join(sorted(self.steps))
            raise FaultError(f"there is no step {step!r}; there are {known}, or a path")

    def clear(self) -> None:
        """Remove all faults."""
        self.set.clear()

    def take(self, step: str, path: str) -> tuple[Fault, ...]:
        """Return the faults for this request, and count it for each of them."""
        if not self.set:
            return ()
        met = tuple(fault for fault in self.set if fault.step in (None, step, path))
        for fault in met:
            if fault.times is not None:
                fault.times -= 1
        self.set = [fault for fault in self.set if fault.times != 0]
        return met


def is_number(value: object) -> bool:
    """Say whether *value* is a number, as JSON has it."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: object, least: int) -> bool:
    """Say whether *value* is a whole number from *least*."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_of_texts(value: object) -> bool:
    """Say whether *value* maps texts to texts that can be sent as headers."""
    return isinstance(value, Mapping) and all(
        is_text(text, "latin-1") for pair in value.items() for text in pair
    )


def is_text(value: object, encoding: str) -> bool:
    """Say whether *value* is a text that *encoding* can write."""
    try:
        str.encode(value, encoding)  # type: ignore[arg-type]  # it raises TypeError for another type
    except (TypeError, UnicodeEncodeError):
        return False
    return True


Sleep = Callable[[float], object]

PAGE = b"<!DOCTYPE html><html><head><title>Service Unavailable</title></head></html>"
FLOOD = b" " * (2 << 20)
NOTHING = Answer(0)


def waits(faults: tuple[Fault, ...], kind: str, sleep: Sleep) -> None:
    """Sleep for the seconds of each fault of *kind*."""
    for fault in faults:
        if fault.kind == kind:
            sleep(fault.seconds)


def instead(fault: Fault) -> Answer:
    """Return the response of *fault* to a request that is not processed."""
    match fault.kind:
        case "html":
            headers = {"Content-Type": "text/html; charset=utf-8", **fault.headers}
            return Answer(fault.status, headers, PAGE, "fault: html")
        case "reset":
            return NOTHING
    return Answer(fault.status, fault.headers, fault.body.encode(), f"fault: {fault.kind}")


def damaged(answer: Answer, fault: Fault, without_token: Callable[[Answer], Answer]) -> Answer:
    """Return the response that *fault* makes of *answer*, to a processed request."""
    match fault.kind:
        case "truncate":
            return replace(answer, content=answer.content[: len(answer.content) // 2])
        case "flood":
            return replace(answer, content=answer.content + FLOOD)
        case "status_after":
            return Answer(fault.status, fault.headers, PAGE, answer.led_to)
        case "no_token":
            return without_token(answer)
    return answer
