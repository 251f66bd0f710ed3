"""Condition key `lambda:SourceFunctionArn`: the function that sends a request by its role.

https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
"""

from typing import Any

from ministack.core import iam_evaluator, lambda_runtime
from ministack.services import lambda_svc, sts

from stack.emulator.patching import Function, patch

MEMBER = "SourceFunctionArn"
UNQUALIFIED = 7
"""Parts of a function's ARN before the version or alias."""


@patch(lambda_runtime, "execution_credentials")
def credentials(original: Function, config: dict[str, Any]) -> dict[str, str]:
    """Return a function's credentials, and keep the function in their session."""
    result: dict[str, str] = original(config)
    session = sts._sessions.get(result["AWS_ACCESS_KEY_ID"])
    session[MEMBER] = ":".join(config["FunctionArn"].split(":")[:UNQUALIFIED])
    return result


@patch(iam_evaluator, "_principal_keys")
def principal_keys(original: Function, credential: Any) -> dict[str, Any]:
    """Return the condition keys of the principal."""
    keys: dict[str, Any] = original(credential)
    session = sts._sessions.get(credential.access_key_id) or {}
    return keys | ({"lambda:sourcefunctionarn": session[MEMBER]} if MEMBER in session else {})


assert lambda_svc.execution_credentials is lambda_runtime.execution_credentials  # noqa: S101
