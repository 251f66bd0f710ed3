"""A request that names a stack is about the stack's ARN, id included.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html
"""

from typing import Any

from ministack.core import iam_actions
from ministack.services import cloudformation

from stack.emulator.replacing import Wrapper, around


@around(iam_actions, "extract_resource_arn")
def resource(original: Wrapper, service: str, *rest: Any) -> str:
    """Return the ARN of what a request is about."""
    found: str = original(service, *rest)
    if service != "cloudformation" or not found.endswith("/*"):
        return found
    stack = cloudformation._stacks.get(found.split("/")[1])
    return stack["StackId"] if stack else found
