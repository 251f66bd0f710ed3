"""The exception for a broken property."""


class Broken(Exception):
    """A property does not hold for this input."""


def expect(holds: object, promise: str) -> None:
    """Raise `Broken` with *promise* unless it holds."""
    if not holds:
        raise Broken(promise)
