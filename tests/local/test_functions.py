"""A function is invoked as by Lambda; what comes of its handler, `test_invocations` shows."""

import json
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from tests.waiting import PATIENCE_SECONDS
from token_broker_local.functions import RESPONSE_LIMIT, Function, LambdaContext, Outcome
from token_broker_local.messages import HttpRequest, HttpResponse


def called(handler: Any, timeout: float = PATIENCE_SECONDS) -> tuple[Any, bool]:
    outcome = Function("token-broker-vntana", handler, timeout).invoke(b"{}")
    return json.loads(outcome.payload), outcome.failed


def test_the_context_has_the_attributes_of_lambdas_context() -> None:
    """Libraries such as Powertools read several of them."""
    contexts: list[LambdaContext] = []
    called(lambda _, context: contexts.append(context))
    (context,) = contexts
    assert context.function_name == "token-broker-vntana"
    assert context.function_version == "$LATEST"
    assert context.invoked_function_arn == (
        "arn:aws:lambda:eu-west-1:123456789012:function:token-broker-vntana"
    )
    assert context.memory_limit_in_mb == "1024"
    assert len(context.aws_request_id) == 36
    assert context.log_group_name == "/aws/lambda/token-broker-vntana"
    assert "[$LATEST]" in context.log_stream_name
    assert context.identity is context.client_context is None


@pytest.mark.parametrize(("now", "left"), [(64.0, 8000), (66.5, 5500), (72.0, 0), (99.0, 0)])
def test_the_remaining_time_decreases_to_zero(
    now: float, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr("token_broker_local.functions.time", stopped)
    context = LambdaContext("any", timeout=8.0, started=64.0)
    assert context.get_remaining_time_in_millis() == left


def test_a_handler_beyond_its_timeout_is_reported_as_timed_out() -> None:
    """With Lambda's error type and message."""
    is_over = threading.Event()
    problem, failed = called(lambda *_: is_over.wait(PATIENCE_SECONDS), timeout=0.05)
    is_over.set()
    assert failed
    assert problem["errorType"] == "Sandbox.Timedout"
    assert problem["errorMessage"].endswith("Task timed out after 0.05 seconds")


@pytest.mark.parametrize(("beyond", "is_too_large"), [(0, False), (1, True)])
def test_an_answer_beyond_lambdas_limit_is_an_error(beyond: int, is_too_large: bool) -> None:
    size = RESPONSE_LIMIT + beyond - len('""')
    answer, failed = called(lambda *_: "x" * size)
    assert failed is is_too_large
    assert not failed or answer["errorType"] == "Function.ResponseSizeTooLarge"


@pytest.mark.parametrize(
    "value",
    [
        Outcome(b"t0ken"),
        HttpRequest("GET", "/", "t0ken", [("Authorization", "t0ken")], b"t0ken"),
        HttpResponse(200, [("Authorization", "t0ken")], b"t0ken"),
    ],
    ids=type,
)
def test_no_repr_shows_a_token(value: object) -> None:
    """A traceback or a log may show it."""
    assert "t0ken" not in repr(value)
