"""A line of CloudWatch's embedded metric format, letter for letter as Powertools writes it.

Loading Powertools takes a fifth of a function's start, and a hit needs of it just this.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

SERVICE = "POWERTOOLS_SERVICE_NAME"
"""The variable with the name that every metric has as its dimension ``service``."""

_NAMESPACE = "POWERTOOLS_METRICS_NAMESPACE"
_OTHERS = ("POWERTOOLS_METRICS_DISABLED", "POWERTOOLS_DEV")
"""Settings under which Powertools itself has to write, or not to."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Line:
    """The part of Powertools' `EphemeralMetrics` that a hit, or a failure, uses."""

    def __init__(self, namespace: str, service: str) -> None:
        self._namespace = namespace
        self._service = service
        self._dimensions: dict[str, str] = {}
        self._further: list[dict[str, str]] = []
        self._metrics: dict[str, tuple[str, float]] = {}
        self._metadata: dict[str, Any] = {}

    def add_dimension(self, name: str, value: str) -> None:
        """Tell the metrics of this line from others by *name*."""
        self._dimensions[name] = value

    def add_dimensions(self, **dimensions: str) -> None:
        """Count the metrics of this line a second time, under these dimensions alone."""
        self._further.append(dimensions)

    def add_metric(self, name: str, unit: str, value: float) -> None:
        """Count *value* under *name*."""
        self._metrics[name] = unit, float(value)

    def add_metadata(self, key: str, value: Any) -> None:
        """Say something that is not counted."""
        self._metadata[key] = value

    def flush_metrics(self) -> None:
        """Write the line."""
        print(self.text(int(time.time() * 1000)))  # noqa: T201 (it is how metrics are handed in)

    def text(self, milliseconds: int) -> str:
        """Return the line as of *milliseconds* since the epoch."""
        dimensions = self._dimensions | {"service": self._service}
        counted = {
            "Namespace": self._namespace,
            "Dimensions": [list(dimensions), *map(list, self._further)],
            "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in self._metrics.items()],
        }
        for more in self._further:
            dimensions |= more
        return _encode(
            {
                "_aws": {"Timestamp": milliseconds, "CloudWatchMetrics": [counted]},
                **dimensions,
                **self._metadata,
                **{name: [value] for name, (_, value) in self._metrics.items()},
            }
        )


def line(environ: Mapping[str, str]) -> Line | None:
    """Return a line to fill; None where *environ* asks Powertools for more than the plain one."""
    namespace, service = environ.get(_NAMESPACE), environ.get(SERVICE)
    is_plain = namespace and service and not any(environ.get(name) for name in _OTHERS)
    return Line(namespace, service) if is_plain and namespace and service else None
