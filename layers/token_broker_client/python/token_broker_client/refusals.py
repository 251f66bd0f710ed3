"""Replaces a token that the vendor refused, unless the refusal means that it lacks rights."""

import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Generator, Hashable
from functools import partial
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from token_broker_client.origins import is_home, is_signed
from token_broker_client.request import REFUSAL_CODES
from token_broker_client.single_flight import when_forked

if TYPE_CHECKING:
    import httpx
    import requests

    from token_broker_client.answers import Answer

    Response: TypeAlias = httpx.Response | requests.Response

FORBIDDEN_SECONDS = 30.0
FORBIDDEN_ENTRIES = 1000
"""How long, and how many, refusals of a new token are remembered."""


class Call(NamedTuple):
    """A step that waits: a function, and the one that does the same for a task."""

    sync: Callable[[], Any]
    for_task: Callable[[], Awaitable[Any]]


Steps: TypeAlias = Generator[Any, Any, None]
"""Yields a `Call` to make, or a request to send. The result of each is sent back."""


def steps(
    response: "Response", answer: "Answer", signed_again: Callable[[Any, "Answer"], Any]
) -> Steps:
    """Yield the steps after *response* to a request with the token of *answer*. This does no I/O.

    *signed_again* returns a request with another token; None if it cannot be sent again. After
    redirects, the response is that of the last hop: the vendor has accepted the requests before.
    """
    if not (yield from _refuses(response, answer)):
        return
    refusal, source = entries(response, answer), answer.access
    if SHARED.has(refusal):
        return
    other = yield Call(
        partial(source.replacement, answer), partial(source.replacement_async, answer)
    )
    if other is None or other.fingerprint == answer.fingerprint:
        SHARED.add(refusal)
    elif is_home(str(response.request.url), other.base_url) and (
        again := signed_again(response.request, other)
    ):
        response = yield again
        if (yield from _refuses(response, other)):
            SHARED.add(entries(response, other))


def _refuses(response: Any, answer: "Answer") -> Generator[Call, Any, bool]:
    """Return whether *response* refuses the token of *answer*. Its body is read only if it may."""
    sent, status = response.request, response.status_code
    if status not in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return False
    if not is_signed(str(sent.url), sent.headers, answer):
        return False
    if hasattr(response, "aread"):  # httpx reads no body by itself
        yield Call(response.read, response.aread)
    return is_refusal(answer.flow, status, response.content)


def advanced(steps: Steps, done: Any) -> Any:
    """Send the result of the last step to *steps*, and return the next step; None at the end."""
    try:
        return steps.send(done)
    except StopIteration:
        return None


def is_refusal(flow: str, status: int, content: bytes) -> bool:
    """Say whether an answer of the vendor of *flow* refuses the token.

    A 403 without a known code does not. The broker's own check takes it for a dead token, because
    every live token may send that request; a caller's request may lack rights.
    """
    return status == HTTPStatus.UNAUTHORIZED or (
        status == HTTPStatus.FORBIDDEN and bool(codes(flow, content))
    )


def codes(flow: str, content: bytes) -> set[str]:
    """Return the codes of a refused token in ``errors``: texts, or objects with message or code."""
    try:
        errors = json.loads(content)["errors"]
        listed = errors if isinstance(errors, list) else [errors]
        members = [one if isinstance(one, dict) else {"message": one} for one in listed]
        found = {str(one.get(name)) for one in members for name in ("message", "code")}
    except (ValueError, KeyError, TypeError, RecursionError):
        return set()
    return found & REFUSAL_CODES.get(flow, {}).keys()


def entries(response: "Response", answer: "Answer") -> list[Hashable]:
    """Return what is remembered of a refusal.

    The method and URL without its query; and the token, if each code may mean missing rights.
    """
    key = answer.access.key
    url = str(response.request.url).partition("?")[0].partition("#")[0]
    found = codes(answer.flow, response.content)
    is_ambiguous = found and all(REFUSAL_CODES[answer.flow][code] for code in found)
    of_token = [(key, answer.fingerprint)] if is_ambiguous else []
    return [(key, response.request.method, url), *of_token]


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
        when_forked(self.reset)

    def reset(self) -> None:
        """Forget all refusals, as in a new process."""
        self._until: OrderedDict[Hashable, float] = OrderedDict()
        self._lock = Lock()

    def add(self, refusal: list[Hashable]) -> None:
        """Remember the *refusal* of a new token, by its `entries`."""
        with self._lock:
            for entry in refusal:
                self._until[entry] = self._clock() + FORBIDDEN_SECONDS
                self._until.move_to_end(entry)
            while len(self._until) > FORBIDDEN_ENTRIES:
                self._until.popitem(last=False)

    def has(self, refusal: list[Hashable]) -> bool:
        """Say whether *refusal* is known to mean missing rights."""
        with self._lock:
            return any(self._clock() < self._until.get(entry, 0.0) for entry in refusal)


SHARED = Forbidden()
"""The refusals that this process remembers."""
