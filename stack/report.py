"""The checks of the scenario and their results."""

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

OK = "ok"
SKIPPED = "skipped"
FAILED = "FAILED"


class Mismatch(Exception):
    """The actual result is not the expected one."""


@dataclass
class Check:
    """One check, and its results."""

    subject: str
    name: str
    results: list[str] = field(default_factory=list)
    status: str = OK
    seconds: float = 0.0

    def note(self, result: object) -> None:
        """Record *result*, whatever it is."""
        self.results.append(str(result))

    def equals(self, actual: object, expected: object) -> None:
        """Record *actual*, and raise `Mismatch` if it differs from *expected*."""
        self.note(actual)
        if actual != expected:
            raise Mismatch(f"expected {expected}")

    def differs(self, actual: object, unwanted: object) -> None:
        """Record *actual*, and raise `Mismatch` if it equals *unwanted*."""
        self.note(actual)
        if actual == unwanted:
            raise Mismatch("expected another result")

    def skip(self, reason: str) -> None:
        """Record that this cannot be shown here, and the *reason*."""
        self.status = SKIPPED
        self.note(reason)


class Report:
    """The checks of a run, each with its subject."""

    def __init__(self) -> None:
        self.checks: list[Check] = []
        self.subject = ""
        self.began = time.monotonic()

    @contextmanager
    def section(self, subject: str) -> Iterator[None]:
        """Set the subject during the context; an exception in it becomes a failed check."""
        self.subject = subject
        sys.stderr.write(f"  {subject}\n")
        try:
            yield
        except Exception:  # noqa: BLE001 (the next subject follows)
            lines = traceback.format_exc().splitlines()
            self.checks.append(Check(subject, "aborted", lines, FAILED))

    @contextmanager
    def check(self, name: str) -> Iterator[Check]:
        """Add a check; an exception in its context fails this check only."""
        check = Check(self.subject, name)
        self.checks.append(check)
        began = time.monotonic()
        try:
            yield check
        except Exception as error:  # noqa: BLE001 (the check records it)
            check.status = FAILED
            check.note(f"{type(error).__name__}: {error}"[:300])
        check.seconds = time.monotonic() - began

    @property
    def failed(self) -> list[Check]:
        """The failed checks."""
        return [check for check in self.checks if check.status == FAILED]

    def lines(self) -> Iterator[str]:
        """Yield the report, line by line."""
        width = max((len(check.name) for check in self.checks), default=0)
        subject = ""
        for check in self.checks:
            if check.subject != subject:
                subject = check.subject
                yield f"\n{subject}"
            results = ", ".join(check.results)
            yield f"  {check.status:7}  {check.name:{width}}  {check.seconds:5.1f} s  {results}"
        counts = ", ".join(f"{self.count(status)} {status}" for status in (OK, SKIPPED, FAILED))
        yield f"\n{counts}, {time.monotonic() - self.began:.0f} s"

    def count(self, status: str) -> int:
        """Return how many checks have a *status*."""
        return sum(check.status == status for check in self.checks)
