"""A retryable error is waited out as far as the deadline reaches; any other one is final."""

import math
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


class Hours:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def retry(self, call: Any, seconds: float = 10.0, random: float = 1.0) -> Any:
        """Return what *call* returns in the end."""
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


def test_tries_again_and_tells_each_try_what_is_left() -> None:
    hours, call = Hours(), Failing(*[RefreshInProgress("busy") for _ in range(3)])
    assert hours.retry(call) == "token"
    assert hours.slept == [0.2, 0.4, 0.8]
    assert call.seconds == pytest.approx([10, 9.8, 9.4, 8.6])


def test_waits_as_long_as_it_is_told_and_a_little_more_by_chance() -> None:
    """So that not all callers come back at the same moment."""
    hours = Hours()
    hours.retry(Failing(UpstreamUnavailable("down", retry_after=3)), random=0.5)
    assert hours.slept == [3.1]


@pytest.mark.parametrize("retry_after", [10, 60])
def test_does_not_wait_for_what_it_would_not_live_to_see(retry_after: int) -> None:
    hours, error = Hours(), UpstreamUnavailable("down", retry_after=retry_after)
    with pytest.raises(UpstreamUnavailable) as caught:
        hours.retry(Failing(error), random=0)
    assert caught.value is error
    assert hours.slept == []


def test_ends_in_total() -> None:
    """However many tries there are, and though each pause is short enough by itself."""
    hours, call = Hours(), Failing(*[RefreshInProgress("busy") for _ in range(100)])
    with pytest.raises(RefreshInProgress):
        hours.retry(call)
    assert 105 <= hours.now < 110
    assert max(hours.slept) <= 5
    assert all(seconds > 0 for seconds in call.seconds)
    hours, call = Hours(), Failing(*[RefreshInProgress("busy") for _ in range(100)])
    with pytest.raises(RefreshInProgress):
        hours.retry(call, seconds=100)
    assert max(hours.slept) == 5


def test_no_call_is_made_after_the_deadline() -> None:
    """A process may be frozen while it sleeps: a Lambda between two invocations."""
    hours, call = Hours(), Failing(RefreshInProgress("busy"))
    patience = Patience(10, lambda: hours.now, lambda _: hours.sleep(60), lambda: 0.0)
    with pytest.raises(RefreshInProgress):
        patience.retry(call, patience.begin())
    assert call.seconds == [10]


def test_an_error_that_will_not_pass_is_not_tried_again() -> None:
    hours, call = Hours(), Failing(CredentialRejected("wrong", retry_after=1))
    with pytest.raises(CredentialRejected):
        hours.retry(call)
    assert len(call.seconds) == 1


def test_a_deadline_is_one_moment() -> None:
    """It may be brought forward, and never put off."""
    hours = Hours()
    deadline = Deadline.after(10, lambda: hours.now)
    hours.sleep(4)
    assert (deadline.left, deadline.is_over) == (6, False)
    assert deadline.within(5).left == 5
    assert deadline.within(7).left == 6
    hours.sleep(6)
    assert (deadline.left, deadline.is_over) == (0, True)
    hours.sleep(1)
    assert deadline.left == 0


MADE: dict[str, Callable[..., Broker]] = {
    "url": partial(Broker.from_url, API),
    "function": partial(Broker.from_function, "token-broker"),
}


@pytest.mark.parametrize("made", MADE.values(), ids=MADE.keys())
@pytest.mark.parametrize(
    ("name", "most", "shown"), [("patience", 3600, "3600"), ("max_age", 86_400, "86400")]
)
def test_seconds_are_taken_or_refused_at_once(
    made: Callable[..., Broker], name: str, most: int, shown: str
) -> None:
    """By the name that the caller gave, and not by some library once a token is wanted."""
    for seconds in (0.001, 7, most):
        access = made(**{name: seconds}).access("vntana", "acme")
        taken = {"patience": 20, "max_age": 300} | {name: seconds}
        assert {"patience": access._patience.seconds, "max_age": access._max_age} == taken
    range_ = f"{name}: must be above 0, and {shown} seconds at most"
    kind = f"{name}: must be a number of seconds"
    for value, detail in (
        *[(number, range_) for number in (0, -1, most + 1, math.inf, math.nan)],
        *[(other, kind) for other in ("20", None, True)],
    ):
        with refused(InvalidRequest, detail):
            made(**{name: value})
