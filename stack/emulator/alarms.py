"""Alarms on an expression over several metrics: here on the first of them.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-cloudwatch-alarm-metricdataquery.html
"""

from typing import Any

from stack.emulator.replacing import Wrapper, around_resource

KIND = "AWS::CloudWatch::Alarm"


@around_resource(KIND, "create")
def create(original: Wrapper, logical_id: str, properties: dict[str, Any], *rest: Any) -> Any:
    """Create an alarm that the emulator can have."""
    return original(logical_id, of_one_metric(properties), *rest)


@around_resource(KIND, "update")
def update(
    original: Wrapper, physical_id: str, old: dict[str, Any], new: dict[str, Any], *rest: Any
) -> Any:
    """Update an alarm to one that the emulator can have."""
    return original(physical_id, of_one_metric(old), of_one_metric(new), *rest)


def of_one_metric(properties: dict[str, Any]) -> dict[str, Any]:
    """Return an alarm's *properties* without an expression."""
    queries = properties.get("Metrics") or []
    found = next((query["MetricStat"] for query in queries if "MetricStat" in query), None)
    if found is None:
        return properties
    rest = {name: value for name, value in properties.items() if name != "Metrics"}
    metric: dict[str, Any] = found["Metric"]
    return rest | metric | {"Statistic": found["Stat"], "Period": found["Period"]}
