"""The results of the calls, a row for each."""

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

OK = "ok"
UNSEEN = "unseen"
FAILED = "FAILED"


class Unexpected(Exception):
    """The observed result is not the expected one."""


@dataclass
class Row:
    """One call or check, and its result."""

    subject: str
    name: str
    seen: list[str] = field(default_factory=list)
    verdict: str = OK
    seconds: float = 0.0

    def sees(self, seen: object, expected: object) -> None:
        """Record *seen*, and raise `Unexpected` if it differs from *expected*."""
        self.seen.append(str(seen))
        if seen != expected:
            raise Unexpected(f"expected {expected}")

    def sees_other(self, seen: object, usual: object) -> None:
        """Record *seen*, and raise `Unexpected` if it equals *usual*."""
        self.seen.append(str(seen))
        if seen == usual:
            raise Unexpected("expected another outcome")

    def is_unseen(self, why: str) -> None:
        """Record that the emulator cannot show this, and why."""
        self.verdict = UNSEEN
        self.seen.append(why)


class Table:
    """Rows, each with the current subject."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.subject = ""
        self.began = time.monotonic()

    @contextmanager
    def about(self, subject: str) -> Iterator[None]:
        """Set the subject during the context; an exception in it becomes a row."""
        self.subject = subject
        sys.stderr.write(f"  {subject}\n")
        try:
            yield
        except Exception:  # noqa: BLE001 (the next subject follows)
            self.rows.append(Row(subject, "cut short", traceback.format_exc().splitlines(), FAILED))

    @contextmanager
    def row(self, name: str) -> Iterator[Row]:
        """Add a row; an exception in its context fails the row only."""
        row = Row(self.subject, name)
        self.rows.append(row)
        began = time.monotonic()
        try:
            yield row
        except Exception as error:  # noqa: BLE001 (the row records it)
            row.verdict = FAILED
            row.seen.append(f"{type(error).__name__}: {error}"[:300])
        row.seconds = time.monotonic() - began

    @property
    def failed(self) -> list[Row]:
        """The failed rows."""
        return [row for row in self.rows if row.verdict == FAILED]

    def lines(self) -> Iterator[str]:
        """Yield the table, line by line."""
        width = max((len(row.name) for row in self.rows), default=0)
        subject = ""
        for row in self.rows:
            if row.subject != subject:
                subject = row.subject
                yield f"\n{subject}"
            seen = ", ".join(row.seen)
            yield f"  {row.verdict:6}  {row.name:{width}}  {row.seconds:5.1f} s  {seen}"
        counts = {verdict: self.count(verdict) for verdict in (OK, UNSEEN, FAILED)}
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        yield f"\n{told}, {time.monotonic() - self.began:.0f} s"

    def count(self, verdict: str) -> int:
        """Return how many rows have a *verdict*."""
        return sum(row.verdict == verdict for row in self.rows)
