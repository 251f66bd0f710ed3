"""Alarms, dashboard and runbook are those of the codes and metrics that there are."""

import json
import re

import pytest

from tests.template.documents import ROOT
from tests.template.rules import sound
from tests.template.subjects import FLOWS, of_type
from token_broker.telemetry import MEASURES, Telemetry
from token_broker_operations import alarms, dashboard, flows
from token_broker_operations.__main__ import WRITTEN, nested, written
from token_broker_operations.signals import SIGNALS, Signal, codes

ALARMS = {
    name: each["Properties"]
    for name, each in {**alarms.guards(), **alarms.watches(flows.FLOWS)}.items()
}


def test_the_templates_are_up_to_date() -> None:
    """Else `make operations` has not been run."""
    assert nested() == (ROOT / "operations.yaml").read_text()
    for name in WRITTEN:
        text = (ROOT / name).read_text()
        assert written(name, text) == text


def test_every_code_has_one_signal() -> None:
    """A new error without an alarm fails here."""
    assert sorted(signal.code for signal in SIGNALS) == sorted(codes())


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.code)
def test_the_runbook_says_whose_it_is(signal: Signal) -> None:
    """In the table that the one who is woken sees first."""
    rows = re.findall(r"(?m)^\| (\w+) \| (.*?) \|", (ROOT / alarms.RUNBOOK).read_text())
    assert [whose for whose, named in rows if f"`{signal.code}`" in named] == [signal.whose]


@pytest.mark.parametrize("event", [event for event, each in MEASURES.items() if each.alarmed])
def test_an_alarm_watches_what_is_written(
    event: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every flow's line counts under the dimensions of the one alarm, and under its own."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "TokenBroker")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "token-broker-prod")
    for flow in FLOWS:
        Telemetry(flow).emit(event, **dict.fromkeys(MEASURES[event].dimensions, "internal"))
    written = set()
    for line in capsys.readouterr().out.splitlines():
        [directive] = json.loads(line)["_aws"]["CloudWatchMetrics"]
        written |= {
            (each["Name"], *sorted(of))
            for each in directive["Metrics"]
            for of in directive["Dimensions"]
        }
        assert json.loads(line)["service"] == "token-broker-prod"
    watched = {
        (alarm["MetricName"], *sorted(each["Name"] for each in alarm["Dimensions"]))
        for alarm in ALARMS.values()
        if alarm.get("MetricName") in list(MEASURES[event].metrics)
    }
    assert len(watched) == 1
    assert watched < written
    assert len(written) == 2


def test_an_alarm_is_one_metric() -> None:
    """But for what Lambda counts by function."""
    assert [name for name, alarm in ALARMS.items() if "MetricName" not in alarm] == [
        "ThrottleAlarm"
    ]


@pytest.mark.parametrize("chart", dashboard.CHARTS, ids=lambda chart: chart.metric)
def test_a_chart_shows_a_metric_that_is_written(chart: dashboard.Chart) -> None:
    """Under the dimensions that it is written with, in the order that CloudWatch wants."""
    [measure] = [each for each in MEASURES.values() if chart.metric in each.metrics]
    found = re.search(r"\{TokenBroker,([a-z,]+)\}", dashboard.search(chart.metric, "Sum"))
    assert found
    assert found[1].split(",") == ["flow", "service", *measure.dimensions]


def test_the_dashboard_is_valid_once_deployed() -> None:
    """It is JSON, fits CloudWatch's grid, and shows every alarm, of whichever stack."""
    body = json.loads(sound()["Operations.Dashboard"]["Properties"]["DashboardBody"])
    assert all(widget["width"] <= 24 for widget in body["widgets"])
    shown = {arn.rpartition(":")[2] for arn in body["widgets"][0]["properties"]["alarms"]}
    assert shown == {each["AlarmName"] for each in of_type(sound(), "CloudWatch::Alarm").values()}
    assert len(shown) == len(ALARMS)
    assert "${" not in json.dumps(body)


@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_says_what_to_read(name: str) -> None:
    """Its runbook exists, under the heading that it names."""
    path, _, anchor = ALARMS[name]["AlarmDescription"].rpartition(" ")[2].partition("#")
    headings = re.findall(r"(?m)^#+ `?([a-z_]+)`?$", (ROOT / path).read_text())
    assert anchor in headings


def test_the_costs_are_added_up() -> None:
    """Each sum of the table is that of the rows above it."""
    page = (ROOT / alarms.RUNBOOK).read_text()
    rows = re.findall(
        r"(?m)^\| (\*{0,2}).* \| \*{0,2}([\d.]+)\*{0,2} \| \*{0,2}([\d.]+)\*{0,2} \|$", page
    )
    spent, sums = [0.0, 0.0], []
    for bold, *cells in rows:
        amounts = [float(cell) for cell in cells]
        if bold:
            assert [round(each, 2) for each in spent] == amounts
            sums.append(amounts)
        else:
            spent = [sum(pair) for pair in zip(spent, amounts, strict=True)]
    assert len(sums) == 2


def test_the_alarms_cost_what_is_said() -> None:
    """Each metric that one watches is paid for: the page says it for three flows."""
    watched = [
        len([each for each in alarm["Properties"].get("Metrics", [{}]) if "Expression" not in each])
        for alarm in {**alarms.guards(), **alarms.watches(flows.FLOWS[:3])}.values()
    ]
    page = (ROOT / alarms.RUNBOOK).read_text()
    [(told, cost)] = re.findall(r"(?m)^\| alarms \|.*\| (\d+) \| ([\d.]+) \|$", page)
    assert sum(watched) == int(told)
    assert sum(watched) * 0.10 == pytest.approx(float(cost))
