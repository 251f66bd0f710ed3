"""Condition key `aws:PrincipalArn` of a role's session is the role's ARN.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
"""

import re
from typing import Any

from ministack.core import iam_evaluator

from stack.emulator.patching import Function, patch

SESSION = re.compile(
    r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.*"
)


@patch(iam_evaluator, "_resolve_condition_key")
def resolve(original: Function, key: str, context: Any) -> Any:
    """Return the value of *key* in a request."""
    value = original(key, context)
    if key.lower() != "aws:principalarn" or not (session := SESSION.fullmatch(value)):
        return value
    return "arn:{partition}:iam::{account}:role/{role}".format(**session.groupdict())
