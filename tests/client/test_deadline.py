"""A retryable error is waited out as far as patience reaches; any other one is final."""

import pytest

from token_broker_client import (
    BrokerError,
    CredentialRejected,
    RefreshInProgress,
    UpstreamUnavailable,
)
from token_broker_client.patience import FIRST_PAUSE, LEAST, LONGEST_PAUSE, Patience


class Hours:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, seconds: float = 10.0, dice: float = 1.0) -> Patience:
        return Patience(seconds, lambda: self.now, self.sleep, lambda: dice)


class Failing:
    """A call that fails with one error after the other, then works."""

    def __init__(self, *errors: BrokerError) -> None:
        self.errors = list(errors)
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> str:
        self.seconds.append(seconds)
        if self.errors:
            raise self.errors.pop(0)
        return "token"


def test_tries_again_and_tells_each_try_what_is_left() -> None:
    hours, call = Hours(), Failing(RefreshInProgress("busy"), RefreshInProgress("busy"))
    assert hours.patience().spend(call) == "token"
    assert hours.slept == [FIRST_PAUSE, 2 * FIRST_PAUSE]
    assert call.seconds == pytest.approx([10, 10 - FIRST_PAUSE, 10 - 3 * FIRST_PAUSE])


def test_waits_as_long_as_it_is_told_and_a_little_more_by_chance() -> None:
    """So that not all callers come back at the same moment."""
    hours = Hours()
    hours.patience(dice=0.5).spend(Failing(UpstreamUnavailable("down", retry_after=3)))
    assert hours.slept == [3 + FIRST_PAUSE / 2]


def test_does_not_wait_for_what_it_would_not_live_to_see() -> None:
    hours, error = Hours(), UpstreamUnavailable("down", retry_after=60)
    with pytest.raises(UpstreamUnavailable) as caught:
        hours.patience().spend(Failing(error))
    assert caught.value is error
    assert hours.slept == []


def test_ends_in_total() -> None:
    """However many tries there are, and though each pause is short enough by itself."""
    hours, call = Hours(), Failing(*[RefreshInProgress("busy") for _ in range(100)])
    with pytest.raises(RefreshInProgress):
        hours.patience().spend(call)
    assert 100 < hours.now < 110
    assert max(hours.slept) <= LONGEST_PAUSE
    assert all(seconds > 0 for seconds in call.seconds)


def test_a_sleep_that_takes_too_long_leaves_time_for_a_try() -> None:
    """A frozen Lambda, for one: no call is made with no time at all."""
    hours, call = Hours(), Failing(RefreshInProgress("busy"))
    patience = Patience(10, lambda: hours.now, lambda _: hours.sleep(60), lambda: 0.0)
    assert patience.spend(call) == "token"
    assert call.seconds == [10, LEAST]


def test_an_error_that_will_not_pass_is_not_tried_again() -> None:
    hours, call = Hours(), Failing(CredentialRejected("wrong", retry_after=1))
    with pytest.raises(CredentialRejected):
        hours.patience().spend(call)
    assert len(call.seconds) == 1
