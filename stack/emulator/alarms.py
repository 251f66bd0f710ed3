"""Alarms on an expression use the first of its metrics here; and composite alarms.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-cloudwatch-alarm-metricdataquery.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudwatch-compositealarm.html
"""

from typing import Any

from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

from stack.emulator.patching import Function, patch_resource

KIND = "AWS::CloudWatch::Alarm"


@patch_resource(KIND, "create")
def create(original: Function, logical_id: str, properties: dict[str, Any], *rest: Any) -> Any:
    """Create an alarm on one metric."""
    return original(logical_id, with_one_metric(properties), *rest)


@patch_resource(KIND, "update")
def update(
    original: Function, physical_id: str, old: dict[str, Any], new: dict[str, Any], *rest: Any
) -> Any:
    """Update an alarm to one on one metric."""
    return original(physical_id, with_one_metric(old), with_one_metric(new), *rest)


def with_one_metric(properties: dict[str, Any]) -> dict[str, Any]:
    """Return an alarm's *properties* without an expression."""
    queries = properties.get("Metrics") or []
    statistic = next((query["MetricStat"] for query in queries if "MetricStat" in query), None)
    if statistic is None:
        return properties
    rest = {name: value for name, value in properties.items() if name != "Metrics"}
    metric: dict[str, Any] = statistic["Metric"]
    return rest | metric | {"Statistic": statistic["Stat"], "Period": statistic["Period"]}


COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
SUCCESS = 200


def create_composite(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
    """Create a composite alarm by CloudWatch's call."""
    del logical_id, stack_name
    status, _, body = cloudwatch._put_composite_alarm({}, properties, is_cbor=False, is_json=True)
    if status != SUCCESS:
        raise ValueError(str(body))
    name = properties["AlarmName"]
    return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}


def update_composite(
    physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
) -> Any:
    """Overwrite a composite alarm."""
    del old
    return create_composite(physical_id, new, stack_name)


def delete_composite(physical_id: str, properties: dict[str, Any]) -> None:
    """Delete a composite alarm."""
    del properties
    cloudwatch._composite_alarms.pop(physical_id, None)


provisioners._RESOURCE_HANDLERS.setdefault(
    COMPOSITE, {"create": create_composite, "update": update_composite, "delete": delete_composite}
)
