"""Calls to AWS: their errors, their timeouts, and the order of the two clients."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.unit.memory_broker import raising
from token_broker.aws import clients
from token_broker.aws.clients import EVENTS, LAST, USUAL, FastFirst, Timeouts, call
from token_broker.aws.errors import RESOURCES
from token_broker.aws.operations import OPERATIONS
from token_broker.errors import StoreUnavailable

CANARY = "c4nary"


class Failing:
    """A client whose every operation raises *error*."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, operation: str) -> Any:
        def fail(**_: Any) -> NoReturn:
            raise self._error

        return fail


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_unreachable_service_is_named_without_quoting_the_error(operation: str) -> None:
    """Neither in the message nor as context of the exception."""
    error = EndpointConnectionError(endpoint_url=CANARY)
    what, _ = RESOURCES[OPERATIONS[operation].service]
    # To make a client asks for credentials, where a snapshot of the function is restored.
    for client in (lambda: Failing(error), raising(error)):
        with pytest.raises(StoreUnavailable) as raised:
            call(client, operation)
        assert raised.value.detail == f"{what} cannot be reached (EndpointConnectionError)"
        assert CANARY not in f"{raised.value!r}"
        assert raised.value.__cause__ is raised.value.__context__ is None


@pytest.mark.parametrize(("timeouts", "seconds"), [(USUAL, 7.0), (EVENTS, 4.0), (LAST, 1.5)])
def test_the_worst_case_sums_the_attempts_and_the_pauses(
    timeouts: Timeouts, seconds: float
) -> None:
    """A call is sent only if its worst case ends within the invocation."""
    assert timeouts.worst_seconds == seconds


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], AbstractContextManager[None]]:
    """Return a context with that many seconds left of an invocation, by a fixed clock."""
    monkeypatch.setattr(clients, "monotonic", lambda: 4096.0)
    return clients.until


@pytest.mark.parametrize(
    ("service", "seconds", "timeouts"),
    [
        *(("kms", 20.0, USUAL), ("kms", 7.0, USUAL), ("kms", 6.875, LAST), ("kms", 1.5, LAST)),
        *(("events", 4.0, EVENTS), ("events", 3.875, LAST), ("events", 1.5, LAST)),
    ],
)
def test_timeouts_shrink_with_the_remaining_time(
    left: Callable[[float], AbstractContextManager[None]],
    service: str,
    seconds: float,
    timeouts: Timeouts,
) -> None:
    """No call to AWS is begun that may end after the invocation."""
    with left(seconds):
        assert clients._timeouts(service) == timeouts
        assert clients.seconds_left() == seconds
    assert clients.seconds_left() == math.inf


def test_a_call_is_not_sent_when_too_little_time_is_left(
    left: Callable[[float], AbstractContextManager[None]],
) -> None:
    """The caller gets an error in time."""
    with left(1.375), pytest.raises(StoreUnavailable) as raised:
        clients.kms()
    assert raised.value.detail == "too little time was left to ask kms"
    assert raised.value.retry_after == 1


@pytest.mark.parametrize(("seconds", "calls"), [(2.0, ["fast", "boto3"]), (1.875, ["boto3"])])
def test_the_fast_client_is_skipped_when_time_is_left_only_for_boto3(
    left: Callable[[float], AbstractContextManager[None]], seconds: float, calls: list[str]
) -> None:
    """The fast client may take a second to connect and a second to read."""
    found: list[str] = []
    boto3 = SimpleNamespace(get_item=lambda **_: found.append("boto3"))
    fast = SimpleNamespace(call=lambda *_: found.append("fast"))
    with left(seconds):
        call(FastFirst(lambda: boto3, cast("Any", fast)), "get_item")
    assert found == calls
