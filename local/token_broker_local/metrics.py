"""The functions' metrics over the last ten minutes, in bounded memory.

A metric's values are stored as histograms, as in CloudWatch: counts of values that are rounded to
a few percent, for every ten seconds. So percentiles over several series can be computed.
"""

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from token_broker_local.log_capture import members_of
from token_broker_operations.dashboard import Chart

SECONDS = 10
"""The seconds of one point in a chart."""

POINTS = 60
"""Points that are kept: ten minutes."""

MAX_SERIES = 200
OTHERS = "others"
"""The name of every series after the first `MAX_SERIES`."""

STEP = 1.05
"""The ratio of two adjacent buckets of a histogram."""

SMALLEST = 0.01
"""Values up to this count as zero."""

COMMON = {"flow", "service"}
"""Dimensions that every metric has."""

Key: TypeAlias = tuple[str, str, str]
"""Metric, flow, and the value of the metric's own dimension; without one, the flow again."""


@dataclass(slots=True)
class Tally:
    """The values of one metric in the interval with the number *index*."""

    index: int
    total: float = 0.0
    highest: float = 0.0
    bins: Counter[int] = field(default_factory=Counter)

    def add(self, value: float) -> None:
        """Count *value*."""
        self.total += value
        self.highest = max(self.highest, value)
        self.bins[math.floor(math.log(max(value, SMALLEST), STEP))] += 1


class Metrics:
    """Reads the functions' lines, and returns the series of each chart."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._tallies: dict[Key, deque[Tally]] = {}
        self._lock = threading.Lock()

    def record(self, output: str) -> None:
        """Read the output of a function in one call."""
        index = self._index()
        with self._lock:
            for key, value in samples(output):
                self._tally(key, index).add(value)

    def series_of(self, chart: Chart, flow: str | None = None) -> list[Mapping[str, Any]]:
        """Return the series of *chart*: of all flows together, or of *flow*."""
        first = self._index() - POINTS + 1
        with self._lock:
            found = sorted(self._by_name(chart.metric, flow, first).items())
            return [series(name, chart.statistics, tallies, first) for name, tallies in found]

    def _index(self) -> int:
        return int(self._clock() // SECONDS)

    def _tally(self, key: Key, index: int) -> Tally:
        """Return the tally for *key*; beyond `MAX_SERIES`, that of `OTHERS`."""
        if key not in self._tallies and len(self._tallies) >= MAX_SERIES:
            key = (key[0], OTHERS, OTHERS)
        kept = self._tallies.setdefault(key, deque(maxlen=POINTS))
        if not kept or kept[-1].index < index:
            kept.append(Tally(index))
        return kept[-1]

    def _by_name(self, metric: str, flow: str | None, first: int) -> dict[str, list[Tally]]:
        found: dict[str, list[Tally]] = {}
        for (its_metric, its_flow, name), kept in self._tallies.items():
            current = [tally for tally in kept if tally.index >= first]
            if current and its_metric == metric and flow in (None, its_flow):
                found.setdefault(name, []).extend(current)
        return found


def samples(output: str) -> Iterator[tuple[Key, float]]:
    """Yield the keys and values in a function's output. Lines without metrics are skipped."""
    for members in members_of(output):
        with suppress(ValueError, TypeError, LookupError, AttributeError):
            directives = members["_aws"]["CloudWatchMetrics"]
            yield from (sample for each in directives for sample in measured(each, members))


def measured(
    directive: Mapping[str, Any], members: Mapping[str, Any]
) -> Iterator[tuple[Key, float]]:
    """Yield the values that *directive* finds among the *members* of its line."""
    flow = str(members["flow"])
    # Further sets of dimensions count the same values over all flows.
    dimensions, *_ = directive["Dimensions"]
    own = [str(members[name]) for name in dimensions if name not in COMMON]
    for metric in directive["Metrics"]:
        values = members[metric["Name"]]
        for value in values if isinstance(values, list) else [values]:
            if math.isfinite(value):
                yield (str(metric["Name"]), flow, " ".join(own) or flow), float(value)


def series(
    name: str, statistics: Sequence[str], tallies: Iterable[Tally], first: int
) -> Mapping[str, Any]:
    """Return each of *statistics*, over all and for each point from the one numbered *first*."""
    points: list[list[Tally]] = [[] for _ in range(POINTS)]
    for tally in tallies:
        points[min(tally.index - first, POINTS - 1)].append(tally)
    everything = [tally for point in points for tally in point]
    return {
        "name": name,
        "all": {each: statistic(each, everything) for each in statistics},
        "points": {each: [statistic(each, point) for point in points] for each in statistics},
    }


def statistic(name: str, tallies: Sequence[Tally]) -> float | None:
    """Return the statistic that CloudWatch calls *name*; None without values."""
    if not tallies:
        return None
    highest = max(tally.highest for tally in tallies)
    match name:
        case "Sum":
            return round(sum(tally.total for tally in tallies), 3)
        case "Maximum":
            return highest
    share = float(name.removeprefix("p")) / 100
    return percentile(sum((tally.bins for tally in tallies), Counter()), share, highest)


def percentile(bins: Mapping[int, int], share: float, highest: float) -> float:
    """Return the value that *share* of all values do not exceed."""
    rank = max(1, math.ceil(share * sum(bins.values())))
    for position in sorted(bins):
        rank -= bins[position]
        if rank <= 0:
            break
    return round(min(math.pow(STEP, position + 0.5), highest), 2)
