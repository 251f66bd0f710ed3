"""An API has the resource policy of its OpenAPI document.

https://docs.aws.amazon.com/apigateway/latest/developerguide/openapi-extensions-policy.html
"""

import json
from typing import Any

from ministack.services import apigateway_v1

from stack.emulator.patching import Function, patch_resource

KIND = "AWS::ApiGateway::RestApi"


@patch_resource(KIND, "create")
def create(original: Function, logical_id: str, properties: dict[str, Any], *rest: Any) -> Any:
    """Create an API with its policy."""
    created = original(logical_id, properties, *rest)
    set_policy(created[0], properties)
    return created


@patch_resource(KIND, "update")
def update(
    original: Function, physical_id: str, old: dict[str, Any], new: dict[str, Any], *rest: Any
) -> Any:
    """Update an API and its policy; the emulator creates another API if the document changed."""
    created = original(physical_id, old, new, *rest)
    set_policy(created[0], new)
    return created


def set_policy(api: str, properties: dict[str, Any]) -> None:
    """Set the policy of *api* to its document's, if it has one."""
    policy = (properties.get("Body") or {}).get("x-amazon-apigateway-policy")
    if policy:
        apigateway_v1._rest_apis[api]["policy"] = json.dumps(policy)
