"""Threads of one process that want the same token wait for one of them to get it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from weakref import WeakValueDictionary

from token_broker.errors import RefreshInProgress


class Flights:
    """A lock for each key that somebody is at."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[object, Lock] = WeakValueDictionary()
        self._guard = Lock()

    @contextmanager
    def hold(self, key: object, seconds: float) -> Iterator[None]:
        """Be alone with *key*. Raises `RefreshInProgress` if that takes longer than *seconds*."""
        with self._guard:
            lock = self._locks.setdefault(key, Lock())
        if not lock.acquire(timeout=max(0.0, seconds)):
            raise RefreshInProgress("another thread is renewing this token", retry_after=1)
        try:
            yield
        finally:
            lock.release()
