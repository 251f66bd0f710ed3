"""The tokens that this process has read, bounded in age and number; and its single-flight."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from weakref import WeakValueDictionary

from token_broker.errors import RefreshInProgress
from token_broker.item import Item
from token_broker.records import Record, replace
from token_broker.tokens import Token


class SingleFlight:
    """A lock for each key: one thread at a time obtains its token."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[object, Lock] = WeakValueDictionary()
        self._guard = Lock()

    @contextmanager
    def lock(self, key: object, seconds: float) -> Iterator[None]:
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
    """A token in clear, and its item as it was read at *read_at*."""

    item: Item
    token: Token
    read_at: int
    is_shared: bool = True
    """Whether another caller may have it too."""

    def is_newer_than(self, item: Item) -> bool:
        """Say whether this replaced the token of *item*. Generations count within one variant."""
        return self.item.variant == item.variant and self.item.generation > item.generation


class TokenCache:
    """Tokens by partition and variant. Threads may share it."""

    def __init__(self, seconds: int, entries: int) -> None:
        self._seconds = seconds
        self._entries = entries
        self._tokens: OrderedDict[tuple[str, str], CachedToken] = OrderedDict()
        self._lock = Lock()

    def recall(self, partition: str, variant: str) -> CachedToken | None:
        """Return what was put last, however old."""
        with self._lock:
            cached = self._tokens.get((partition, variant))
            if cached:
                self._tokens.move_to_end((partition, variant))
            return cached

    def is_recent(self, cached: CachedToken, now: int) -> bool:
        """Say whether *cached* was read within the last seconds. One in the future was not."""
        return 0 <= now - cached.read_at < self._seconds

    def put(self, variant: str, cached: CachedToken) -> None:
        """Keep *cached*, if callers may share it, without its handoff, for the *variant* requested.

        It may be that of an alias's target.
        """
        if not cached.is_shared:
            return
        if cached.token.handoff:
            cached = replace(cached, token=replace(cached.token, handoff={}))
        key = cached.item.partition, variant
        with self._lock:
            self._tokens[key] = cached
            self._tokens.move_to_end(key)
            while len(self._tokens) > self._entries:
                self._tokens.popitem(last=False)

    def drop(self, partition: str) -> None:
        """Forget all variants of a connection."""
        with self._lock:
            for key in [key for key in self._tokens if key[0] == partition]:
                del self._tokens[key]

    def clear(self) -> None:
        """Forget everything: a snapshot of this process may be restored days later."""
        with self._lock:
            self._tokens.clear()

    def __len__(self) -> int:
        return len(self._tokens)
