"""A vendor's clock."""

import math
from collections.abc import Callable

FURTHEST_SECONDS = 100 * 365 * 86_400
"""A century: dates further away cannot be written, and no token lives as long."""


class ClockError(ValueError):
    """A clock cannot be moved that far. The message names the limit."""


class Clock:
    """A clock that can be moved: *source* plus *offset*, in seconds since the epoch."""

    __slots__ = ("_offset", "source")

    def __init__(self, source: Callable[[], float], offset: float = 0.0) -> None:
        self.source = source
        self.offset = offset

    @property
    def offset(self) -> float:
        """Seconds ahead of *source*. To set it raises `ClockError` beyond a century."""
        return self._offset

    @offset.setter
    def offset(self, seconds: float) -> None:
        self._offset = possible(seconds, 0)

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return self.source() + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward, or back if *seconds* is negative. Raises `ClockError`."""
        self._offset = possible(self.offset, seconds)


def possible(offset: float, ahead: float) -> float:
    """Return *offset* plus *ahead*, in seconds. Raises `ClockError` beyond a century."""
    try:
        moved = float(offset) + ahead
    except OverflowError:
        moved = math.inf
    if not math.isfinite(moved) or abs(moved) > FURTHEST_SECONDS:
        raise ClockError("a clock is moved by a century at most, and not by infinity")
    return moved
