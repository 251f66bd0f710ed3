"""A request that names a key's alias is about the key.

https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
"""

from typing import Any

from ministack.core import iam_actions
from ministack.services import kms

from stack.emulator.replacing import Wrapper, around


@around(iam_actions, "extract_resource_arn")
def resource(original: Wrapper, service: str, *rest: Any) -> str:
    """Return the ARN of what a request is about."""
    found: str = original(service, *rest)
    key = kms._aliases.get(found) if service == "kms" else None
    return f"{found.partition(':alias/')[0]}:key/{key}" if key else found
