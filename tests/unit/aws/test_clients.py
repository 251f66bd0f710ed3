"""The one door to AWS: what its errors mean, whichever operation they come from."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import pytest
from botocore.exceptions import EndpointConnectionError

from token_broker.aws import clients
from token_broker.aws.clients import EVENTS, LAST, USUAL, FastFirst, Timeouts, call
from token_broker.aws.errors import RESOURCES
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


@pytest.mark.parametrize("operation", RESOURCES)
def test_a_service_that_cannot_be_reached_is_named_and_nothing_is_quoted(operation: str) -> None:
    """Neither in the text nor as its context."""
    error = EndpointConnectionError(endpoint_url=CANARY)
    with pytest.raises(StoreUnavailable) as raised:
        call(lambda: Failing(error), operation)
    assert RESOURCES[operation].name in raised.value.detail
    assert CANARY not in f"{raised.value!r}"
    assert raised.value.__cause__ is raised.value.__context__ is None


@pytest.mark.parametrize(("timeouts", "seconds"), [(USUAL, 7.0), (EVENTS, 4.0), (LAST, 1.5)])
def test_the_worst_case_has_each_attempt_and_the_pauses_between(
    timeouts: Timeouts, seconds: float
) -> None:
    """A call is sent only if that ends within the invocation."""
    assert timeouts.worst_seconds == seconds


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], AbstractContextManager[None]]:
    """Return what leaves so many seconds of an invocation, by a clock that stands still."""
    monkeypatch.setattr(clients, "monotonic", lambda: 4096.0)
    return clients.until


@pytest.mark.parametrize(
    ("service", "seconds", "timeouts"),
    [
        *(("kms", 20.0, USUAL), ("kms", 7.0, USUAL), ("kms", 6.875, LAST), ("kms", 1.5, LAST)),
        *(("events", 4.0, EVENTS), ("events", 3.875, LAST), ("events", 1.5, LAST)),
    ],
)
def test_what_is_asked_late_is_waited_for_less(
    left: Callable[[float], AbstractContextManager[None]],
    service: str,
    seconds: float,
    timeouts: Timeouts,
) -> None:
    """No call of AWS is begun that may not be over in time."""
    with left(seconds):
        assert clients._timeouts(service) == timeouts
        assert clients.seconds_left() == seconds
    assert clients.seconds_left() == math.inf


def test_what_cannot_be_answered_in_time_is_not_asked(
    left: Callable[[float], AbstractContextManager[None]],
) -> None:
    """The caller is told so while it still can be."""
    with left(1.375), pytest.raises(StoreUnavailable) as raised:
        clients.kms()
    assert raised.value.detail == "too little time was left to ask kms"
    assert raised.value.retry_after == 1


@pytest.mark.parametrize(("seconds", "asked"), [(2.0, ["fast", "boto3"]), (1.875, ["boto3"])])
def test_the_fast_client_is_asked_while_both_may_be(
    left: Callable[[float], AbstractContextManager[None]], seconds: float, asked: list[str]
) -> None:
    """It connects and waits for a second each; after that boto3 alone is asked."""
    found: list[str] = []
    boto3 = SimpleNamespace(get_item=lambda **_: found.append("boto3"))
    fast = SimpleNamespace(call=lambda *_: found.append("fast"))
    with left(seconds):
        call(FastFirst(lambda: boto3, cast("Any", fast)), "get_item")
    assert found == asked
