"""What a vendor's answer says of the token: that it is dead, or that this is not its fault."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from threading import Lock

STUBBORN_SECONDS = 30.0
STUBBORN_PLACES = 1000

DEAD = frozenset({"FORBIDDEN", "BAD_CREDENTIALS", "UNAUTHORIZED"})
"""With these codes VNTANA answers 403 to a token that has expired or was revoked."""


def may_be_refusal(status: int) -> bool:
    """Say whether an answer with *status* has to be looked into."""
    return status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def is_refusal(flow: str, status: int, content: bytes) -> bool:
    """Say whether the vendor of *flow* refuses the token: by status, or by what it says."""
    if status == HTTPStatus.UNAUTHORIZED:
        return True
    return (
        flow == "vntana" and status == HTTPStatus.FORBIDDEN and not DEAD.isdisjoint(codes(content))
    )


def codes(content: bytes) -> set[str]:
    """Return the error codes in VNTANA's envelope, which are strings or objects."""
    try:
        errors = json.loads(content)["errors"]
        return {str(one.get("message") if isinstance(one, dict) else one) for one in errors}
    except (ValueError, KeyError, TypeError, RecursionError):
        return set()


class Stubborn:
    """Places that refuse any token, so that no more are spent on them for a while.

    VNTANA says FORBIDDEN to a dead token and to one that has too few rights. Where a new token is
    refused as well it is the rights, and replacing it again would only take it from other callers.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = Lock()

    def __contains__(self, place: tuple[str, str]) -> bool:
        with self._lock:
            return self._clock() < self._until.get(place, 0.0)

    def add(self, place: tuple[str, str]) -> None:
        """Remember *place*, a method and a URL without its query."""
        with self._lock:
            self._until[place] = self._clock() + STUBBORN_SECONDS
            self._until.move_to_end(place)
            while len(self._until) > STUBBORN_PLACES:
                self._until.popitem(last=False)


def place(method: str | None, url: str) -> tuple[str, str]:
    """Return what a request asks for, as `Stubborn` tells places apart."""
    return method or "", url.partition("?")[0]
