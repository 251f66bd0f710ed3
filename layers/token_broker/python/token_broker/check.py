"""The action `check`: get a token as any caller does, and send one harmless request with it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from token_broker.aliases import refuse_held
from token_broker.broker import Answer, Broker
from token_broker.dependencies import Dependencies
from token_broker.errors import (
    BrokerError,
    Internal,
    InvalidRequest,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.exchange import Request, Response, run
from token_broker.holds import gate_of
from token_broker.records import replace
from token_broker.refresh.upstream_message import quoted
from token_broker.tokens import TokenRequest

if TYPE_CHECKING:
    from token_broker.secrets_manager import Secret

MOST_SECONDS = 5.0
"""Seconds for the vendor to answer the harmless request."""

LEAST_SECONDS = 0.2
"""With less time than this left, it is not sent."""


class Check:
    """A check of one connection, until *deadline* by the monotonic clock.

    Raises `InvalidRequest` for a flow whose vendor has no harmless request.
    """

    def __init__(self, deps: Dependencies, connection: str, deadline: float) -> None:
        self._deps = deps
        self._connection = connection
        self._deadline = deadline
        vendor_check = deps.flow.vendor.check
        if vendor_check is None:
            raise InvalidRequest(f"action: connections of {deps.flow.name} cannot be checked")
        self._check = vendor_check
        self._secret: Secret | None = None
        """The version of the secret that the token was made with."""
        self._last: tuple[Request, Response] | None = None

    def run(self, request: TokenRequest) -> dict[str, Any]:
        """Return that the connection works; raise the `BrokerError` that says why it does not.

        A token that the vendor refuses is reported as a caller would report it, with the same
        limits, and one new token is tried. So a check logs in only if a call for a token would.
        """
        began = self._deps.clock.monotonic()
        outcome = Internal.code
        try:
            context = self._context(request)
            outcome = "success"
        except BrokerError as error:
            outcome = error.code
            raise
        finally:
            milliseconds = self._deps.clock.milliseconds_since(began)
            self._deps.emit(
                "check",
                connection=self._connection,
                outcome=outcome,
                milliseconds=milliseconds,
            )
            if outcome != "success":
                self._deps.emit("check failed", connection=self._connection, code=outcome)
        return {"ok": True, "milliseconds": milliseconds, "context": context}

    def _context(self, request: TokenRequest) -> Mapping[str, Any]:
        """Return the context of a token that the vendor takes."""
        broker = Broker(self._deps)
        answer = broker.token(self._connection, request, self._deadline)
        if answer.source == "memory":  # the table may show a hold that memory does not know
            refuse_held(self._deps, gate_of(self._deps, self._connection))
        if not self._is_taken(answer):
            again = replace(request, rejected=answer.item.fingerprint)
            answer = broker.token(self._connection, again, self._deadline)
            if not self._is_taken(answer):
                raise self._quoted(UpstreamRefused("check: a new token was refused as well"))
        return dict(answer.token.context)

    def _is_taken(self, answer: Answer) -> bool:
        """Send the harmless request; say whether the vendor takes the token.

        False if the token's version of the secret is gone: its address is not known. Raises
        `NotConfigured` if the secret is wrong now, even while an old token lives.
        """
        credentials = self._credentials(answer.item.secret_version)
        if credentials is None:
            return False
        try:
            return run(self._check(credentials, answer.token), self._send)
        except UpstreamError as error:
            raise self._quoted(error) from None

    def _credentials(self, version: str | None) -> Any:
        """Return what *version* of the secret holds, None if it is gone."""
        self._secret = self._deps.secrets.current(self._connection)
        parse = self._deps.flow.vendor.parse
        credentials = parse(self._secret.content)
        if version == self._secret.version:
            return credentials
        made_with = self._deps.secrets.of_version(self._connection, str(version))
        if made_with is None:
            return None
        self._secret = made_with
        return parse(made_with.content)

    def _quoted(self, error: UpstreamError) -> UpstreamError:
        """Return *error* with the vendor's status and its masked message."""
        return quoted(error, self._last, self._secret.content) if self._secret else error

    def _send(self, request: Request) -> Response:
        self._last = None
        left = self._deadline - self._deps.clock.monotonic()
        if left < LEAST_SECONDS:
            raise UpstreamUnavailable(f"{request.step}: no time was left to send it")
        began = self._deps.clock.monotonic()
        status = 0
        try:
            response = self._deps.send(request, min(left, MOST_SECONDS))
            status = response.status
            self._last = request, response
        finally:
            milliseconds = self._deps.clock.milliseconds_since(began)
            self._deps.emit("upstream", step=request.step, status=status, milliseconds=milliseconds)
        return response
