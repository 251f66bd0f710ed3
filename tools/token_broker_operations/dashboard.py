"""The CloudWatch dashboard of the stack."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from token_broker.telemetry import MEASURES
from token_broker_operations.alarms import NAMESPACE, Resource
from token_broker_operations.signals import PERIOD

WIDTH, HEIGHT = 8, 6
"""The size of a widget in the grid of 24 columns."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One metric, or several statistics of one, for every value of its dimensions."""

    title: str
    metric: str
    statistics: tuple[str, ...] = ("Sum",)
    stacked: bool = False


CHARTS = (
    Chart("Hand-outs, by source", "HandOut", stacked=True),
    Chart("Failures, by code", "Failure", stacked=True),
    Chart("Calls for a token that got none", "Unanswered", stacked=True),
    Chart("Stale hand-outs, by source", "Stale", stacked=True),
    Chart("Slow hand-outs, by source", "Slow", stacked=True),
    Chart("Latches", "Latched"),
    Chart("Milliseconds to hand out", "Duration", ("p50", "p99")),
    Chart("Exchanges, by outcome", "Exchange", stacked=True),
    Chart("Milliseconds of the upstreams, by step", "UpstreamDuration", ("p50", "p99")),
    Chart("Seconds of age of the tokens handed out", "TokenAge", ("p50", "Maximum")),
    Chart("Waits for another's exchange", "Wait"),
    Chart("Cold starts", "ColdStart"),
)


LISTED_EVENTS = ("held", "lifted", "latched", "recovered", "down", "up", "unkept", "unannounced")
"""Events of the log that the dashboards list. All but the last are also on the bus.

Without `replaced`, as there is one for each token: the chart of the exchanges counts those.
"""

QUERY = (
    "fields @timestamp, event, flow, connection, by, reason, secret_version, since, code, what"
    f" | filter event in {json.dumps(LISTED_EVENTS)} | sort @timestamp desc | limit 50"
)
"""The Logs Insights query that lists them."""


def resource(alarms: Iterable[str], flows: Iterable[str]) -> Resource:
    """Return the dashboard with the states of *alarms*, given by the ends of their names.

    It lists events in the logs of the functions of *flows*.
    """
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {
            "DashboardName": {"Fn::Sub": "token-broker-${Stage}"},
            "DashboardBody": {"Fn::Sub": body([*widgets(alarms, flows)])},
        },
    }


def body(shown: list[Mapping[str, Any]]) -> str:
    """Return the dashboard's source, with a line for each widget."""
    lines = ",\n".join(f"  {json.dumps(widget)}" for widget in shown)
    return f'{{"widgets": [\n{lines}\n]}}'


def widgets(alarms: Iterable[str], flows: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """Yield the widgets, from left to right and down."""
    here = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}"
    arns = [f"{here}:alarm:token-broker-${{Stage}}-{name}" for name in alarms]
    yield {
        "type": "alarm",
        "width": 3 * WIDTH,
        "height": 3,
        "properties": {"title": "Alarms", "alarms": arns},
    }
    logs = [f"SOURCE '/aws/lambda/token-broker-${{Stage}}-{flow}'" for flow in flows]
    yield {
        "type": "log",
        "width": 3 * WIDTH,
        "height": HEIGHT,
        "properties": {
            "title": "Holds, latches, outages and tokens that were not kept",
            "region": "${AWS::Region}",
            "view": "table",
            "query": " | ".join([*logs, QUERY]),
        },
    }
    for chart in CHARTS:
        yield {
            "type": "metric",
            "width": WIDTH,
            "height": HEIGHT,
            "properties": properties_of(chart),
        }


def properties_of(chart: Chart) -> Mapping[str, Any]:
    """Return the properties of *chart*."""
    return {
        "title": chart.title,
        "region": "${AWS::Region}",
        "view": "timeSeries",
        "stacked": chart.stacked,
        "period": PERIOD,
        "metrics": [
            [{"expression": search(chart.metric, statistic), "id": f"e{number}"}]
            for number, statistic in enumerate(chart.statistics)
        ],
    }


def search(metric: str, statistic: str) -> str:
    """Return the expression that finds *metric* for every flow and every value."""
    names = ",".join([NAMESPACE, "flow", "service", *dimensions(metric)])
    service = 'service="token-broker-${Stage}"'
    return f"SEARCH('{{{names}}} MetricName=\"{metric}\" {service}', '{statistic}', {PERIOD})"


def dimensions(metric: str) -> tuple[str, ...]:
    """Return the dimensions of *metric* besides the flow and the service."""
    [measure] = [each for each in MEASURES.values() if metric in each.metrics]
    return measure.dimensions
