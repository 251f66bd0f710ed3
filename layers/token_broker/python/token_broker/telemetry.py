"""The log: one line for each event, which is also a metric if the event is counted.

The lines have CloudWatch's embedded metric format, so the audit line of a hand-out is also its
metrics. No line has a secret, a token or a header.
"""

import json
import logging
import os
import time
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

SERVICE = "POWERTOOLS_SERVICE_NAME"
"""The variable with the name that every metric has as its dimension ``service``."""

_NAMESPACE = "POWERTOOLS_METRICS_NAMESPACE"
_OTHERS = ("POWERTOOLS_METRICS_DISABLED", "POWERTOOLS_DEV")
"""Settings that only Powertools itself handles."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Line:
    """The part of Powertools' `EphemeralMetrics` that is used. See docs/decisions."""

    def __init__(self, namespace: str, service: str) -> None:
        self._namespace = namespace
        self._service = service
        self._dimensions: dict[str, str] = {}
        self._further: list[dict[str, str]] = []
        self._metrics: dict[str, tuple[str, float]] = {}
        self._metadata: dict[str, Any] = {}

    def add_dimension(self, name: str, value: str) -> None:
        """Give the metrics of this line the dimension *name*."""
        self._dimensions[name] = value

    def add_dimensions(self, **dimensions: str) -> None:
        """Count the metrics of this line a second time, under these dimensions alone."""
        self._further.append(dimensions)

    def add_metric(self, name: str, unit: str, value: float) -> None:
        """Count *value* under *name*."""
        self._metrics[name] = unit, float(value)

    def add_metadata(self, key: str, value: Any) -> None:
        """Add a fact that is not counted."""
        self._metadata[key] = value

    def flush_metrics(self) -> None:
        """Write the line."""
        print(unlike_a_crash(self.text(int(time.time() * 1000))))  # noqa: T201 (CloudWatch takes metrics from stdout)

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


def plain_line(environ: Mapping[str, str]) -> Line | None:
    """Return a line to fill; None where *environ* asks Powertools for more than the plain one."""
    namespace, service = environ.get(_NAMESPACE), environ.get(SERVICE)
    needs_more = any(environ.get(name) for name in _OTHERS)
    return Line(namespace, service) if namespace and service and not needs_more else None


def unlike_a_crash(text: str) -> str:
    """Return *text*, which is JSON, with the same meaning and without Lambda's words for a crash.

    The alarm `crash` looks for these in every line of the log, and rolls a deployment back. A
    caller, an operator or a vendor may use them, too.
    """
    return text.replace("Runtime.", "Runtime\\u002e").replace("timed out", "timed\\u0020out")


Unit = Literal["Count", "Milliseconds", "Seconds"]


class Measure(NamedTuple):
    """How an event is counted: its metrics, each with the fact that is its value, by dimensions.

    *totals* are the dimensions under which it is counted once more over all flows, for alarms.
    """

    metrics: Mapping[str, tuple[Unit, str | None]]
    dimensions: tuple[str, ...] = ()
    totals: tuple[str, ...] | None = None


COUNT: Unit = "Count"
MS: Unit = "Milliseconds"
SECONDS: Unit = "Seconds"

