"""Threads that want the same thing share one call for it."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

from token_broker_client.errors import Unreachable

T = TypeVar("T")


class Flights(Generic[T]):
    """The calls that are on their way."""

    def __init__(self) -> None:
        self._flying: dict[Hashable, Future[T]] = {}
        self._lock = Lock()

    def share(self, key: Hashable, call: Callable[[], T]) -> tuple[T, bool]:
        """Return what *call* returns, or what another thread's call for *key* does.

        Also says whether the call was this thread's own. What the call raises, everyone is told.
        """
        future, is_mine = self._board(key)
        return (self._fly(key, future, call), True) if is_mine else (future.result(), False)

    def alone(self, key: Hashable, call: Callable[[], T]) -> T | None:
        """Return what *call* returns, or None at once if another thread is at it."""
        future, is_mine = self._board(key)
        return self._fly(key, future, call) if is_mine else None

    def _board(self, key: Hashable) -> tuple[Future[T], bool]:
        with self._lock:
            if key in self._flying:
                return self._flying[key], False
            future = self._flying[key] = Future()
            return future, True

    def _fly(self, key: Hashable, future: Future[T], call: Callable[[], T]) -> T:
        try:
            result = call()
        except Exception as error:
            self._land(key)
            future.set_exception(error)
            raise
        except BaseException:
            self._land(key)
            future.set_exception(Unreachable("the thread that asked the broker was ended"))
            raise
        self._land(key)
        future.set_result(result)
        return result

    def _land(self, key: Hashable) -> None:
        with self._lock:
            del self._flying[key]
