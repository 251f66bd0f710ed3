"""The deadline of a call, which limits all its parts, and the retries before it.

A deadline is made once, when a call begins. Each attempt, each pause and each read of a socket gets
the time that is left. So no call takes longer than its *patience*.
"""

import random
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from token_broker_client.errors import BrokerError, InvalidRequest

T = TypeVar("T")

SECONDS = 20.0
"""The timeout of the broker's functions, so that their own errors are received."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
"""The range of the pauses, in seconds. They double, and each is shortened at random."""

LONGEST_PATIENCE = 3600.0
"""Seconds. A socket does not accept an infinite timeout."""


class Deadline(NamedTuple):
    """A moment by *clock*, a monotonic one in seconds."""

    ends_at: float
    clock: Callable[[], float]

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> "Deadline":
        """Return the deadline *seconds* from now."""
        return cls(clock() + seconds, clock)

    @property
    def left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.ends_at - self.clock())

    @property
    def is_over(self) -> bool:
        """Say whether no time is left."""
        return self.clock() >= self.ends_at

    def within(self, seconds: float) -> "Deadline":
        """Return the earlier of this deadline and the one *seconds* from now."""
        return self._replace(ends_at=min(self.ends_at, self.clock() + seconds))


class Patience(NamedTuple):
    """The limit of all attempts of a call and the pauses between them."""

    seconds: float = SECONDS
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    random: Callable[[], float] = random.random

    @classmethod
    def of(cls, seconds: object) -> "Patience":
        """Return a patience of *seconds*. Raises `InvalidRequest` if that is not valid."""
        return cls(positive("patience", seconds, LONGEST_PATIENCE))

    def begin(self) -> Deadline:
        """Return the deadline of a call that begins now."""
        return Deadline.after(self.seconds, self.clock)

    def retry(self, call: Callable[[Deadline], T], deadline: Deadline) -> T:
        """Return the result of *call*, which gets the deadline.

        After a retryable error it is called again, if time is left after the pause.
        """
        longest = FIRST_PAUSE
        while True:
            try:
                return call(deadline)
            except BrokerError as error:
                # A random addition, so that the callers do not retry together.
                pause = (error.retry_after or 0) + self.random() * longest
                if not error.retryable or pause >= deadline.left:
                    raise
                last = error
            self.sleep(pause)
            if deadline.is_over:  # a process may be frozen while it sleeps
                raise last
            longest = min(LONGEST_PAUSE, 2 * longest)


def positive(name: str, value: object, most: float) -> float:
    """Return *value* if it is a number above 0, and at most *most*."""
    # NaN is not in the range, either.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise InvalidRequest(f"{name}: must be above 0, and {most:g} seconds at most")
    return float(value)
