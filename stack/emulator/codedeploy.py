"""CodeDeploy's applications and groups: here they are names, and traffic moves all at once.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-updatepolicy.html
(CodeDeployLambdaAliasUpdate; a canary's alarms and its way back are not shown by `make stack`)
"""

from collections.abc import Mapping
from typing import Any

from ministack.services.cloudformation import provisioners

NAMES = {
    "AWS::CodeDeploy::Application": "ApplicationName",
    "AWS::CodeDeploy::DeploymentGroup": "DeploymentGroupName",
}


def named(member: str) -> Mapping[str, Any]:
    """Return how a resource is created, updated and deleted that is only a name."""

    def create(
        logical_id: str, properties: Mapping[str, Any], stack: str
    ) -> tuple[str, dict[str, Any]]:
        return properties.get(member) or f"{stack}-{logical_id}", {}

    def update(physical_id: str, *_: Any) -> tuple[str, dict[str, Any]]:
        return physical_id, {}

    def delete(*_: Any) -> None:
        return None

    return {"create": create, "update": update, "delete": delete}


for kind, member in NAMES.items():
    provisioners._RESOURCE_HANDLERS.setdefault(kind, named(member))
