"""The EMF line of a counted event equals that of Powertools."""

import json
import logging
from io import StringIO
from typing import Any

import pytest
from aws_lambda_powertools.metrics import EphemeralMetrics

from token_broker import telemetry
from token_broker.telemetry import CHATTY, MEASURES, Telemetry

SETTINGS = {"POWERTOOLS_METRICS_NAMESPACE": "TokenBroker", "POWERTOOLS_SERVICE_NAME": "broker-ä"}
FACTS: dict[str, Any] = {
    "connection": "acme",
    "generation": 7,
    "source": "memory",
    "stale": False,
    "slow": True,
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


def test_a_line_equals_that_of_powertools(capsys: pytest.CaptureFixture[str]) -> None:
    """Letter for letter, in the same order, except the time stamp."""
    ours = telemetry.plain_line(SETTINGS)
    for line in (ours, EphemeralMetrics()):
        assert line
        line.add_dimension("flow", "vntana")
        line.add_dimension("source", "memory")
        line.add_dimensions(service=SETTINGS[telemetry.SERVICE], source="memory")
        line.add_metric("HandOut", "Count", 1)
        line.add_metric("Duration", "Milliseconds", 0.25)
        for name, value in FACTS.items():
            line.add_metadata(name, value)
        line.flush_metrics()
    own, expected = capsys.readouterr().out.splitlines()
    moment = json.loads(expected)["_aws"]["Timestamp"]
    written = json.loads(own)["_aws"]["Timestamp"]
    assert abs(moment - written) < 60_000
    assert own.replace(str(written), str(moment)) == expected


@pytest.mark.parametrize("event", sorted(MEASURES))
def test_each_event_has_the_same_line_with_and_without_powertools(
    event: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other settings, Powertools writes the line."""
    telemetry = Telemetry("vntana")
    telemetry.emit(event, **FACTS)
    monkeypatch.setattr("token_broker.telemetry.plain_line", lambda _: None)
    telemetry.emit(event, **FACTS)
    own, expected = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    own["_aws"]["Timestamp"] = expected["_aws"]["Timestamp"]
    assert list(own.items()) == list(expected.items())


def test_metrics_of_alarms_have_a_second_set_of_dimensions_over_all_flows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One under the event's dimensions, one under the service and those of the alarm."""
    events = {}
    for event in MEASURES:
        Telemetry("vntana").emit(event, **FACTS)
        [counted] = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
        events[event] = counted["Dimensions"][1:]
    assert {event: further for event, further in events.items() if further} == {
        "hand-out": [["service"]],
        "failure": [["service", "code"]],
        "unanswered": [["service"]],
        "check failed": [["service"]],
        "damaged": [["service"]],
    }


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"POWERTOOLS_METRICS_NAMESPACE": ""}, id="no namespace, which is an error"),
        pytest.param({"POWERTOOLS_SERVICE_NAME": ""}, id="no service, which has a default"),
        pytest.param({"POWERTOOLS_METRICS_DISABLED": "true"}, id="disabled"),
        pytest.param({"POWERTOOLS_DEV": "true"}, id="a developer's machine"),
    ],
)
def test_other_settings_fall_back_to_powertools(change: dict[str, str]) -> None:
    assert telemetry.plain_line(SETTINGS | change) is None


@pytest.mark.parametrize("name", CHATTY)
def test_no_line_of_a_library_that_quotes_requests_reaches_the_log(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda's runtime has a handler at the root, and an operator may set any level below."""
    written = StringIO()
    monkeypatch.setattr(logging.root, "handlers", [logging.StreamHandler(written)])
    library, module = logging.getLogger(name), logging.getLogger(f"{name}.module")
    monkeypatch.setattr(library, "propagate", True)
    monkeypatch.setattr(module, "level", logging.DEBUG)
    Telemetry("vntana")
    for logger in (library, module):
        logger.error("quotes a request")
        logger.debug("quotes a request")
    assert written.getvalue() == ""
