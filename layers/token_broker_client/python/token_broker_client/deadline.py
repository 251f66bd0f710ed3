"""Until when a caller waits, and how it tries again: one deadline for everything beneath.

A deadline is made once, where a call begins. A caller that shares another's call, boto3, and each
read of a socket are given what is left of it, so no call takes longer than its *patience*.
"""

import random
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from token_broker_client.errors import BrokerError, InvalidRequest

T = TypeVar("T")

SECONDS = 20.0
"""As long as a function of the broker may take, so that its own error is received."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
"""Seconds between which the pauses grow, each shortened at random."""

LONGEST_PATIENCE = 3600.0
"""Seconds: a socket takes no endless timeout."""


class Deadline(NamedTuple):
    """A moment by *clock*, which counts seconds and never goes back."""

    ends_at: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> "Deadline":
        """Return the moment that is so many *seconds* away."""
        return cls(clock() + seconds, clock)

    @property
    def left(self) -> float:
        """Seconds until then, never less than none."""
        return max(0.0, self.ends_at - self.clock())

    @property
    def is_over(self) -> bool:
        """Say whether no time is left."""
        return self.clock() >= self.ends_at

    def within(self, seconds: float) -> "Deadline":
        """Return this moment, or the one after so many *seconds* if that is sooner."""
        return self._replace(ends_at=min(self.ends_at, self.clock() + seconds))


class Patience(NamedTuple):
    """How long all tries of a call and the pauses between them take together."""

    seconds: float = SECONDS
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    random: Callable[[], float] = random.random

    @classmethod
    def of(cls, seconds: object) -> "Patience":
        """Return a patience of so many *seconds*; raise `InvalidRequest` where none can be."""
        return cls(positive("patience", seconds, LONGEST_PATIENCE))

    def begin(self) -> Deadline:
        """Return the deadline of a call that begins now."""
        return Deadline.after(self.seconds, self.clock)

    def retry(self, call: Callable[[Deadline], T], deadline: Deadline) -> T:
        """Return what *call* returns, which is told until when it has to.

        It is tried again after a retryable error, if the pause that the error asks for leaves time.
        """
        longest = FIRST_PAUSE
        while True:
            try:
                return call(deadline)
            except BrokerError as error:
                # A little more than was asked for, so that callers spread.
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
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest(f"{name}: must be a number of seconds")
    if not 0 < value <= most:  # NaN is not, either
        raise InvalidRequest(f"{name}: must be above 0, and {most:g} seconds at most")
    return float(value)
