"""Alarms, dashboard and runbook agree with the error codes and metrics."""

import json
import re
from typing import Any

import pytest

from tests.template.documents import ROOT, template
from tests.template.rules import sound
from tests.template.subjects import FLOWS, of_type
from token_broker.actions import MOST_WARM
from token_broker.handler import SLOW_MILLISECONDS
from token_broker.telemetry import COUNT, MEASURES, Telemetry
from token_broker_operations import alarms, dashboard, flows
from token_broker_operations.__main__ import WRITTEN, nested, written
from token_broker_operations.signals import (
    BURNS,
    LEAST_BAD,
    OBJECTIVES,
    SIGNALS,
    WINDOW_DAYS,
    Objective,
    Signal,
    codes,
)

ALARMS = {
    name: each["Properties"]
    for name, each in {**alarms.guards(), **alarms.watches(flows.FLOWS)}.items()
}


PAGE = (ROOT / alarms.RUNBOOK).read_text()


def test_the_generated_parts_are_up_to_date() -> None:
    """`make operations` writes them."""
    assert nested() == (ROOT / "operations.yaml").read_text()
    for name in WRITTEN:
        text = (ROOT / name).read_text()
        assert written(name, text) == text


def test_every_code_has_one_signal() -> None:
    """A new error needs an alarm, or a signal that names another."""
    assert sorted(signal.code for signal in SIGNALS) == sorted(codes())


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.code)
def test_the_runbook_names_who_is_responsible_for_each_code(signal: Signal) -> None:
    """In its first table."""
    rows = re.findall(r"(?m)^\| (\w+) \| (.*?) \|", PAGE)
    assert [whose for whose, named in rows if f"`{signal.code}`" in named] == [signal.whose]


def test_the_runbook_lists_each_alarm_once() -> None:
    """Also codes without an alarm, and alarms that roll a deployment back."""
    table = PAGE.partition("| cause | alarms |")[2].partition("\n\n")[0]
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    listed = re.findall(r"`(\w+)`( \(no alarm of its own\))?", " ".join(row[1] for row in rows))
    ends = {
        each["AlarmName"]["Fn::Sub"].removeprefix("token-broker-${Stage}-")
        for each in ALARMS.values()
    }
    parts = {end for end in ends if re.search(r"_\d+m$", end)}  # of one window: two are an alarm
    assert sorted(name for name, _ in listed) == sorted(ends - parts | codes())
    assert {name for name, is_none in listed if is_none} == codes() - ends
    guards = [each["Properties"]["AlarmName"]["Fn::Sub"] for each in alarms.guards().values()]
    [taken_back] = [row[1] for row in rows if "roll a deployment back" in row[2]]
    names = [f"token-broker-${{Stage}}-{name}" for name in re.findall(r"`(\w+)`", taken_back)]
    assert sorted(names) == sorted(guards)


@pytest.mark.parametrize(
    "event", [event for event, each in MEASURES.items() if each.totals is not None]
)
def test_an_alarm_has_the_dimensions_of_an_emitted_metric(
    event: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line of each flow has these dimensions, and those of the flow."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "TokenBroker")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "token-broker-prod")
    for flow in FLOWS:
        facts = {name: 1 for _, name in MEASURES[event].metrics.values() if name}
        Telemetry(flow).emit(event, **facts, **dict.fromkeys(MEASURES[event].dimensions, "x"))
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
        (metric["MetricName"], *sorted(each["Name"] for each in metric["Dimensions"]))
        for alarm in ALARMS.values()
        for metric in metrics_of(alarm)
        if metric["MetricName"] in list(MEASURES[event].metrics)
    }
    assert watched
    assert {len(found) for found in watched} == {2 + len(MEASURES[event].totals or ())}
    assert watched < written
    assert len(written) == 2 * len(MEASURES[event].metrics)


