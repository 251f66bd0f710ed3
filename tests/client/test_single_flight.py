"""Concurrent callers of one key share one call; each waits until its own deadline."""

import asyncio
import threading
import time
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
import pytest
import trio

from tests.waiting import PATIENCE_SECONDS, SOON_SECONDS, wait_until
from token_broker_client import BrokerError, InvalidRequest, Unreachable
from token_broker_client.deadline import Deadline
from token_broker_client.single_flight import SharedCall, SingleFlight

RUNS: dict[str, Callable[[Any], Any]] = {
    "asyncio": lambda main: asyncio.run(main()),
    "trio": trio.run,
}


class Call:
    """A call that blocks until `go` is set."""

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


Calls: TypeAlias = SingleFlight[int]


@pytest.fixture
def calls() -> Calls:
    return SingleFlight()


def long() -> Deadline:
    return Deadline.after(PATIENCE_SECONDS)


def result_of(shared_call: SharedCall[int]) -> SharedCall[int]:
    """Return *shared_call* once there is an outcome."""
    shared_call.wait(long())
    assert shared_call.is_done
    return shared_call


@pytest.mark.parametrize(
    ("raised", "result"),
    [
        (InvalidRequest("no"), "invalid_request: no"),
        (SystemExit(), "unreachable: the thread that asked the broker was ended"),
    ],
)
def test_all_callers_of_a_shared_call_get_its_error(
    calls: Calls, raised: BaseException, result: str
) -> None:
    """SystemExit in the thread of the call is an Unreachable for its callers.

    Each gets its own error, whose traceback has no stack of another caller.
    """
    call, stacks = Call(raised), []
    shared_call, _ = calls.join("key", call, long())
    call.go.set()
    for _ in range(2):
        with pytest.raises(BrokerError) as caught:
            result_of(shared_call).outcome()
        assert str(caught.value) == result
        stacks.append(traceback.format_exception(caught.value))
    assert len(stacks[0]) == len(stacks[1])


def test_a_caller_waits_until_its_own_deadline(calls: Calls) -> None:
    call = Call(7)
    shared_call, _ = calls.join("key", call, long())
    began = time.monotonic()
    shared_call.wait(Deadline.after(0.05))
    assert not shared_call.is_done
    with pytest.raises(Unreachable) as caught:
        shared_call.outcome()
    assert str(caught.value) == "unreachable: the broker did not answer in time"
    assert time.monotonic() - began < SOON_SECONDS
    call.go.set()
    assert result_of(shared_call).outcome() == 7
    wait_until(lambda: not calls._pending)  # or each outcome would be kept


def test_a_call_past_its_deadline_is_not_joined(calls: Calls) -> None:
    """It may hang. Its late end does not remove the next call."""
    stuck, fresh, threads = Call(1), Call(2), threading.active_count() + 1
    old, _ = calls.join("key", stuck, Deadline.after(0))
    new, is_mine = calls.join("key", fresh, long())
    assert is_mine
    stuck.go.set()
    assert result_of(old).outcome() == 1
    wait_until(lambda: threading.active_count() == threads)
    again, is_mine = calls.join("key", fresh, long())
    assert (again, is_mine) == (new, False)
    fresh.go.set()
    assert result_of(new).outcome() == 2


def test_a_call_runs_in_the_context_of_its_caller() -> None:
    """Tracing and logging use context variables."""
    name: ContextVar[str] = ContextVar("name")
    name.set("orders")
    shared_call, _ = SingleFlight[str]().join("key", name.get, long())
    shared_call.wait(long())
    assert shared_call.outcome() == "orders"


def test_a_call_runs_in_the_thread_of_the_caller_if_no_other_can_be_started(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the shutdown of the interpreter, or at a limit of the system."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    for _ in range(2):
        shared_call, is_mine = calls.join("key", lambda: 1, long())
        assert is_mine
        assert shared_call.outcome() == 1


@pytest.mark.parametrize("loop", RUNS)
def test_a_hundred_tasks_share_one_call_and_one_thread(calls: Calls, loop: str) -> None:
    """Each task gets the outcome."""
    call = Call(7)
    outcomes: list[int] = []

    async def ask() -> None:
        shared_call, _ = calls.join("key", call, long())
        await shared_call.wait_async(long())
        outcomes.append(shared_call.outcome())

    async def main() -> None:
        with anyio.fail_after(SOON_SECONDS):
            await ask_all()

    async def ask_all() -> None:
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


def test_a_call_continues_after_the_event_loop_of_a_caller_has_ended(
    calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    """No task is woken, and nothing is logged."""
    call = Call(7)

    async def leave() -> SharedCall[int]:
        shared_call, _ = calls.join("key", call, long())
        await shared_call.wait_async(Deadline.after(0.01))
        return shared_call

    shared_call = asyncio.run(leave())
    call.go.set()
    assert result_of(shared_call).outcome() == 7
    assert caplog.records == []
