"""Seconds since the epoch, as callers read them."""

import time


def iso(at: int) -> str | None:
    """Return a second as RFC 3339 in UTC; None for 0, which stands for never."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) if at else None
