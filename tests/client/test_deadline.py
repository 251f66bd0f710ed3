"""A retryable error is retried until the deadline; any other error is final."""

import math
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.client.systems import refused
from token_broker_client import (
    Broker,
    BrokerError,
    CredentialRejected,
    InvalidRequest,
    RefreshInProgress,
    UpstreamUnavailable,
)
from token_broker_client.deadline import Deadline, Patience

API = "https://abc123.execute-api.eu-central-1.amazonaws.com/prod"


class Clock:
    """A clock that is moved by `sleep` only."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def retry(self, call: Any, seconds: float = 10.0, random: float = 1.0) -> Any:
        """Return the final result of *call*."""
        patience = Patience(seconds, lambda: self.now, self.sleep, lambda: random)
        return patience.retry(call, patience.begin())


class Failing:
    """A call that fails with one error after the other, then works."""

    def __init__(self, *errors: BrokerError) -> None:
        self.errors = list(errors)
        self.seconds: list[float] = []

    def __call__(self, deadline: Deadline) -> str:
        self.seconds.append(deadline.left)
        if self.errors:
            raise self.errors.pop(0)
        return "token"


def test_each_retry_gets_the_remaining_time() -> None:
    clock, call = Clock(), Failing(*[RefreshInProgress("busy") for _ in range(3)])
    assert clock.retry(call) == "token"
    assert clock.slept == [0.2, 0.4, 0.8]
    assert call.seconds == pytest.approx([10, 9.8, 9.4, 8.6])


def test_a_retry_waits_for_retry_after_plus_jitter() -> None:
    """So that callers do not all retry at the same moment."""
    clock = Clock()
    clock.retry(Failing(UpstreamUnavailable("down", retry_after=3)), random=0.5)
    assert clock.slept == [3.1]


@pytest.mark.parametrize("retry_after", [10, 60])
def test_a_retry_after_beyond_the_deadline_is_not_waited_for(retry_after: int) -> None:
    clock, error = Clock(), UpstreamUnavailable("down", retry_after=retry_after)
    with pytest.raises(UpstreamUnavailable) as caught:
        clock.retry(Failing(error), random=0)
    assert caught.value is error
    assert clock.slept == []


@pytest.mark.parametrize("seconds", [10.0, 100.0])
def test_retries_end_at_the_deadline(seconds: float) -> None:
    """However many attempts there are. A pause takes five seconds at most."""
    clock, call = Clock(), Failing(*[RefreshInProgress("busy") for _ in range(100)])
    with pytest.raises(RefreshInProgress):
        clock.retry(call, seconds)
    assert seconds - 5 <= clock.now - 100 < seconds
    assert max(clock.slept) == (5 if seconds == 100 else 3.2)
    assert all(left > 0 for left in call.seconds)


def test_no_call_is_made_after_the_deadline() -> None:
    """A process may be frozen while it sleeps: a Lambda between two invocations."""
    clock, call = Clock(), Failing(RefreshInProgress("busy"))
    patience = Patience(10, lambda: clock.now, lambda _: clock.sleep(60), lambda: 0.0)
    with pytest.raises(RefreshInProgress):
        patience.retry(call, patience.begin())
    assert call.seconds == [10]


def test_a_permanent_error_is_not_retried() -> None:
    clock, call = Clock(), Failing(CredentialRejected("wrong", retry_after=1))
    with pytest.raises(CredentialRejected):
        clock.retry(call)
    assert len(call.seconds) == 1


def test_by_default_a_call_has_20_seconds_and_the_systems_clock() -> None:
    assert Patience() == (20, time.monotonic, time.sleep, random.random)
    assert Patience.of(7) == Patience()._replace(seconds=7)


def test_a_deadline_can_be_shortened_but_not_extended() -> None:
    """After the deadline no time is left."""
    clock = Clock()
    deadline = Deadline.after(10, lambda: clock.now)
    clock.sleep(4)
    assert (deadline.left, deadline.is_over) == (6, False)
    assert deadline.within(5).left == 5
    assert deadline.within(7).left == 6
    clock.sleep(6)
    assert (deadline.left, deadline.is_over) == (0, True)
    clock.sleep(1)
    assert deadline.left == 0


MADE: dict[str, Callable[..., Broker]] = {
    "url": partial(Broker.from_url, API),
    "function": partial(Broker.from_function, "token-broker"),
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE.keys())
@pytest.mark.parametrize(
    ("name", "most", "shown"), [("patience", 3600, "3600"), ("max_age", 86_400, "86400")]
)
def test_patience_and_max_age_are_validated_at_once(
    made: Callable[..., Broker], name: str, most: int, shown: str
) -> None:
    """The error names the argument."""
    for seconds in (0.001, 7, most):
        access = made(**{name: seconds}).access("vntana", "acme")
        taken = {"patience": 20, "max_age": 300} | {name: seconds}
        assert {"patience": access._patience.seconds, "max_age": access._max_age} == taken
    for value in (0, -1, most + 1, math.inf, math.nan, "20", None, True):
        with refused(InvalidRequest, f"{name}: must be above 0, and {shown} seconds at most"):
            made(**{name: value})
