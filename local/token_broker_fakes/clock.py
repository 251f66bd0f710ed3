"""The time as a vendor sees it."""

from collections.abc import Callable


class Clock:
    """A clock that can be moved: *source* plus *offset*, in seconds since the epoch."""

    __slots__ = ("offset", "source")

    def __init__(self, source: Callable[[], float], offset: float = 0.0) -> None:
        self.source = source
        self.offset = offset

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return self.source() + self.offset

    def advance(self, seconds: float) -> None:
        """Move the clock on, or back where *seconds* is negative."""
        self.offset += seconds
