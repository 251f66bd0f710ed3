"""A request with a key's alias has the key as its resource.

https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
"""

from typing import Any

from ministack.core import iam_actions
from ministack.services import kms

from stack.emulator.patching import Function, patch


@patch(iam_actions, "extract_resource_arn")
def resource(original: Function, service: str, *rest: Any) -> str:
    """Return the ARN of a request's resource."""
    arn: str = original(service, *rest)
    key = kms._aliases.get(arn) if service == "kms" else None
    return f"{arn.partition(':alias/')[0]}:key/{key}" if key else arn
