"""Threads that want the same thing share one call for it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.waiting import PATIENCE_SECONDS, wait_until
from token_broker_client import InvalidRequest, Unreachable
from token_broker_client.flights import Flights


class Call:
    """A call that lasts until it is let go."""

    def __init__(self, outcome: int | BaseException) -> None:
        self.outcome = outcome
        self.begun = threading.Event()
        self.go = threading.Event()
        self.times = 0

    def __call__(self) -> int:
        self.times += 1
        self.begun.set()
        assert self.go.wait(PATIENCE_SECONDS)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def test_one_call_serves_all_who_wait() -> None:
    flights: Flights[int] = Flights()
    call = Call(7)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(flights.share, "key", call) for _ in range(8)]
        assert call.begun.wait(PATIENCE_SECONDS)
        call.go.set()
        results = [one.result(PATIENCE_SECONDS) for one in waiting]
    assert {value for value, _ in results} == {7}
    assert sum(is_mine for _, is_mine in results) == call.times


@pytest.mark.parametrize(
    ("raised", "told"), [(InvalidRequest("no"), InvalidRequest), (SystemExit(), Unreachable)]
)
def test_all_are_told_of_a_failure(raised: BaseException, told: type[Exception]) -> None:
    """But the end of one thread is not the end of the others."""
    flights: Flights[int] = Flights()
    call = Call(raised)
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(flights.share, "key", call)
        assert call.begun.wait(PATIENCE_SECONDS)
        follower = pool.submit(flights.share, "key", call)
        wait_for_a_waiter(flights)
        call.go.set()
        assert isinstance(follower.exception(PATIENCE_SECONDS), told)
        assert leader.exception(PATIENCE_SECONDS) is raised
    assert call.times == 1


def test_a_failure_is_not_kept() -> None:
    flights: Flights[int] = Flights()
    with pytest.raises(ZeroDivisionError):
        flights.share("key", lambda: 1 // 0)
    assert flights.share("key", lambda: 1) == (1, True)


def test_alone_does_not_wait() -> None:
    flights: Flights[int] = Flights()
    call = Call(7)
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(flights.alone, "key", call)
        assert call.begun.wait(PATIENCE_SECONDS)
        assert flights.alone("key", call) is None
        assert flights.alone("other", lambda: 1) == 1
        call.go.set()
        assert leader.result(PATIENCE_SECONDS) == 7


def wait_for_a_waiter(flights: Flights[int]) -> None:
    """Wait until a thread waits for the call that is on its way."""
    wait_until(lambda: vars(flights._flying["key"]._condition)["_waiters"])
