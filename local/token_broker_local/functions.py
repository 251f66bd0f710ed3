"""Lambda: the functions' handlers, loaded once, and an invocation with its context object."""

import importlib.util
import json
import math
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from token_broker_local import log_capture
from token_broker_local.addresses import FLOWS, MEMORY, TIMEOUT, function_arn, function_name

VERSION = "$LATEST"
INSTANCE = uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """One invocation of the function *function_name*, which has *timeout* seconds from now."""

    function_name: str
    timeout: float = TIMEOUT
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    function_version: str = VERSION
    memory_limit_in_mb: str = str(MEMORY)
    identity: object = None
    client_context: object = None
    started: float = field(default_factory=time.monotonic)

    @property
    def invoked_function_arn(self) -> str:
        """The ARN by which the function was called."""
        return function_arn(self.function_name)

    @property
    def log_group_name(self) -> str:
        """Where Lambda would log to."""
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        """The stream of this process."""
        return f"{datetime.now(UTC):%Y/%m/%d}/[{self.function_version}]{INSTANCE}"

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the function may still run."""
        left = self.timeout - (time.monotonic() - self.started)
        return max(0, int(left * 1000))


Handler: TypeAlias = Callable[[Any, Any], Any]

Report: TypeAlias = Callable[[str], object]

FOLDER = Path(__file__).parents[2] / "functions"

RESPONSE_LIMIT = 6_291_556
"""Bytes that Lambda takes back from a function: 6 MB and a little for the envelope."""


def ignore(line: str) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an invocation: the returned JSON, and whether it is an error."""

    payload: bytes = field(repr=False)
    failed: bool = False

    @property
    def summary(self) -> str:
        """An HTTP status, an error's name, or ``ok``."""
        answer = json.loads(self.payload)
        if self.failed:
            return str(answer["errorType"])
        return str(answer.get("statusCode", "ok")) if isinstance(answer, dict) else "ok"


@dataclass(frozen=True, slots=True)
class Function:
    """A handler under the rules of Lambda: JSON in, JSON out, and a time limit."""

    name: str
    handler: Handler
    timeout: float = TIMEOUT
    report: Report = ignore
    """Called with one line for each call."""
    on_output: Report = ignore
    """Called with the whole output of the handler in a call."""

    def invoke(self, payload: bytes, patience: float = math.inf) -> Outcome:
        """Call the handler in a separate thread, at most until its timeout.

        Lambda would end a handler that takes too long. A thread cannot be ended, so it goes on in
        the background, and its lease in the table expires. Raises `TimeoutError` if
        *patience*, in seconds, ends before the time limit does.
        """
        context = LambdaContext(self.name, self.timeout)
        outcomes: list[Outcome] = []
        thread = threading.Thread(
            target=lambda: outcomes.append(self.reported(payload, context)), daemon=True
        )
        thread.start()
        thread.join(min(self.timeout, patience))
        if not outcomes and patience < self.timeout:
            raise TimeoutError
        return outcomes[0] if outcomes else timed_out(context)

    def reported(self, payload: bytes, context: LambdaContext) -> Outcome:
        """Call the handler, and report the call."""
        with log_capture.capturing() as captured:
            outcome = self.outcome(payload, context)
        self.on_output(captured.getvalue())
        took = f"{round((time.monotonic() - context.started) * 1000)} ms"
        line = [log_capture.called(payload, self.name), outcome.summary, took]
        self.report(" ".join([*line, *log_capture.phrases(captured.getvalue())]))
        return outcome

    def outcome(self, payload: bytes, context: LambdaContext) -> Outcome:
        """Call the handler, and return its result in Lambda's form."""
        try:
            answer = json.dumps(self.handler(json.loads(payload), context)).encode()
        except Exception as error:  # noqa: BLE001 (Lambda catches everything, too)
            return failure(error, context)
        if len(answer) > RESPONSE_LIMIT:
            return oversized(context)
        return Outcome(answer)

    def invoke_later(self, payload: bytes) -> None:
        """Call the handler without waiting for it, as an asynchronous invocation does.

        Unlike Lambda, it does not try again a call that fails.
        """
        threading.Thread(target=self.invoke, args=(payload,), daemon=True).start()


def failure(error: Exception, context: LambdaContext) -> Outcome:
    """Return Lambda's error for a handler that raised *error*."""
    return problem(
        errorMessage=str(error),
        errorType=type(error).__name__,
        requestId=context.aws_request_id,
        stackTrace=traceback.format_tb(error.__traceback__)[1:],
    )


def timed_out(context: LambdaContext) -> Outcome:
    """Return Lambda's error for a handler that timed out."""
    return problem(
        errorType="Sandbox.Timedout",
        errorMessage=f"RequestId: {context.aws_request_id} "
        f"Error: Task timed out after {context.timeout:.2f} seconds",
    )


def oversized(context: LambdaContext) -> Outcome:
    """Return Lambda's error for an answer that is too large."""
    return problem(
        errorType="Function.ResponseSizeTooLarge",
        errorMessage=f"Response payload size exceeded maximum allowed payload size "
        f"({RESPONSE_LIMIT} bytes).",
        requestId=context.aws_request_id,
    )


def problem(**members: object) -> Outcome:
    """Return a failed outcome that holds *members*."""
    return Outcome(json.dumps(members).encode(), failed=True)


def load(
    flow: str, folder: Path = FOLDER, report: Report = ignore, on_output: Report = ignore
) -> Function:
    """Load the function of *flow* by its path, as all files have the same name."""
    path = folder / flow / "app.py"
    spec = importlib.util.spec_from_file_location(f"{flow}_app", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no function in {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Function(function_name(flow), module.handler, report=report, on_output=on_output)


def load_all(
    folder: Path = FOLDER, report: Report = ignore, on_output: Report = ignore
) -> Mapping[str, Function]:
    """Load every flow's function. The environment must be set: they read it as they are loaded."""
    return {flow: load(flow, folder, report, on_output) for flow in FLOWS}
