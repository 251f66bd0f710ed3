"""The time that an invocation has, and what each part of it is for.

::

    begin                                                      the platform ends it
      |---- requests: `seconds_for_requests` ----|------- COMMIT_SECONDS -------|
      |---- waiting for a lease: `seconds_to_wait` ------------|----- half -----|
"""

from collections.abc import Iterator
from contextlib import contextmanager

from token_broker.dependencies import Clock

COMMIT_SECONDS = 4.0
"""Seconds at the end of an invocation that are reserved for the commit and the answer."""

LAST_COMMIT_SECONDS = 1.0
"""With less time than this left, the table is not tried again."""

COMMIT_PAUSE_SECONDS = 0.1
"""Pause before the table is tried again."""

LEAST_EXCHANGE_SECONDS = 2.0
"""An exchange with less time than this is not begun."""


class Deadline:
    """The end of an invocation: *ends_at* by the monotonic clock."""

    def __init__(self, clock: Clock, ends_at: float) -> None:
        self._clock = clock
        self._ends_at = ends_at
        self._depth = 0
        """How many exchanges wait for the token that is obtained now."""

    @property
    def seconds_left(self) -> float:
        """Seconds until the platform ends this invocation."""
        return self._ends_at - self._clock.monotonic()

    @property
    def seconds_for_requests(self) -> float:
        """Seconds in which requests may still be sent and answered, before the commit."""
        return self.seconds_left - COMMIT_SECONDS

    @property
    def seconds_to_commit(self) -> float:
        """Seconds in which a failed write may be repeated.

        Each outer exchange, which waits for this token, still has to send requests and to commit.
        """
        return self.seconds_left - self._depth * (COMMIT_SECONDS + LEAST_EXCHANGE_SECONDS)

    @property
    def seconds_to_wait(self) -> float:
        """Seconds in which this caller may still wait for another one's lease."""
        return self.seconds_left - COMMIT_SECONDS / 2

    @contextmanager
    def nested(self) -> Iterator[None]:
        """While this is open, tokens are obtained for an outer exchange."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
