"""CodeDeploy's applications and groups: only names here, and traffic moves at once.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-updatepolicy.html
(CodeDeployLambdaAliasUpdate; `make stack` shows no canary and no rollback)
"""

from collections.abc import Mapping
from typing import Any

from ministack.services.cloudformation import provisioners

NAMES = {
    "AWS::CodeDeploy::Application": "ApplicationName",
    "AWS::CodeDeploy::DeploymentGroup": "DeploymentGroupName",
}


def handlers(member: str) -> Mapping[str, Any]:
    """Return the handlers that create, update and delete a resource that is only a name."""

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
    provisioners._RESOURCE_HANDLERS.setdefault(kind, handlers(member))
