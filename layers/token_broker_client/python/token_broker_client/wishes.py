"""What a caller may want of a token beyond that it lives."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wish:
    """Names as in the body of a request to the broker."""

    min_ttl: int | None = None
    rejected: str | None = None
    force: bool = False


PLAIN = Wish()
