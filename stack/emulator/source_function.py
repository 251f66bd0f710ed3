"""`lambda:SourceFunctionArn`: which function's code makes a request with its role's credentials.

https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
"""

from typing import Any

from ministack.core import iam_evaluator, lambda_runtime
from ministack.services import lambda_svc, sts

from stack.emulator.replacing import Wrapper, around

MEMBER = "SourceFunctionArn"
UNQUALIFIED = 7
"""Parts of a function's ARN that come before a version or an alias."""


@around(lambda_runtime, "execution_credentials")
def credentials(original: Wrapper, config: dict[str, Any]) -> dict[str, str]:
    """Return a function's credentials, and remember whose they are."""
    given: dict[str, str] = original(config)
    session = sts._sessions.get(given["AWS_ACCESS_KEY_ID"])
    session[MEMBER] = ":".join(config["FunctionArn"].split(":")[:UNQUALIFIED])
    return given


@around(iam_evaluator, "_principal_keys")
def principal_keys(original: Wrapper, credential: Any) -> dict[str, Any]:
    """Return the condition keys that describe who calls."""
    keys: dict[str, Any] = original(credential)
    session = sts._sessions.get(credential.access_key_id) or {}
    return keys | ({"lambda:sourcefunctionarn": session[MEMBER]} if MEMBER in session else {})


assert lambda_svc.execution_credentials is lambda_runtime.execution_credentials  # noqa: S101
