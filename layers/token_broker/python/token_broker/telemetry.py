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

_encode = json.JSONEncoder(separators=(",", ":")).encode
_encode_any = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str).encode
"""As Powertools' Logger does by default."""


def unlike_a_crash(text: str) -> str:
    """Return *text*, which is JSON, with the same meaning and without Lambda's words for a crash.

    The alarm `crash` looks for these in every line of the log, and rolls a deployment back. A
    caller, an operator or a vendor may use them, too.
    """
    return text.replace("Runtime.", "Runtime\\u002e").replace("timed out", "timed\\u0020out")


Unit = Literal["Count", "Milliseconds", "Seconds"]


class Measure(NamedTuple):
    """How an event is counted: its metrics, each with the fact that is its value, by dimensions.

    *totals* are those of its dimensions under which it is counted once more over all flows, for
    alarms.
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
        if event in MEASURES:
            line = counted(event, self._flow, facts, int(time.time() * 1000))
            print(unlike_a_crash(line))  # noqa: T201 (CloudWatch takes metrics from stdout)
            return
        named = {"event": event, "flow": self._flow} | facts
        if event in AUDITED:
            print(unlike_a_crash(_encode(named)))  # noqa: T201 (as a metric)
        else:
            self._log().info(event, **named)

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

            self._logger = Logger(json_serializer=lambda line: unlike_a_crash(_encode_any(line)))
        return self._logger


def counted(event: str, flow: str, facts: Mapping[str, Any], milliseconds: int) -> str:
    """Return the line of a counted event, as of *milliseconds* since the epoch.

    Powertools' `EphemeralMetrics` would write the same: docs/decisions/0030. The format is
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    measure = MEASURES[event]
    dimensions = {"flow": flow} | {name: str(facts[name]) for name in measure.dimensions}
    dimensions["service"] = os.environ.get("POWERTOOLS_SERVICE_NAME", "token-broker")
    totals = [] if measure.totals is None else [["service", *measure.totals]]
    metrics = {
        "Namespace": os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "TokenBroker"),
        "Dimensions": [list(dimensions), *totals],
        "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in measure.metrics.items()],
    }
    values = {
        name: [float(facts[fact] if fact else 1)] for name, (_, fact) in measure.metrics.items()
    }
    others = {"event": event} | {n: v for n, v in facts.items() if n not in measure.dimensions}
    head = {"Timestamp": milliseconds, "CloudWatchMetrics": [metrics]}
    return _encode({"_aws": head, **dimensions, **others, **values})


def hush(logger: logging.Logger) -> None:
    """Keep the lines of *logger* and its children out of the log, whatever their level."""
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    if not logger.handlers:
        # Without one, Python itself writes warnings to stderr, which is the log.
        logger.addHandler(logging.NullHandler())
