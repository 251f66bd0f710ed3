"""`${aws:PrincipalTag/…}` in a policy's `Resource` is filled in from the request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import re
from dataclasses import replace
from typing import Any

from ministack.core import iam_evaluator

from stack.emulator.replacing import Wrapper, around

VARIABLE = re.compile(r"\$\{([^}*?$]+)\}")


@around(iam_evaluator, "_first_match")
def first_match(original: Wrapper, context: Any, statements: list[Any], effect: str) -> Any:
    """Return the first statement of *effect* that is about the request."""
    return original(context, [filled(one, context) for one in statements], effect)


def filled(statement: Any, context: Any) -> Any:
    """Return *statement* for one request. A variable without a value matches no resource."""
    if not any(VARIABLE.search(pattern) for pattern in statement.resources):
        return statement

    def value(found: re.Match[str]) -> str:
        known = iam_evaluator._resolve_condition_key(found[1], context)
        return known if isinstance(known, str) else "${no value}"

    return replace(statement, resources=[VARIABLE.sub(value, one) for one in statement.resources])