MEASURES: Mapping[str, Measure] = {
    "hand-out": Measure(
        {
            "HandOut": (COUNT, None),
            "Duration": (MS, "milliseconds"),
            "TokenAge": (SECONDS, "token_age"),
            "Stale": (COUNT, "stale"),
            "Slow": (COUNT, "slow"),
        },
        ("source",),
        totals=(),
    ),
    "failure": Measure({"Failure": (COUNT, None)}, ("code",), totals=("code",)),
    "unanswered": Measure({"Unanswered": (COUNT, None)}, totals=()),
    "exchange": Measure(
        {"Exchange": (COUNT, None), "ExchangeDuration": (MS, "milliseconds")}, ("outcome",)
    ),
    "upstream": Measure({"UpstreamDuration": (MS, "milliseconds")}, ("step",)),
    "wait": Measure({"Wait": (COUNT, None), "WaitDuration": (MS, "milliseconds")}),
    "latched": Measure({"Latched": (COUNT, None)}),
    "recovered": Measure({"Recovered": (COUNT, None)}),
    "down": Measure({"Down": (COUNT, None)}),
    "up": Measure({"Up": (COUNT, None)}),
    "unkept": Measure({"Unkept": (COUNT, None)}),
    "unannounced": Measure({"Unannounced": (COUNT, None)}),
    "check": Measure({"Check": (COUNT, None), "CheckDuration": (MS, "milliseconds")}, ("outcome",)),
    "check failed": Measure({"CheckFailed": (COUNT, None)}, totals=()),
    "held": Measure({"Held": (COUNT, None)}),
    "lifted": Measure({"Lifted": (COUNT, None)}),
    "damaged": Measure({"Damaged": (COUNT, None)}, totals=()),
    "nudge": Measure({"Nudge": (COUNT, None)}),
    "cold start": Measure({"ColdStart": (COUNT, None)}),
}
"""Events that are metrics. All have the dimensions ``service`` and ``flow`` besides their own."""

AUDITED = frozenset({"action", "replaced"})
"""Events without a metric that docs/audit.md needs: written whatever the log level is."""

CHATTY = ("boto3", "botocore", "urllib3", "requests")
"""Libraries whose debug lines quote requests, and so secrets. These lines are never logged."""


class Telemetry:
    """Writes the lines of one flow."""

    def __init__(self, flow: str) -> None:
        self._flow = flow
        self._logger: Any = None
        for name in CHATTY:
            hush(logging.getLogger(name))

    def emit(self, event: str, **facts: Any) -> None:
        """Write one line of what happened."""
        measure = MEASURES.get(event)
        if event in AUDITED:
            text = _encode({"event": event, "flow": self._flow} | facts)
            print(unlike_a_crash(text))  # noqa: T201 (as a metric)
            return
        if measure is None:
            self._log().info(event, **({"event": event, "flow": self._flow} | facts))
            return
        line = plain_line(os.environ) or _powertools_line()
        line.add_dimension("flow", self._flow)
        for name in measure.dimensions:
            line.add_dimension(name, str(facts[name]))
        if measure.totals is not None and (service := os.environ.get(SERVICE)):
            own = {name: str(facts[name]) for name in measure.totals}
            line.add_dimensions(service=service, **own)
        for metric, (unit, fact) in measure.metrics.items():
            line.add_metric(metric, unit, facts[fact] if fact else 1)
        line.add_metadata("event", event)
        for name, value in facts.items():
            if name not in measure.dimensions:
                line.add_metadata(name, value)
        line.flush_metrics()

    def defect(self, error: Exception, request_id: str) -> None:
        """Write the frames of a defect. Not its message, which may quote a secret."""
        import traceback  # noqa: PLC0415 (off the hit path)

        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        kind = type(error).__name__
        self._log().error("defect", flow=self._flow, kind=kind, where=where, request_id=request_id)

    def _log(self) -> Any:
        if self._logger is None:
            from aws_lambda_powertools.logging import Logger  # noqa: PLC0415 (off the hit path)

            self._logger = Logger(
                json_serializer=lambda line: unlike_a_crash(json.dumps(line, default=str))
            )
        return self._logger


def _powertools_line() -> Any:
    from aws_lambda_powertools.metrics import EphemeralMetrics  # noqa: PLC0415 (slow to load)

    return EphemeralMetrics()


def hush(logger: logging.Logger) -> None:
    """Keep the lines of *logger* and its children out of the log, whatever their level."""
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    if not logger.handlers:
        # Without one, Python itself writes warnings to stderr, which is the log.
        logger.addHandler(logging.NullHandler())
