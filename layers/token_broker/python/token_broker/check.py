"""The action `check`: get a token as any caller does, and send one harmless request with it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from token_broker.broker import Answer, Broker
from token_broker.dependencies import Dependencies
from token_broker.errors import InvalidRequest, UpstreamRefused
from token_broker.holds import gate_of
from token_broker.look import refuse_held
from token_broker.measured import Sender, measured
from token_broker.records import replace
from token_broker.tokens import TokenRequest

if TYPE_CHECKING:
    from token_broker.secrets_manager import Secret


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

    def run(self, request: TokenRequest) -> dict[str, Any]:
        """Return that the connection works; raise the `BrokerError` that says why it does not.

        A token that the vendor refuses is reported as a caller would report it, with the same
        limits, and one new token is tried. So a check logs in only if a call for a token would.
        """
        clock = self._deps.clock
        began = clock.monotonic()
        with measured(clock, began, self._emit):
            context = self._context(request)
        return {"ok": True, "milliseconds": clock.milliseconds_since(began), "context": context}

    def _emit(self, outcome: str, milliseconds: float) -> None:
        measures = {"outcome": outcome, "milliseconds": milliseconds}
        self._deps.emit("check", connection=self._connection, **measures)
        if outcome != "success":
            self._deps.emit("check failed", connection=self._connection, code=outcome)

    def _context(self, request: TokenRequest) -> Mapping[str, Any]:
        """Return the context of a token that the vendor takes."""
        broker = Broker(self._deps)
        answer = broker.token(self._connection, request, self._deadline)
        if answer.source == "memory":  # the table may show a hold that memory does not know
            refuse_held(self._deps, gate_of(self._deps, self._connection))
        if not self._is_taken(answer):
            again = replace(request, rejected=frozenset({answer.token.fingerprint}))
            answer = broker.token(self._connection, again, self._deadline)
            if not self._is_taken(answer):
                refused = UpstreamRefused("check: a new token was refused as well")
                raise self._sender.quoted(refused)
        return dict(answer.token.context)

    def _is_taken(self, answer: Answer) -> bool:
        """Send the harmless request; say whether the vendor takes the token.

        False if the token's version of the secret is gone: its address is not known.
        """
        self._sender = Sender(self._deps, self._deadline)  # an error quotes no answer before
        secret = self._secret(answer.item.secret_version)
        if secret is None:
            return False
        credentials = self._deps.flow.vendor.parse(secret.content)
        return self._sender.run(self._check(credentials, answer.token), secret.content)

    def _secret(self, version: str | None) -> "Secret | None":
        """Return *version* of the secret, None if it is gone.

        Raises `NotConfigured` if the current version is wrong, even while an old token lives.
        """
        current = self._deps.secrets.current(self._connection)
        self._deps.flow.vendor.parse(current.content)
        if version == current.version:
            return current
        return self._deps.secrets.of_version(self._connection, str(version))
