"""The `errorType` of a function that raises is the exception's class.

https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html
"""

import threading
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from stack.emulator.replacing import Wrapper, around

UNTYPED = '"status": "error", "error": str(e), "trace"'
TYPED = '"status": "error", "type": type(e).__name__, "error": str(e), "trace"'
current = threading.local()

script = lambda_runtime._PYTHON_WORKER_SCRIPT
if script.count(UNTYPED) != 1:
    raise SystemExit("the emulator's worker no longer tells of an exception where it did")
lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(UNTYPED, TYPED)


@around(lambda_runtime.Worker, "invoke")
def invoke(original: Wrapper, *arguments: Any, **named: Any) -> Any:
    """Invoke a function, and remember the class of what it raised for this thread."""
    answer = original(*arguments, **named)
    current.kind = answer.get("type")
    return answer


@around(lambda_svc, "_execute_function_warm")
def execute(original: Wrapper, *arguments: Any, **named: Any) -> Any:
    """Invoke a function, and answer with that class."""
    current.kind = None
    answer = original(*arguments, **named)
    if answer.get("error") and current.kind:
        answer["body"]["errorType"] = current.kind
    return answer
