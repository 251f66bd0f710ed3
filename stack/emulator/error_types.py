"""The `errorType` of a function that raises is the exception's class.

https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
"""

import threading
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from stack.emulator.patching import Function, patch

UNTYPED = '"status": "error", "error": str(e), "trace"'
TYPED = '"status": "error", "type": type(e).__name__, "error": str(e), "trace"'
current = threading.local()

script = lambda_runtime._PYTHON_WORKER_SCRIPT
if script.count(UNTYPED) != 1:
    raise SystemExit("the emulator's worker no longer has the line that reports an exception")
lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(UNTYPED, TYPED)


@patch(lambda_runtime.Worker, "invoke")
def invoke(original: Function, *arguments: Any, **keywords: Any) -> Any:
    """Invoke a function, and keep its exception's class for this thread."""
    result = original(*arguments, **keywords)
    current.kind = result.get("type")
    return result


@patch(lambda_svc, "_execute_function_warm")
def execute(original: Function, *arguments: Any, **keywords: Any) -> Any:
    """Invoke a function, and return its result with that class."""
    current.kind = None
    result = original(*arguments, **keywords)
    if result.get("error") and current.kind:
        result["body"]["errorType"] = current.kind
    return result
