"""How much work a call is, in what does not depend on the machine."""

import sys
from collections.abc import Callable


def calls_within(act: Callable[[], object]) -> int:
    """Return how many functions are called while *act* runs, C's included."""
    count = 0

    def counted(frame: object, what: str, argument: object) -> None:
        nonlocal count
        del frame, argument
        count += what in {"call", "c_call"}

    sys.setprofile(counted)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count