def metrics_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics that an alarm watches, or sums up; those of a composite one are others."""
    if "AlarmRule" in alarm:
        return []
    if "MetricName" in alarm:
        return [alarm]
    return [each["MetricStat"]["Metric"] for each in alarm["Metrics"] if "MetricStat" in each]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: objective.name)
def test_the_documented_objectives_are_those_of_the_alarms(objective: Objective) -> None:
    """With share, budget, burn rates, windows, and the bound for slow calls.

    Bad calls are counted beside the good ones if other lines of the log have them.
    """
    lines = {name: event for event, each in MEASURES.items() for name in each.metrics}
    assert objective.is_beside == (lines[objective.bad] != lines[objective.counted])
    if objective.bad == "Slow":
        assert f"{SLOW_MILLISECONDS} ms" in objective.meaning
    assert f"{SLOW_MILLISECONDS} ms" in PAGE
    assert f"needs {('no', 'one', 'two', 'three')[LEAST_BAD]} bad calls" in PAGE
    percent, minutes = row(rf"`{objective.name}` \|.*\| ([\d.]+) % \| ([\d.]+) min.*")
    assert percent == pytest.approx(objective.promised * 100)
    assert minutes == pytest.approx(WINDOW_DAYS * 1440 * objective.budget, abs=0.5)
    for burn in BURNS:
        name = f"{objective.name}_{burn.name}"
        found = row(rf"`{name}` \| ([\d.]+) % \| (\d+) h, (\d+) min \| (\d+) %")
        share, spent = burn.rate * objective.budget * 100, burn.spent * 100
        windows = (burn.long_seconds / 3_600, burn.short_seconds / 60)
        assert found == pytest.approx([share, *windows, spent])


def row(cells: str) -> list[float]:
    """Return the numbers that *cells*, a pattern, finds in one row of the runbook's tables."""
    [found] = re.findall(rf"(?m)^\| {cells} \|$", PAGE)
    return [float(number) for number in found]


@pytest.mark.parametrize("chart", dashboard.CHARTS, ids=lambda chart: chart.metric)
def test_a_chart_shows_an_emitted_metric(chart: dashboard.Chart) -> None:
    """With its dimensions, in the order that CloudWatch requires.

    A count is summed up. Of another unit, the middle and the end are shown.
    """
    [measure] = [each for each in MEASURES.values() if chart.metric in each.metrics]
    found = re.search(r"\{TokenBroker,([a-z,]+)\}", dashboard.search(chart.metric, "Sum"))
    assert found
    assert found[1].split(",") == ["flow", "service", *measure.dimensions]
    (unit, _), (first, *others) = measure.metrics[chart.metric], chart.statistics
    expected = ("Sum", 0) if unit == COUNT else ("p50", 1)
    assert (first, len(others)) == expected


def test_the_dashboard_is_valid_once_deployed() -> None:
    """It is JSON, fits CloudWatch's grid, and shows every alarm of both stacks."""
    body = json.loads(sound()["Operations.Dashboard"]["Properties"]["DashboardBody"])
    assert all(widget["width"] <= 24 for widget in body["widgets"])
    shown = {arn.rpartition(":")[2] for arn in body["widgets"][0]["properties"]["alarms"]}
    assert shown == {
        each["AlarmName"]
        for kind in ("CloudWatch::Alarm", "CloudWatch::CompositeAlarm")
        for each in of_type(sound(), kind).values()
    }
    assert len(shown) == len(ALARMS)
    [log] = [each["properties"] for each in body["widgets"] if each["type"] == "log"]
    functions = of_type(sound(), "Lambda::Function").values()
    logs = {f"/aws/lambda/{each['FunctionName']}" for each in functions}
    assert {*re.findall(r"SOURCE '([^']+)' \| ", log["query"])} == logs
    assert log["query"].endswith(dashboard.QUERY)
    assert "${" not in json.dumps(body)


@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_links_to_a_section_of_the_runbook(name: str) -> None:
    """The page and its heading exist."""
    path, _, anchor = ALARMS[name]["AlarmDescription"].rpartition(" ")[2].partition("#")
    headings = re.findall(r"(?m)^#+ `?([a-z_]+)`?$", (ROOT / path).read_text())
    assert anchor in headings


def test_the_documented_quotas_are_those_of_the_code() -> None:
    """The timeout of a function, and the connections of one `warm`."""
    [timeout] = re.findall(r"the functions end within `Timeout`, (\d+)", PAGE)
    assert int(timeout) == template()["Parameters"]["Timeout"]["Default"]
    [[thousands, rest, connections]] = re.findall(
        r"(\d),(\d+) characters: (\d+) connections to keep warm", PAGE
    )
    shortest = [json.dumps([{"connection": "a"}] * n, separators=(",", ":")) for n in (215, 216)]
    assert len(shortest[0]) <= int(thousands + rest) < len(shortest[1])
    assert int(connections) == MOST_WARM == 215


def test_the_cost_of_the_alarms_is_the_documented_one() -> None:
    """AWS charges each metric of an alarm, and each composite alarm.

    The page says it for three flows.
    """
    paid = {**alarms.guards(), **alarms.watches(flows.FLOWS[:3])}
    properties = [each["Properties"] for each in paid.values()]
    counts = {
        "alarms": (sum(len(metrics_of(alarm)) for alarm in properties), 0.10),
        "alarms of two windows": (sum("AlarmRule" in alarm for alarm in properties), 0.50),
    }
    for name, (count, price) in counts.items():
        assert row(rf"{name} \|.*\| (\d+) \| ([\d.]+)") == pytest.approx([count, count * price])
