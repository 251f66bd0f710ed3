"""The exception for a broken property."""


class Broken(Exception):
    """A property does not hold for this input."""


def expect(holds: object, rule: str) -> None:
    """Raise `Broken` with the *rule* unless it holds."""
    if not holds:
        raise Broken(rule)
