"""A retryable error is waited out as far as the deadline reaches; any other one is final."""

from typing import Any

import pytest

from token_broker_client import (
    Broker,
    BrokerError,
    CredentialRejected,
    InvalidRequest,
    RefreshInProgress,
    UpstreamUnavailable,
)
from token_broker_client.deadline import FIRST_PAUSE, LONGEST_PAUSE, Deadline, Patience

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
    hours, call = Hours(), Failing(RefreshInProgress("busy"), RefreshInProgress("busy"))
    assert hours.retry(call) == "token"
    assert hours.slept == [FIRST_PAUSE, 2 * FIRST_PAUSE]
    assert call.seconds == pytest.approx([10, 10 - FIRST_PAUSE, 10 - 3 * FIRST_PAUSE])


def test_waits_as_long_as_it_is_told_and_a_little_more_by_chance() -> None:
    """So that not all callers come back at the same moment."""
    hours = Hours()
    hours.retry(Failing(UpstreamUnavailable("down", retry_after=3)), random=0.5)
    assert hours.slept == [3 + FIRST_PAUSE / 2]


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
    assert max(hours.slept) <= LONGEST_PAUSE
    assert all(seconds > 0 for seconds in call.seconds)
    hours, call = Hours(), Failing(*[RefreshInProgress("busy") for _ in range(100)])
    with pytest.raises(RefreshInProgress):
        hours.retry(call, seconds=100)
    assert max(hours.slept) == LONGEST_PAUSE


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


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "20", None, True, 3601])
def test_a_patience_that_none_can_have_is_refused_at_once(value: Any) -> None:
    """Through both channels; and not by some library, once a token is wanted."""
    with pytest.raises(InvalidRequest, match="patience"):
        Broker.from_url(API, patience=value)
    with pytest.raises(InvalidRequest, match="patience"):
        Broker.from_function("token-broker", patience=value)


def test_the_longest_patience_and_age_are_taken() -> None:
    """An hour, and a day; and there is no shortest."""
    for patience, age in ((3600, 86_400), (0.001, 0.001)):
        access = Broker.from_url(API, patience=patience, max_age=age).access("vntana", "acme")
        assert (access._patience.seconds, access._max_age) == (patience, age)


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "20", None, 86_401])
def test_an_age_that_no_token_can_have_is_refused_at_once(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="max_age"):
        Broker.from_url(API, max_age=value)
    with pytest.raises(InvalidRequest, match="max_age"):
        Broker.from_function("token-broker", max_age=value)
