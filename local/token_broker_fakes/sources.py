"""The sources of a fake's time and of its random values: tokens and UUIDs without meaning."""

import base64
import math
from collections.abc import Callable
from random import Random

FURTHEST_SECONDS = 100 * 365 * 86_400
"""A century: dates further away cannot be written, and no token lives as long."""


class ClockError(ValueError):
    """A clock cannot be moved that far. The message names the limit."""


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
        """Move the clock forward, or back if *seconds* is negative. Raises `ClockError`."""
        self.offset = possible(self.offset, seconds)


def possible(offset: float, ahead: float) -> float:
    """Return *offset* plus *ahead*, in seconds. Raises `ClockError` beyond a century."""
    try:
        moved = offset + ahead
    except OverflowError:
        moved = math.inf
    if not math.isfinite(moved) or abs(moved) > FURTHEST_SECONDS:
        raise ClockError("a clock is moved by a century at most, and not by infinity")
    return moved


SLASH, PLUS = 7, 11
"""Positions in a token of characters that a client may wrongly escape."""


def opaque(rng: Random, size: int) -> str:
    """Return *size* random bytes in base64, with a slash and a plus sign among them."""
    text = base64.b64encode(rng.randbytes(size)).decode()
    return f"{text[:SLASH]}/{text[SLASH + 1 : PLUS]}+{text[PLUS + 1 :]}"


def unpadded(content: bytes) -> str:
    """Return *content* in the base64 of URLs, as a JWT has it."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def uuid(rng: Random) -> str:
    """Return a text of the form of a random UUID."""
    digits = f"{rng.getrandbits(128):032x}"
    variant = "89ab"[rng.getrandbits(2)]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
