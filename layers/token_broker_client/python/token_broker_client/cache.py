"""The tokens that this process knows: asked for once, used by all of its threads, as long as good.

Until `refresh_after` a token is handed out as it is. After that one thread asks the broker for the
next one, while the others go on with the old. After `expires_at` all wait for that one call.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import NamedTuple

from token_broker_client.answers import Answer
from token_broker_client.entrances import PLAIN, Wish
from token_broker_client.errors import BrokerError
from token_broker_client.flights import Flights

ENTRIES = 1000
"""Tokens that are kept at most; least recently used go first."""

LOOK_SECONDS = 10.0
"""Between two looks for the next token, where the broker has only the old one yet."""

SAFETY_SECONDS = 30.0
"""Before its end, a token is handed out no more; for a short-lived one, a tenth of its time."""


class Kept(NamedTuple):
    """An answer, and until when it serves. All in seconds since the epoch."""

    answer: Answer
    look_at: float
    ends_at: float

    @classmethod
    def of(cls, answer: Answer, now: float) -> "Kept":
        """Return *answer*, which came *now*, as it is kept."""
        left = answer.expires_at.timestamp() - now
        ends_at = now + left - min(SAFETY_SECONDS, left / 10)
        return cls(answer, max(answer.refresh_after.timestamp(), now + LOOK_SECONDS), ends_at)

    def suits(self, wish: Wish, now: float) -> bool:
        """Say whether this answer is what is wished for."""
        return (
            not wish.force
            and self.answer.fingerprint != wish.rejected
            and now < self.ends_at
            and now + (wish.min_ttl or 0) <= self.answer.expires_at.timestamp()
        )

    def is_later(self, answer: Answer, wish: Wish, now: float) -> bool:
        """Say whether this is worth more than *answer*, which was got for *wish*."""
        return (
            self.answer.generation > answer.generation
            and self.answer.fingerprint != wish.rejected
            and now < self.ends_at
        )


class Cache:
    """What a process keeps. Threads may share it."""

    def __init__(self, entries: int = ENTRIES, clock: Callable[[], float] = time.time) -> None:
        self._entries = entries
        self._clock = clock
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._lock = Lock()
        self._flights: Flights[Answer] = Flights()

    def fresh(self, key: Hashable, wish: Wish) -> Answer | None:
        """Return what is kept, if it suits and it is too early to look for the next."""
        kept, now = self._recall(key), self._clock()
        is_fresh = kept and kept.suits(wish, now) and (now < kept.look_at or wish.rejected)
        return kept.answer if kept and is_fresh else None

    def obtain(
        self,
        key: Hashable,
        wish: Wish,
        fetch: Callable[[Wish], Answer],
        look: Callable[[], Answer],
    ) -> Answer:
        """Return an answer that suits *wish*.

        *fetch* gets one however long it takes; *look* looks for the next while there is one.
        """
        if answer := self.fresh(key, wish):
            return answer
        kept = self._recall(key)
        if kept and kept.suits(wish, self._clock()):
            return self._next(key, kept, look)
        return self._first(key, wish, fetch)

    def forget(self, key: Hashable) -> None:
        """Keep nothing under *key*."""
        with self._lock:
            self._kept.pop(key, None)

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def _first(self, key: Hashable, wish: Wish, fetch: Callable[[Wish], Answer]) -> Answer:
        def call() -> Answer:
            # Another thread's call may have landed since this one looked.
            return self.fresh(key, wish) or self._put(key, wish, fetch(wish))

        while True:
            answer, is_mine = self._flights.share((key, wish), call)
            if is_mine or answer.is_shareable:
                return answer

    def _next(self, key: Hashable, kept: Kept, look: Callable[[], Answer]) -> Answer:
        def call() -> Answer:
            return self.fresh(key, PLAIN) or self._put(key, PLAIN, look())

        try:
            return self._flights.alone((key, PLAIN), call) or kept.answer
        except BrokerError as error:
            if not error.retryable:
                self.forget(key)
                raise
            self._postpone(key, kept, max(LOOK_SECONDS, error.retry_after or 0))
            return kept.answer

    def _recall(self, key: Hashable) -> Kept | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _put(self, key: Hashable, wish: Wish, answer: Answer) -> Answer:
        """Keep *answer*, unless a later one is there already: a call may have been overtaken."""
        now = self._clock()
        with self._lock:
            kept = self._kept.get(key)
            if kept and kept.is_later(answer, wish, now):
                return kept.answer if kept.suits(wish, now) else answer
            if answer.is_shareable:
                self._kept[key] = Kept.of(answer, now)
                self._kept.move_to_end(key)
            while len(self._kept) > self._entries:
                self._kept.popitem(last=False)
        return answer

    def _postpone(self, key: Hashable, kept: Kept, seconds: float) -> None:
        with self._lock:
            if self._kept.get(key) is kept:
                self._kept[key] = Kept(kept.answer, self._clock() + seconds, kept.ends_at)


SHARED = Cache()


def shared() -> Cache:
    """Return the process's own."""
    return SHARED
