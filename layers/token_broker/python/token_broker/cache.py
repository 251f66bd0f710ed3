"""What this process read a moment ago: bounded in age and number, least recently used first out."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from weakref import WeakValueDictionary

from token_broker.errors import RefreshInProgress
from token_broker.item import Item
from token_broker.records import Record
from token_broker.tokens import Token


class SingleFlight:
    """A lock for each key that a thread is working on."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[object, Lock] = WeakValueDictionary()
        self._guard = Lock()

    @contextmanager
    def hold(self, key: object, seconds: float) -> Iterator[None]:
        """Hold the lock of *key*. Raises `RefreshInProgress` after *seconds* of waiting."""
        with self._guard:
            lock = self._locks.setdefault(key, Lock())
        if not lock.acquire(timeout=max(0.0, seconds)):
            raise RefreshInProgress("another thread is renewing this token", retry_after=1)
        try:
            yield
        finally:
            lock.release()


class CachedToken(Record):
    """A token in clear and the item that it was kept in, as of *read_at*."""

    item: Item
    token: Token
    read_at: int
    is_shared: bool = True
    """Whether another caller may have it too."""


class TokenCache:
    """Tokens by connection and variant. Threads may share it."""

    def __init__(self, seconds: int, entries: int) -> None:
        self._seconds = seconds
        self._entries = entries
        self._held: OrderedDict[tuple[str, str], CachedToken] = OrderedDict()
        self._lock = Lock()

    def recall(self, connection: str, variant: str) -> CachedToken | None:
        """Return what was last put there, however old: for when the table cannot be read."""
        with self._lock:
            held = self._held.get((connection, variant))
            if held:
                self._held.move_to_end((connection, variant))
            return held

    def get(self, connection: str, variant: str, now: int) -> CachedToken | None:
        """Return what was read within the last seconds, and not in the future either."""
        held = self.recall(connection, variant)
        return held if held and 0 <= now - held.read_at < self._seconds else None

    def put(self, connection: str, variant: str, held: CachedToken) -> None:
        """Keep *held* for others, and drop what was not used for longest if there is too much."""
        if not held.is_shared:
            return
        with self._lock:
            self._held[connection, variant] = held
            self._held.move_to_end((connection, variant))
            while len(self._held) > self._entries:
                self._held.popitem(last=False)

    def drop(self, connection: str) -> None:
        """Forget all variants of a connection."""
        with self._lock:
            for key in [key for key in self._held if key[0] == connection]:
                del self._held[key]

    def clear(self) -> None:
        """Forget everything: a snapshot may be resumed days later."""
        with self._lock:
            self._held.clear()

    def __len__(self) -> int:
        return len(self._held)
