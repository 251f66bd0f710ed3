"""`aws:PrincipalArn` of who has assumed a role is the role's ARN, not the session's.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
"""

import re
from typing import Any

from ministack.core import iam_evaluator

from stack.emulator.replacing import Wrapper, around

SESSION = re.compile(
    r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.*"
)


@around(iam_evaluator, "_resolve_condition_key")
def resolve(original: Wrapper, key: str, context: Any) -> Any:
    """Return what *key* is in a request."""
    found = original(key, context)
    if key.lower() != "aws:principalarn" or not (session := SESSION.fullmatch(found)):
        return found
    return "arn:{partition}:iam::{account}:role/{role}".format(**session.groupdict())
