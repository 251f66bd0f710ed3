"""One exchange with the vendor, by the holder of a variant's lease."""

from collections.abc import Callable
from typing import NamedTuple

from token_broker.cache import CachedToken
from token_broker.decisions import Verdict
from token_broker.errors import (
    BrokerError,
    CredentialRejected,
    Internal,
    InvalidRequest,
    NotConfigured,
    RefreshInProgress,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.exchange import NeedToken, Request, ResolvedTo, Response, run
from token_broker.item import SECOND_LOOK, Item
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.outcome import Outcome
from token_broker.refresh.upstream_message import upstream_message
from token_broker.secrets_manager import Secret
from token_broker.tokens import ONLY, Token, Variant

LEAST_REQUEST_SECONDS = 0.2
"""A request with less time than this is not sent."""

ROTATION_WINDOW = 86_400
"""Seconds after a rotation in which the secret's previous version is worth a try."""


class Alias(NamedTuple):
    """The variant that another one leads to, and the item that says so if it is kept."""

    variant: Variant
    item: Item | None


class SecretReplaced(Exception):
    """The invocation uses another version of the secret than the one a conversation is of."""


class ExchangeAttempt:
    """An exchange of *variant* under *lease*, which was acquired of *found*.

    *token_of* returns live tokens of other variants, which this exchange is made from.
    """

    def __init__(
        self,
        invocation: Invocation,
        gate: CredentialGate,
        token_of: Callable[[NeedToken], Token],
        *,
        found: Item,
        lease: Item,
        variant: Variant,
    ) -> None:
        self._invocation = invocation
        self._deps = invocation.deps
        self._gate = gate
        self._token_of = token_of
        self._variant = variant
        self._outcome = Outcome(invocation, found, lease, variant)
        self._may_renew = found.renewal == "ready"
        self._has_sent = False
        self._is_request_last = False
        """Whether a request that was sent is the last step so far: what failed is its answer."""
        self._is_proven = False
        """Whether anything has shown that the credentials are right, or will."""
        self._version: str | None = None
        """The version of the secret that the conversation began with."""
        self._last: tuple[Request, Response] | None = None
        """The last request of the conversation, and its response if there was one."""

    def run(self) -> CachedToken | Alias | None:
        """Return a token that is kept, or where to get it from; None if the lease was lost.

        Where callers do not share tokens, the token is kept nowhere. Raises the `BrokerError` that
        ended the exchange, once it is kept too.
        """
        began = self._deps.clock.monotonic()
        try:
            result = self._keep(self._converse())
            self._gate.finish()
        except BrokerError as error:
            self._give_up(error)
            self._emit(began, error.code)
            if isinstance(error, UpstreamUnavailable) and self._is_request_last:
                self._invocation.news.is_available = False
            raise
        except Exception:
            self._give_up(Internal("the exchange failed"))
            self._emit(began, Internal.code)
            raise
        self._emit(began, "success")
        self._invocation.news.is_available = True
        return result

    def _keep(self, result: Token | ResolvedTo) -> CachedToken | Alias | None:
        if not self._outcome.is_leased:
            if isinstance(result, ResolvedTo):
                raise Internal("an exchange that is not shared led to another variant")
            self._end_gate()
            return self._outcome.unshared(result)
        if isinstance(result, ResolvedTo):
            return Alias(result.variant, self._outcome.alias(result))
        return self._outcome.token(result, self._version or "")

    def _converse(self) -> Token | ResolvedTo:
        """Hold the conversation; begin again, once, if by then another version is used.

        Nothing of one version is sent to a host of another's, or made from another's token.
        """
        try:
            return self._converse_once()
        except SecretReplaced:
            pass
        try:
            return self._converse_once()
        except SecretReplaced:
            raise RefreshInProgress("the secret changed meanwhile", retry_after=1) from None

    def _converse_once(self) -> Token | ResolvedTo:
        """Hold the conversation, with the secret's previous version if this one is rejected."""
        secret = self._invocation.secret()
        self._version = secret.version
        try:
            result = self._run()
        except CredentialRejected as error:
            if self._gate.has_rejected(secret.version):
                raise  # by an exchange that this one is made from, which saw to it
            was_accepted = self._judge(error, secret.version)
            previous = None if was_accepted else self._previous(secret)
            if not previous:
                raise
            return self._run_with(previous)
        except (NotConfigured, InvalidRequest):
            if self._has_sent:
                self._gate.accept(secret.version)
            raise
        self._gate.accept(secret.version)
        return result

    def _judge(self, error: CredentialRejected, version: str) -> bool:
        """Keep what a rejection means; say whether *version* was accepted before.

        Raises `UpstreamRefused` where it says nothing of the credentials.
        """
        failure = self._outcome.failure(error, version)
        judged = self._gate.reject(
            self._outcome.lease, version, failure, is_certain=error.is_certain
        )
        self._outcome.reread(judged.lease)
        if judged.verdict is Verdict.BLAME_VARIANT:
            raise UpstreamRefused(
                error.detail,
                upstream_status=error.upstream_status,
                upstream_message=error.upstream_message,
            ) from None
        if judged.verdict is Verdict.SUSPECT:
            error.retry_after = SECOND_LOOK
        return judged.was_accepted

    def _previous(self, secret: Secret) -> Secret | None:
        """Return the version before *secret*, if *secret* is new and that one was not rejected."""
        if self._deps.clock.now() - secret.created_at > ROTATION_WINDOW:
            return None
        previous = self._deps.secrets.previous(self._invocation.connection)
        if not previous or previous.version == secret.version:
            return None
        lease = self._outcome.lease
        gate = lease if lease.variant == ONLY else self._invocation.read_gate()
        return None if self._gate.knows_rejected(lease, gate, previous.version) else previous

    def _run_with(self, previous: Secret) -> Token | ResolvedTo:
        """Try the version before, once."""
        self._invocation.use_previous(previous)
        try:
            result = self._run()
        except CredentialRejected as error:
            if error.is_certain:
                failure = self._outcome.failure(error, self._version)
                lease = self._gate.reject_previous(self._outcome.lease, previous.version, failure)
                self._outcome.reread(lease)
            raise
        self._gate.release()
        return result

    def _run(self) -> Token | ResolvedTo:
        """Converse once. A renewal token is used here or never: by now it counts as spent."""
        lease = self._outcome.lease
        may_renew, self._may_renew = self._may_renew, False
        # Another version of the secret may name another user, whose session this is not.
        may_renew &= lease.secret_version == self._invocation.secret().version
        kept = self._invocation.sealer.open_token(lease) if may_renew else None
        self._is_proven = kept is not None
        credentials, now = self._invocation.credentials(), self._deps.clock.now()
        conversation = self._deps.flow.vendor.exchange(credentials, self._variant, now, kept)
        try:
            result = run(conversation, self._send, self._other_token)
        except UpstreamError as error:
            self._quote(error)
            raise
        if not self._is_proven:
            raise Internal("no request of this exchange proved the credentials")
        return result

    def _other_token(self, need: NeedToken) -> Token:
        """Return another variant's token; what its exchange fails with are not this one's words."""
        self._last, self._is_request_last = None, False
        self._is_proven = True
        return self._token_of(need)

    def _quote(self, error: UpstreamError) -> None:
        """Put the vendor's own words for *error*, masked, where callers and the log find them."""
        if self._last and error.upstream_message is None:
            request, response = self._last
            secret = self._invocation.secret().content
            error.upstream_message = upstream_message(response, request, secret)

    def _send(self, request: Request) -> Response:
        """Send *request* if its response will come well inside the lease."""
        self._is_request_last = False
        if request.proves_credentials:
            self._is_proven = True
            self._gate.admit(self._outcome.lease, self._invocation.secret().version)
        seconds = self._seconds_for_request()
        if seconds < LEAST_REQUEST_SECONDS:
            raise UpstreamUnavailable(f"{request.step}: no time was left to send it")
        self._has_sent, self._is_request_last, self._last = True, True, None
        self._invocation.record_sent(request)
        began = self._deps.clock.monotonic()
        status = 0
        try:
            response = self._deps.send(request, seconds)
            status = response.status
            self._last = request, response
        finally:
            milliseconds = round((self._deps.clock.monotonic() - began) * 1000)
            self._deps.emit("upstream", step=request.step, status=status, milliseconds=milliseconds)
        return response

    def _seconds_for_request(self) -> float:
        """Return the seconds in which a request may be answered, by invocation and lease."""
        seconds = self._invocation.seconds_for_requests
        lease = self._outcome.lease
        if not lease.lease_owner:
            return seconds
        return min(seconds, lease.lease_until - self._deps.skew - self._deps.clock.now())

    def _give_up(self, error: BrokerError) -> None:
        """Keep why there is no token, and end the leases."""
        self._outcome.failed(error, self._version, has_sent=self._has_sent)
        self._end_gate()

    def _end_gate(self) -> None:
        """End the gate's lease; it ends by itself if that cannot be written."""
        try:
            self._gate.release()
        except BrokerError as error:
            self._deps.emit("unreleased", code=error.code, variant=self._outcome.lease.variant)

    def _emit(self, began: float, outcome: str) -> None:
        milliseconds = round((self._deps.clock.monotonic() - began) * 1000)
        self._deps.emit(
            "exchange",
            variant=self._outcome.lease.variant,
            kind=self._variant.kind,
            outcome=outcome,
            milliseconds=milliseconds,
        )
