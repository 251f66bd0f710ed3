"""Decides whether a vendor's refusal means a dead token, or a token without the rights."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from token_broker_client.origins import is_signed
from token_broker_client.request import REFUSAL_CODES
from token_broker_client.single_flight import ProcessState

if TYPE_CHECKING:
    import httpx
    import requests

    from token_broker_client.answers import Answer

FORBIDDEN_SECONDS = 30.0
FORBIDDEN_ENTRIES = 1000
"""How long, and how many, refusals of a new token are remembered."""

Place: TypeAlias = tuple[str | None, str]
"""A method, and a URL without its query."""


def may_refuse(response: "httpx.Response | requests.Response", answer: "Answer") -> bool:
    """Say whether *response* may refuse the token of *answer*, so that its body must be read."""
    sent = response.request
    may_be_refusal = response.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    return may_be_refusal and is_signed(str(sent.url), sent.headers, answer)


def is_refusal(flow: str, status: int, content: bytes) -> bool:
    """Say whether an answer of the vendor of *flow* refuses the token.

    A 403 without a known code does not. The broker's own check takes it for a dead token, because
    every live token may send that request; a caller's request may lack rights.
    """
    if status == HTTPStatus.UNAUTHORIZED:
        return True
    return status == HTTPStatus.FORBIDDEN and not codes(content).isdisjoint(
        REFUSAL_CODES.get(flow, ())
    )


def codes(content: bytes) -> set[str]:
    """Return the texts in ``errors`` of an answer: strings, or objects with a message or a code."""
    try:
        errors = json.loads(content)["errors"]
        listed = errors if isinstance(errors, list) else [errors]
        members = [one if isinstance(one, dict) else {"message": one} for one in listed]
        return {str(one.get(name)) for one in members for name in ("message", "code")}
    except (ValueError, KeyError, TypeError, RecursionError):
        return set()


def is_ambiguous(flow: str, content: bytes) -> bool:
    """Say whether a refusal may mean missing rights as well as a dead token."""
    known = REFUSAL_CODES.get(flow, {})
    found = codes(content).intersection(known)
    return bool(found) and all(known[code] for code in found)


def place_of(method: str | None, url: str) -> Place:
    """Return the method and URL of a request without its query: `Forbidden` remembers them."""
    return method, url.partition("?")[0].partition("#")[0]


class Refusal(NamedTuple):
    """The vendor of *flow* refused a token at *place*."""

    flow: str
    key: Hashable
    """The key of the token in the cache."""
    fingerprint: str
    """The fingerprint of the token."""
    place: Place
    content: bytes
    """The body of the vendor's answer."""

    @classmethod
    def of(cls, response: "httpx.Response | requests.Response", answer: "Answer") -> "Refusal":
        """Return what *response* to a request with the token of *answer* is."""
        place = place_of(response.request.method, str(response.request.url))
        return cls(answer.flow, answer.access.key, answer.fingerprint, place, response.content)

    def entries(self) -> list[Hashable]:
        """Return what is remembered of this: its place, and the token if it may lack rights."""
        of_token = [(self.key, self.fingerprint)] if is_ambiguous(self.flow, self.content) else []
        return [(self.key, self.place), *of_token]


class Forbidden(ProcessState):
    """Remembers refusals for missing rights, so that no further token is replaced for them.

    VNTANA answers FORBIDDEN to a dead token and to one that has too few rights. If a new token is
    refused as well, it lacks rights, and another replacement would only revoke it for other
    callers. So for a while no refusal at that place replaces a token. And if another place answers
    FORBIDDEN to the same new token, that token is not replaced either.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        super().__init__()

    def reset(self) -> None:
        """Forget all refusals, as in a new process."""
        self._until: OrderedDict[Hashable, float] = OrderedDict()
        self._lock = Lock()

    def add(self, refusal: Refusal) -> None:
        """Remember the *refusal* of a new token."""
        with self._lock:
            for entry in refusal.entries():
                self._until[entry] = self._clock() + FORBIDDEN_SECONDS
                self._until.move_to_end(entry)
            while len(self._until) > FORBIDDEN_ENTRIES:
                self._until.popitem(last=False)

    def has(self, refusal: Refusal) -> bool:
        """Say whether *refusal* is known to mean missing rights."""
        entries = refusal.entries()
        with self._lock:
            now = self._clock()
            return any(now < self._until.get(entry, 0.0) for entry in entries)


SHARED = Forbidden()
"""The refusals that this process remembers."""
