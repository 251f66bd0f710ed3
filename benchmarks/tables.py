"""A benchmark's result: a Markdown table, and the same as JSON."""

import json
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Spread:
    """Measurements of one quantity: their median and middle half."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.values)

    def quantile(self, share: float) -> float:
        """Return the value that *share* of the measurements do not exceed."""
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def __str__(self) -> str:
        low, high = self.quantile(0.25), self.quantile(0.75)
        return f"{number(self.median)} ({number(low)}-{number(high)})"


def ratio(these: Spread, those: Spread) -> Spread:
    """Return the ratios of *these* to *those*, pair by pair: both were measured in turn."""
    return Spread([one / other for one, other in zip(these.values, those.values, strict=True)])


def number(value: float) -> str:
    """Return *value* with its significant digits."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


@dataclass(frozen=True, slots=True)
class Target:
    """A measured figure and its upper bound."""

    name: str
    measured: float
    most: float

    @property
    def is_met(self) -> bool:
        """Return whether the figure is within its bound."""
        return self.measured <= self.most

    def __str__(self) -> str:
        verdict = "met" if self.is_met else f"MISSED by {self.measured / self.most - 1:.0%}"
        if not self.most and not self.is_met:
            verdict = "MISSED"
        return f"{self.name}: {number(self.measured)} (at most {number(self.most)}): {verdict}"


@dataclass
class Table:
    """One benchmark's results."""

    name: str
    title: str
    columns: Sequence[str]
    note: str = ""
    rows: list[Sequence[object]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def add(self, *cells: object) -> None:
        """Add a row."""
        self.rows.append(cells)

    def text(self) -> str:
        """Return the table, as Markdown."""
        shown = [[cell(each) for each in row] for row in (self.columns, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        lines = [line(row, widths) for row in shown]
        rule = line(["-" * width for width in widths], widths)
        return "\n".join([f"## {self.title}", "", lines[0], rule, *lines[1:], *self._after()])

    def _after(self) -> list[str]:
        after = ["", self.note] if self.note else []
        return after + [f"- {target}" for target in self.targets]

    def publish(self) -> None:
        """Print the table, and write it as Markdown and JSON."""
        print(self.text(), end="\n\n", flush=True)
        RESULTS.mkdir(exist_ok=True)
        document = {
            "name": self.name,
            "title": self.title,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": f"{platform.machine()}, Python {platform.python_version()}",
            "rows": [dict(zip(self.columns, map(plain, row), strict=True)) for row in self.rows],
            "targets": [
                {"name": t.name, "measured": t.measured, "most": t.most, "met": t.is_met}
                for t in self.targets
            ],
            **self.facts,
        }
        text = json.dumps(document, indent=1, ensure_ascii=False)
        (RESULTS / f"{self.name}.json").write_text(text + "\n")
        (RESULTS / f"{self.name}.md").write_text(self.text() + "\n")


def cell(value: object) -> str:
    """Return the text of *value* in a table."""
    if isinstance(value, int | float):
        return number(value)
    return str(value)


def plain(value: object) -> object:
    """Return *value* for JSON."""
    if isinstance(value, Spread):
        quarters = [value.quantile(0.25), value.quantile(0.75)]
        return {"median": value.median, "middle half": quarters, "n": len(value.values)}
    return value


def line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return one line of a Markdown table."""
    padded = [text.ljust(width) for text, width in zip(cells, widths, strict=True)]
    return f"| {' | '.join(padded)} |"


def read(name: str) -> Mapping[str, Any]:
    """Return the results of a benchmark that ran before."""
    document: Mapping[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return document
