"""How long a caller waits for a broker that says that another try makes sense."""

import random
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from token_broker_client.errors import BrokerError

T = TypeVar("T")

SECONDS = 20.0
"""As long as a function of the broker's may take, so that its own verdict is heard."""

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 5.0
"""Seconds between which the pauses grow, each shortened at random."""

LEAST = 0.1
"""Seconds that a try has at least: a pause may have taken longer than it should."""


class Patience(NamedTuple):
    """A total of *seconds* for all tries and the pauses between them."""

    seconds: float = SECONDS
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    dice: Callable[[], float] = random.random

    def spend(self, call: Callable[[float], T]) -> T:
        """Return what *call* does, which is told how many seconds it has.

        It is tried again after a retryable error, if the pause that the error asks for leaves time.
        """
        until = self.clock() + self.seconds
        longest = FIRST_PAUSE
        while True:
            try:
                return call(max(LEAST, until - self.clock()))
            except BrokerError as error:
                # A little more than was asked for, so that callers spread.
                pause = (error.retry_after or 0) + self.dice() * longest
                if not error.retryable or self.clock() + pause >= until:
                    raise
            self.sleep(pause)
            longest = min(LONGEST_PAUSE, 2 * longest)
