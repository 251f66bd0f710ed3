"""Moments and lengths of time, in words."""

from datetime import UTC, datetime

UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def second(moment: str | None) -> int | None:
    """Return the second since the epoch that *moment*, in RFC 3339, is."""
    return int(datetime.fromisoformat(moment).timestamp()) if moment else None


def span(seconds: float) -> str:
    """Return a length in its two largest units: ``2 d 4 h``, ``12 min``, ``41 s``."""
    left = max(0, int(seconds))
    for position, (unit, size) in enumerate(UNITS):
        if left >= size:
            count, rest = divmod(left, size)
            return f"{count} {unit}{_rest(rest, position + 1) if size > 60 else ''}"  # noqa: PLR2004 (a minute)
    return "0 s"


def _rest(seconds: int, position: int) -> str:
    unit, size = UNITS[position]
    return f" {seconds // size} {unit}" if seconds >= size else ""


def when(moment: str | None, now: int) -> str:
    """Return how far off *moment* is: ``in 12 min``, ``3 h ago``, ``never``."""
    at = second(moment)
    if at is None:
        return "never"
    return f"in {span(at - now)}" if at > now else f"{span(now - at)} ago"


def written(moment: str | None) -> str:
    """Return *moment* in UTC, as people write it."""
    at = second(moment)
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "-"
