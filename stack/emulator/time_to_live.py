"""A table that CloudFormation makes has the time to live that the template names.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-dynamodb-table-timetolivespecification.html
"""

from typing import Any

from ministack.services import dynamodb

from stack.emulator.replacing import Wrapper, around_resource


@around_resource("AWS::DynamoDB::Table", "create")
def create(original: Wrapper, logical_id: str, properties: dict[str, Any], *rest: Any) -> Any:
    """Create a table, and set its time to live."""
    made = original(logical_id, properties, *rest)
    if wanted := properties.get("TimeToLiveSpecification"):
        enabled = str(wanted["Enabled"]).lower() == "true"
        specification = wanted | {"Enabled": enabled}
        dynamodb._update_ttl({"TableName": made[0], "TimeToLiveSpecification": specification})
    return made
