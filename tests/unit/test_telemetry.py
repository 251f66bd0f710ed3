"""The EMF line of a counted event equals that of Powertools."""

import json
import logging
from functools import partial
from io import StringIO
from typing import Any

import pytest
from aws_lambda_powertools.metrics import EphemeralMetrics

from token_broker.telemetry import MEASURES, Telemetry

SETTINGS = {"POWERTOOLS_METRICS_NAMESPACE": "TokenBroker", "POWERTOOLS_SERVICE_NAME": "broker-ä"}
FACTS: dict[str, Any] = {
    "connection": "acme",
    "generation": 7,
    "source": "memory",
    "stale": False,
    "slow": 2,  # unlike a count without a fact
    "caller": "arn:aws:sts::123456789012:assumed-role/Bär/x",
    "milliseconds": 0.1,
    "token_age": 3,
    "variant": None,
    "code": "internal",
    "outcome": "success",
    "step": "login",
    "upstream_message": 'it says "é"\u2028',
    "attributes": ["token"],
}


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("event", sorted(MEASURES))
def test_the_line_of_each_event_equals_that_of_powertools(
    event: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Letter for letter, in the same order, except the time stamp."""
    measure, line = MEASURES[event], EphemeralMetrics()
    for name in ("flow", *measure.dimensions):
        line.add_dimension(name, str((FACTS | {"flow": "vntana"})[name]))
    if measure.totals is not None:
        totals = {name: str(FACTS[name]) for name in measure.totals}
        line.add_dimensions(service=SETTINGS["POWERTOOLS_SERVICE_NAME"], **totals)
    for metric, (unit, fact) in measure.metrics.items():
        line.add_metric(metric, unit, FACTS[fact] if fact else 1)
    for name, value in ({"event": event} | FACTS).items():
        if name not in measure.dimensions:
            line.add_metadata(name, value)
    line.flush_metrics()
    Telemetry("vntana").emit(event, **FACTS)
    expected, own = capsys.readouterr().out.splitlines()
    moment, written = (json.loads(text)["_aws"]["Timestamp"] for text in (expected, own))
    assert 0 <= written - moment < 60_000
    assert own.replace(str(written), str(moment)) == expected


COUNTED: dict[str, tuple[list[list[str]], dict[str, tuple[str, float]]]] = {
    "hand-out": (
        [["flow", "source"], []],
        {
            "HandOut": ("Count", 1),
            "Duration": ("Milliseconds", 0.1),
            "TokenAge": ("Seconds", 3),
            "Stale": ("Count", 0),
            "Slow": ("Count", 2),
        },
    ),
    "failure": ([["flow", "code"], ["code"]], {"Failure": ("Count", 1)}),
    "unanswered": ([["flow"], []], {"Unanswered": ("Count", 1)}),
    "exchange": (
        [["flow", "outcome"]],
        {"Exchange": ("Count", 1), "ExchangeDuration": ("Milliseconds", 0.1)},
    ),
    "upstream": ([["flow", "step"]], {"UpstreamDuration": ("Milliseconds", 0.1)}),
    "wait": ([["flow"]], {"Wait": ("Count", 1), "WaitDuration": ("Milliseconds", 0.1)}),
    "latched": ([["flow"]], {"Latched": ("Count", 1)}),
    "recovered": ([["flow"]], {"Recovered": ("Count", 1)}),
    "down": ([["flow"]], {"Down": ("Count", 1)}),
    "up": ([["flow"]], {"Up": ("Count", 1)}),
    "unkept": ([["flow"]], {"Unkept": ("Count", 1)}),
    "unannounced": ([["flow"]], {"Unannounced": ("Count", 1)}),
    "check": (
        [["flow", "outcome"]],
        {"Check": ("Count", 1), "CheckDuration": ("Milliseconds", 0.1)},
    ),
    "check failed": ([["flow"], []], {"CheckFailed": ("Count", 1)}),
    "held": ([["flow"]], {"Held": ("Count", 1)}),
    "lifted": ([["flow"]], {"Lifted": ("Count", 1)}),
    "damaged": ([["flow"], []], {"Damaged": ("Count", 1)}),
    "nudge": ([["flow"]], {"Nudge": ("Count", 1)}),
    "cold start": ([["flow"]], {"ColdStart": ("Count", 1)}),
}
"""By event: dimensions besides the service, and metrics. A second set is for alarms."""


def test_each_event_has_its_metrics_under_its_dimensions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = {}
    for event in MEASURES:
        Telemetry("vntana").emit(event, **FACTS)
        line = json.loads(capsys.readouterr().out)
        assert (line["event"], line["flow"], line["service"]) == (event, "vntana", "broker-ä")
        [counted] = line["_aws"]["CloudWatchMetrics"]
        sets = [[n for n in names if n != "service"] for names in counted["Dimensions"]]
        found[event] = sets, {m["Name"]: (m["Unit"], *line[m["Name"]]) for m in counted["Metrics"]}
    assert found == COUNTED


def test_every_other_line_has_its_event_and_flow(capsys: pytest.CaptureFixture[str]) -> None:
    """A defect has its frames, not its message. All have the form that Powertools gives them."""
    telemetry = Telemetry("vntana")
    for event in ("action", "replaced", "woken"):
        telemetry.emit(event, connection="acme", detail="é")
    try:
        int("hunter2")
    except ValueError as error:
        telemetry.defect(error, "r-1")
    written = capsys.readouterr().out.splitlines()
    *lines, defect = map(json.loads, written)
    compact = partial(json.dumps, separators=(",", ":"), ensure_ascii=False)
    assert written[2:] == [compact(lines[2]), compact(defect)], "the others are audited"
    members = ("event", "flow", "connection")
    found = [tuple(line[member] for member in members) for line in lines]
    assert found == [(event, "vntana", "acme") for event in ("action", "replaced", "woken")]
    named = {"message": "defect", "flow": "vntana", "kind": "ValueError", "request_id": "r-1"}
    assert defect.items() >= named.items()
    [where] = defect["where"]
    assert where.startswith(f"{__file__}:")
    assert where.endswith(" test_every_other_line_has_its_event_and_flow")
    assert "hunter2" not in str(defect)


@pytest.mark.parametrize("name", ["boto3", "botocore", "urllib3", "requests"])
def test_no_line_of_a_library_that_quotes_requests_reaches_the_log(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lambda's runtime has a handler at the root, and an operator may set any level below.

    Not even to stderr, where Python writes a warning for which it finds no handler.
    """
    written = StringIO()
    monkeypatch.setattr(logging.root, "handlers", [logging.StreamHandler(written)])
    library, module = logging.getLogger(name), logging.getLogger(f"{name}.module")
    monkeypatch.setattr(library, "propagate", True)
    monkeypatch.setattr(library, "handlers", [])
    monkeypatch.setattr(module, "level", logging.DEBUG)
    Telemetry("vntana")
    for logger in (library, module):
        logger.error("quotes a request")
        logger.debug("quotes a request")
    assert written.getvalue() == capsys.readouterr().err == ""
    library.addHandler(logging.StreamHandler(written))  # as `boto3.set_stream_logger` does
    Telemetry("vntana")
    library.debug("quotes a request")
    assert written.getvalue() == ""
