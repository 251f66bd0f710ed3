"""An API that is made from OpenAPI has the resource policy that the document names.

https://docs.aws.amazon.com/apigateway/latest/developerguide/openapi-extensions-policy.html
"""

import json
from typing import Any

from ministack.services import apigateway_v1

from stack.emulator.replacing import Wrapper, around_resource

KIND = "AWS::ApiGateway::RestApi"


@around_resource(KIND, "create")
def create(original: Wrapper, logical_id: str, properties: dict[str, Any], *rest: Any) -> Any:
    """Create an API with its policy."""
    made = original(logical_id, properties, *rest)
    take_policy(made[0], properties)
    return made


@around_resource(KIND, "update")
def update(
    original: Wrapper, physical_id: str, old: dict[str, Any], new: dict[str, Any], *rest: Any
) -> Any:
    """Update an API and its policy; here a changed document makes it another API."""
    made = original(physical_id, old, new, *rest)
    take_policy(made[0], new)
    return made


def take_policy(api: str, properties: dict[str, Any]) -> None:
    """Give *api* the policy that its document has, if any."""
    policy = (properties.get("Body") or {}).get("x-amazon-apigateway-policy")
    if policy:
        apigateway_v1._rest_apis[api]["policy"] = json.dumps(policy)
