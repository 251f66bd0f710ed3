"""Measurement outside an exchange: the outcome of an action, and each request to the vendor."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from token_broker.dependencies import Clock, Dependencies
from token_broker.errors import BrokerError, Internal, UpstreamError, UpstreamUnavailable
from token_broker.exchange import Conversation, Request, Response, run
from token_broker.refresh.attempt import LEAST_REQUEST_SECONDS, send
from token_broker.upstream_message import quoted

Result = TypeVar("Result")

MOST_REQUEST_SECONDS = 5.0
"""Seconds for the vendor to answer one request of a `Sender`."""


@contextmanager
def measured(clock: Clock, began: float, emit: Callable[[str, float], None]) -> Iterator[None]:
    """Call *emit* at the end, with the outcome and the milliseconds since *began*.

    The outcome is ``success``, or the code of the error, which is raised on.
    """
    outcome = Internal.code
    try:
        yield
        outcome = "success"
    except BrokerError as error:
        outcome = error.code
        raise
    finally:
        emit(outcome, clock.milliseconds_since(began))


class Sender:
    """Sends the requests of conversations that make no token, until *deadline*."""

    def __init__(self, deps: Dependencies, deadline: float) -> None:
        self._deps = deps
        self._deadline = deadline
        self._secret: object = None
        """The content of the secret that the last conversation used."""
        self._last: tuple[Request, Response] | None = None

    def run(self, conversation: Conversation[Result], secret: object) -> Result:
        """Return the result of *conversation*. Its `UpstreamError` is `quoted`."""
        self._secret = secret
        try:
            return run(conversation, self._send)
        except UpstreamError as error:
            raise self.quoted(error) from None

    def quoted(self, error: UpstreamError) -> UpstreamError:
        """Return *error* with the vendor's last status, and its message without secrets."""
        return quoted(error, self._last, self._secret)

    def _send(self, request: Request) -> Response:
        self._last = None
        left = self._deadline - self._deps.clock.monotonic()
        if left < LEAST_REQUEST_SECONDS:
            late = f"{request.step}: no time was left to send it"
            raise UpstreamUnavailable(late, retry_after=1)
        response = send(self._deps, request, min(left, MOST_REQUEST_SECONDS))
        self._last = request, response
        return response
