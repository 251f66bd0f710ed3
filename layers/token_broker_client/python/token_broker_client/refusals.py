"""Decides whether a vendor's refusal means a dead token, or a token without the rights."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from http import HTTPStatus
from threading import Lock
from typing import TypeAlias

from token_broker_client.single_flight import reset_in_children

FORBIDDEN_SECONDS = 30.0
FORBIDDEN_ENTRIES = 1000
"""How long, and how many, refusals of a new token are remembered."""

DEAD = frozenset({"FORBIDDEN", "BAD_CREDENTIALS", "UNAUTHORIZED"})
"""Codes of VNTANA's 403 for a token that has expired or was revoked."""

Place: TypeAlias = tuple[str, str]
"""A method, and a URL without its query."""


def may_be_refusal(status: int) -> bool:
    """Say whether an answer with *status* may refuse the token, so that its body must be read."""
    return status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def is_refusal(flow: str, status: int, content: bytes) -> bool:
    """Say whether an answer of the vendor of *flow* refuses the token."""
    if status == HTTPStatus.UNAUTHORIZED:
        return True
    return (
        flow == "vntana" and status == HTTPStatus.FORBIDDEN and not DEAD.isdisjoint(codes(content))
    )


def codes(content: bytes) -> set[str]:
    """Return the error codes in an answer of VNTANA. An error is a string or an object."""
    try:
        errors = json.loads(content)["errors"]
        return {str(one.get("message") if isinstance(one, dict) else one) for one in errors}
    except (ValueError, KeyError, TypeError, RecursionError):
        return set()


def is_ambiguous(content: bytes) -> bool:
    """Say whether a refusal may mean missing rights as well as a dead token."""
    return DEAD.intersection(codes(content)) == {"FORBIDDEN"}


def place_of(method: str | None, url: str) -> Place:
    """Return the method and URL of a request without its query: `Forbidden` remembers them."""
    return method or "", url.partition("?")[0].partition("#")[0]


class Forbidden:
    """Remembers refusals for missing rights, so that no further token is replaced for them.

    VNTANA answers FORBIDDEN to a dead token and to one that has too few rights. If a new token is
    refused as well, it lacks rights, and another replacement would only revoke it for other
    callers. So for a while no refusal at that place replaces a token. And if another place answers
    FORBIDDEN to the same new token, that token is not replaced either.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.reset()
        reset_in_children(self)

    def reset(self) -> None:
        """Forget all refusals, as in a new process."""
        self._until: OrderedDict[Hashable, float] = OrderedDict()
        self._lock = Lock()

    def add(self, key: Hashable, place: Place, content: bytes, fingerprint: str) -> None:
        """Remember that *place* refused a new token: one of *key*, the one with *fingerprint*."""
        with self._lock:
            for entry in entries_of(key, place, content, fingerprint):
                self._until[entry] = self._clock() + FORBIDDEN_SECONDS
                self._until.move_to_end(entry)
            while len(self._until) > FORBIDDEN_ENTRIES:
                self._until.popitem(last=False)

    def has(self, key: Hashable, place: Place, content: bytes, fingerprint: str) -> bool:
        """Say whether a refusal with this *content* is known to mean missing rights."""
        entries = entries_of(key, place, content, fingerprint)
        with self._lock:
            now = self._clock()
            return any(now < self._until.get(entry, 0.0) for entry in entries)


def entries_of(key: Hashable, place: Place, content: bytes, fingerprint: str) -> list[Hashable]:
    """Return the keys of a refusal: its place, and the token if it may lack rights."""
    return [(key, place), *([(key, fingerprint)] if is_ambiguous(content) else [])]


SHARED = Forbidden()


def shared() -> Forbidden:
    """Return the refusals that this process remembers."""
    return SHARED
