"""Policy variables such as `${aws:PrincipalTag/…}` in `Resource`.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

import re
from dataclasses import replace
from typing import Any

from ministack.core import iam_evaluator

from stack.emulator.patching import Function, patch

VARIABLE = re.compile(r"\$\{([^}*?$]+)\}")


@patch(iam_evaluator, "_first_match")
def first_match(original: Function, context: Any, statements: list[Any], effect: str) -> Any:
    """Return the first statement of *effect* that matches the request."""
    return original(context, [substitute(statement, context) for statement in statements], effect)


def substitute(statement: Any, context: Any) -> Any:
    """Return *statement* with the request's values. A variable without a value matches nothing."""
    if not any(VARIABLE.search(pattern) for pattern in statement.resources):
        return statement

    def value(match: re.Match[str]) -> str:
        text = iam_evaluator._resolve_condition_key(match[1], context)
        return text if isinstance(text, str) else "${no value}"

    resources = [VARIABLE.sub(value, pattern) for pattern in statement.resources]
    return replace(statement, resources=resources)
