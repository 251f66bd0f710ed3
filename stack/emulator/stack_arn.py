"""A request with a stack's name has the stack's ARN with its id as its resource.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html
"""

from typing import Any

from ministack.core import iam_actions
from ministack.services import cloudformation

from stack.emulator.patching import Function, patch


@patch(iam_actions, "extract_resource_arn")
def resource(original: Function, service: str, *rest: Any) -> str:
    """Return the ARN of a request's resource."""
    arn: str = original(service, *rest)
    if service != "cloudformation" or not arn.endswith("/*"):
        return arn
    stack = cloudformation._stacks.get(arn.split("/")[1])
    return stack["StackId"] if stack else arn
