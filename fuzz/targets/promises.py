"""How a target says that a promise is broken."""


class Broken(Exception):
    """A promise does not hold for this input."""


def expect(holds: object, promise: str) -> None:
    """Raise `Broken` with *promise* unless it holds."""
    if not holds:
        raise Broken(promise)
