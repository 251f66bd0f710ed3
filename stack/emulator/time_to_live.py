"""A table has the time to live of its template.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-dynamodb-table-timetolivespecification.html
"""

from typing import Any

from ministack.services import dynamodb

from stack.emulator.patching import Function, patch_resource


@patch_resource("AWS::DynamoDB::Table", "create")
def create(original: Function, logical_id: str, properties: dict[str, Any], *rest: Any) -> Any:
    """Create a table, and set its time to live."""
    created = original(logical_id, properties, *rest)
    if setting := properties.get("TimeToLiveSpecification"):
        enabled = str(setting["Enabled"]).lower() == "true"
        specification = setting | {"Enabled": enabled}
        dynamodb._update_ttl({"TableName": created[0], "TimeToLiveSpecification": specification})
    return created
