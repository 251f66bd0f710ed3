"""Alarms on an expression over several metrics, here on the first of them; and alarms of alarms.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-cloudwatch-alarm-metricdataquery.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudwatch-compositealarm.html
"""

from typing import Any

from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

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


COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
SUCCESS = 200


def create_composite(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
    """Create an alarm that is made of others, as CloudWatch's own call does."""
    del logical_id, stack_name
    status, _, body = cloudwatch._put_composite_alarm({}, properties, is_cbor=False, is_json=True)
    if status != SUCCESS:
        raise ValueError(str(body))
    name = properties["AlarmName"]
    return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}


def update_composite(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> Any:
    """Write such an alarm again: its name stays."""
    del old
    return create_composite(physical_id, new, stack_name)


def delete_composite(physical_id: str, properties: dict[str, Any]) -> None:
    """Delete such an alarm."""
    del properties
    cloudwatch._composite_alarms.pop(physical_id, None)


provisioners._RESOURCE_HANDLERS.setdefault(
    COMPOSITE, {"create": create_composite, "update": update_composite, "delete": delete_composite}
)
