"""Callers that want the same thing share one call for it, and each waits only as long as it can."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio

from tests.waiting import PATIENCE_SECONDS, SOON_SECONDS, wait_until
from token_broker_client import InvalidRequest, Unreachable
from token_broker_client.deadline import Deadline
from token_broker_client.single_flight import Flight, SingleFlight

RUNS: dict[str, Callable[[Any], Any]] = {
    "asyncio": lambda main: asyncio.run(main()),
    "trio": trio.run,
}


class Call:
    """A call that lasts until it is let go."""

    def __init__(self, outcome: int | BaseException) -> None:
        self.outcome = outcome
        self.begun = threading.Event()
        self.go = threading.Event()
        self.times = 0

    def __call__(self, _: Deadline) -> int:
        self.times += 1
        self.begun.set()
        assert self.go.wait(PATIENCE_SECONDS)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def long() -> Deadline:
    return Deadline.after(PATIENCE_SECONDS)


def landed(flight: Flight[int]) -> Flight[int]:
    """Return *flight* once there is an outcome."""
    flight.wait(long())
    assert flight.has_landed
    return flight


def test_one_call_serves_all_who_wait() -> None:
    flights: SingleFlight[int] = SingleFlight()
    call = Call(7)
    with ThreadPoolExecutor(8) as pool:
        joined = list(pool.map(lambda _: flights.join("key", call, long()), range(8)))
    assert sum(is_mine for _, is_mine in joined) == 1
    assert len({id(flight) for flight, _ in joined}) == 1
    call.go.set()
    assert landed(joined[0][0]).outcome() == 7
    assert call.times == 1


def test_what_is_for_something_else_is_another_call() -> None:
    flights: SingleFlight[int] = SingleFlight()
    call = Call(7)
    flights.join("key", call, long())
    other, is_mine = flights.join("other", lambda _: 1, long())
    assert is_mine
    assert landed(other).outcome() == 1
    call.go.set()


@pytest.mark.parametrize(
    ("raised", "told"), [(InvalidRequest("no"), InvalidRequest), (SystemExit(), Unreachable)]
)
def test_all_are_told_of_a_failure(raised: BaseException, told: type[Exception]) -> None:
    """But the end of the thread that asked is not the end of those who wait."""
    flights: SingleFlight[int] = SingleFlight()
    call = Call(raised)
    flight, _ = flights.join("key", call, long())
    call.go.set()
    for _ in range(2):
        with pytest.raises(told):
            landed(flight).outcome()


def test_an_outcome_is_not_kept() -> None:
    """Neither a failure nor a success: that is the cache's."""
    flights: SingleFlight[int] = SingleFlight()
    for outcome in (InvalidRequest("no"), 1):
        call = Call(outcome)
        call.go.set()
        flight, is_mine = flights.join("key", call, long())
        assert is_mine
        landed(flight)
    assert call.times == 1


def test_who_waits_does_so_until_its_own_deadline_and_not_the_others() -> None:
    flights: SingleFlight[int] = SingleFlight()
    call = Call(7)
    flight, _ = flights.join("key", call, long())
    began = time.monotonic()
    flight.wait(Deadline.after(0.05))
    assert not flight.has_landed
    assert time.monotonic() - began < SOON_SECONDS
    call.go.set()
    assert landed(flight).outcome() == 7


def test_a_call_that_should_have_ended_is_joined_by_none() -> None:
    """It may be stuck, or have been frozen. That it ends at last takes nothing from the next."""
    flights: SingleFlight[int] = SingleFlight()
    stuck, fresh, threads = Call(1), Call(2), threading.active_count() + 1
    old, _ = flights.join("key", stuck, Deadline.after(0))
    new, is_mine = flights.join("key", fresh, long())
    assert is_mine
    stuck.go.set()
    assert landed(old).outcome() == 1
    wait_until(lambda: threading.active_count() == threads)
    again, is_mine = flights.join("key", fresh, long())
    assert (again, is_mine) == (new, False)
    fresh.go.set()
    assert landed(new).outcome() == 2


def test_a_call_sees_what_its_caller_has_set() -> None:
    """As traces do it, and logs."""
    name: ContextVar[str] = ContextVar("name")
    name.set("orders")
    flights: SingleFlight[str] = SingleFlight()
    flight, _ = flights.join("key", lambda _: name.get(), long())
    flight.wait(long())
    assert flight.outcome() == "orders"


def test_where_no_thread_can_be_had_the_caller_asks_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of the interpreter, or at a limit of the system's."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    flights: SingleFlight[int] = SingleFlight()
    for _ in range(2):
        flight, is_mine = flights.join("key", lambda _: 1, long())
        assert is_mine
        assert flight.outcome() == 1


@pytest.mark.parametrize("loop", RUNS)
def test_tasks_wait_without_threads(loop: str) -> None:
    """A hundred of them, and one call; each has its outcome."""
    flights: SingleFlight[int] = SingleFlight()
    call = Call(7)
    outcomes: list[int] = []

    async def ask() -> None:
        flight, _ = flights.join("key", call, long())
        await flight.wait_async(long())
        outcomes.append(flight.outcome())

    async def main() -> None:
        before = threading.active_count()
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(ask)
            await anyio.lowlevel.checkpoint()  # each joins
            await anyio.lowlevel.checkpoint()
            assert call.begun.wait(PATIENCE_SECONDS)
            assert threading.active_count() <= before + 1
            call.go.set()

    RUNS[loop](main)
    assert outcomes == [7] * 100
    assert call.times == 1


@pytest.mark.parametrize("loop", RUNS)
def test_a_task_waits_until_its_deadline_and_is_cancelled_at_once(loop: str) -> None:
    """As the framework says it; the call goes on, for who else waits."""
    flights: SingleFlight[int] = SingleFlight()
    call = Call(7)

    async def main() -> None:
        flight, _ = flights.join("key", call, long())
        await flight.wait_async(Deadline.after(0.01))
        assert not flight.has_landed
        began = time.monotonic()
        with pytest.raises(TimeoutError), anyio.fail_after(0.01):
            await flight.wait_async(long())
        assert time.monotonic() - began < SOON_SECONDS
        call.go.set()
        await flight.wait_async(long())
        assert flight.outcome() == 7

    RUNS[loop](main)


def test_a_loop_that_has_ended_is_no_harm_to_the_call() -> None:
    """Its task left: there is none to be woken."""
    flights: SingleFlight[int] = SingleFlight()
    call = Call(7)

    async def leave() -> Flight[int]:
        flight, _ = flights.join("key", call, long())
        await flight.wait_async(Deadline.after(0.01))
        return flight

    flight = asyncio.run(leave())
    call.go.set()
    assert landed(flight).outcome() == 7
