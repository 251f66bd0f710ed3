"""Callers that want the same token share one call, and each waits until its own deadline.

A call runs in a separate thread. So no caller waits beyond its deadline, even if the call hangs. A
task waits without a thread, and its cancellation ends the wait at once. A caller that gives up does
not end the call for the others.
"""

import os
import sys
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from copy import copy
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

from token_broker_client.deadline import Deadline
from token_broker_client.errors import BrokerError, Unreachable

T = TypeVar("T")


def when_forked(reset: Callable[[], None]) -> None:
    """Have *reset* called in each child that is forked from this process, which lives as long.

    The child has no thread of its parent. So a lock that one of them holds is never released, and a
    call that runs in one of them never ends.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=reset)


class SharedCall(Generic[T]):
    """One call that runs until *deadline*."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self._future: Future[T] = Future()

    @property
    def is_done(self) -> bool:
        """Say whether there is an outcome."""
        return self._future.done()

    def outcome(self) -> T:
        """Return what the call returned, or raise what it raised; `Unreachable` while it runs."""
        if not self.is_done:
            raise Unreachable("the broker did not answer in time")
        error = self._future.exception(0)
        if isinstance(error, BrokerError):
            # Its own for each caller: each `raise` adds its stack and its context to the error.
            raise copy(error).with_traceback(error.__traceback__)
        return self._future.result(0)

    def wait(self, deadline: Deadline) -> None:
        """Return when there is an outcome, or at *deadline*."""
        with suppress(Exception):
            self._future.exception(deadline.left)

    async def wait_async(self, deadline: Deadline) -> None:
        """Return when there is an outcome, or at *deadline*, under asyncio or trio."""
        import anyio  # noqa: PLC0415 (httpx brings it)

        landed, run_soon = anyio.Event(), _loop()

        def wake(_: object) -> None:
            with suppress(RuntimeError):  # the loop has ended, and its tasks too
                run_soon(landed.set)

        self._future.add_done_callback(wake)
        with anyio.move_on_after(deadline.left):
            await landed.wait()

    def start(self, call: Callable[[], T], ended: Callable[[], None] = lambda: None) -> None:
        """Make the call in a thread, keep its result or exception as the outcome; call *ended*."""
        context = copy_context()

        def run() -> None:
            try:
                self._future.set_result(context.run(call))
            except Exception as error:  # noqa: BLE001 (the waiting callers raise it)
                self._future.set_exception(error)
            except BaseException:  # noqa: BLE001 (only this thread ends)
                self._future.set_exception(
                    Unreachable("the thread that asked the broker was ended")
                )
            finally:
                ended()

        try:
            Thread(target=run, name="token-broker-client", daemon=True).start()
        except RuntimeError:  # no thread can be started, for example at the interpreter's end
            run()


class SingleFlight(Generic[T]):
    """The running calls, by key."""

    def __init__(self) -> None:
        self._pending: dict[Hashable, SharedCall[T]] = {}
        self._lock = Lock()

    def clear(self) -> None:
        """Let no later caller join the running calls."""
        with self._lock:
            self._pending.clear()

    def join(
        self, key: Hashable, call: Callable[[], T], deadline: Deadline
    ) -> tuple[SharedCall[T], bool]:
        """Return the running call for *key*, and whether this began it.

        A call whose deadline is over is not joined: it may hang, or was frozen.
        """
        with self._lock:
            pending = self._pending.get(key)
            if pending and not (pending.is_done or pending.deadline.is_over):
                return pending, False
            shared_call = self._pending[key] = SharedCall[T](deadline)
        shared_call.start(call, lambda: self._remove(key, shared_call))
        return shared_call, True

    def _remove(self, key: Hashable, shared_call: SharedCall[T]) -> None:
        with self._lock:
            if self._pending.get(key) is shared_call:
                del self._pending[key]


def _loop() -> Callable[[Callable[[], object]], object]:
    """Return the function by which any thread has the running event loop call something soon."""
    import asyncio  # noqa: PLC0415 (only where there are tasks)

    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        trio: Any = sys.modules["trio"]  # it is running
        run_soon: Callable[[Callable[[], object]], object]
        run_soon = trio.lowlevel.current_trio_token().run_sync_soon
        return run_soon
