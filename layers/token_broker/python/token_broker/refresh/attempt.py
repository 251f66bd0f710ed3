"""One exchange with the vendor, by the holder of a variant's lease."""

from collections.abc import Callable
from contextlib import suppress
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
    StoreUnavailable,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
    upstream_of,
)
from token_broker.exchange import NeedToken, Request, ResolvedTo, Response, run
from token_broker.item import SUSPECT_RETRY_SECONDS, Item
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.outcome import Alias, Outcome
from token_broker.refresh.upstream_message import quoted
from token_broker.secrets_manager import Secret
from token_broker.tokens import Token, Variant

LEAST_REQUEST_SECONDS = 0.2
"""A request with less time than this is not sent."""

ROTATION_WINDOW = 86_400
"""Seconds after a version's creation in which the secret's previous version is worth a try."""


class SecretReplaced(Exception):
    """The invocation uses another version of the secret than the running conversation."""


class Sent(NamedTuple):
    """A request that was sent, and its response; None if none came."""

    request: Request
    response: Response | None


class ExchangeAttempt:
    """An exchange of *variant*, whose lease this invocation holds.

    *item* was written with the lease, and *before* was read before that. If callers do not share
    tokens, there is no lease. *token_of* returns live tokens of other variants.

    `run` keeps the result or the failure of the exchange. `_result` begins again if the secret
    changes. `_with_current_secret` keeps what a rejection means; `_with_previous_secret` then tries
    the version before. `_converse` drives the vendor's generator, and `_send` sends its requests.
    """

    def __init__(
        self,
        invocation: Invocation,
        gate: CredentialGate,
        token_of: Callable[[NeedToken], Token],
        variant: Variant,
        *,
        before: Item,
        item: Item,
    ) -> None:
        self._invocation = invocation
        self._deps = invocation.deps
        self._gate = gate
        self._token_of = token_of
        self._variant = variant
        self._outcome = Outcome(invocation, variant, before=before, item=item)
        self._may_renew = before.renewal == "ready"
        self._has_sent = False
        """Whether this exchange sent any request, which the vendor may have processed."""
        self._is_proven = False
        """Whether the conversation sent the credentials, or a token that was made with them. Then
        its success proves them."""
        self._version: str | None = None
        """The version of the secret that the conversation began with."""
        self._last: Sent | None = None
        """The conversation's last step, if that sent a request. Then its failure is about that."""

    def run(self) -> CachedToken | Alias | None:
        """Return the new token, or the variant that has it; None if the lease was lost.

        The result is kept in the table first, unless callers do not share tokens. Raises the
        `BrokerError` that ended the exchange, after it was kept.
        """
        began = self._deps.clock.monotonic()
        try:
            result = self._keep(self._result())
            self._gate.finish()
        except Exception as error:
            known = error if isinstance(error, BrokerError) else Internal("the exchange failed")
            self._outcome.failed(known, self._version, has_sent=self._has_sent)
            self._gate.release()
            self._emit(began, known.code)
            if isinstance(known, UpstreamUnavailable) and self._last:
                self._invocation.is_available = False
            raise
        self._emit(began, "success")
        if self._has_sent:
            self._invocation.is_available = True
        return result

    def _keep(self, result: Token | ResolvedTo) -> CachedToken | Alias | None:
        if not self._outcome.holds_lease:
            if isinstance(result, ResolvedTo):
                raise Internal("an exchange that is not shared led to another variant")
            self._gate.release()
            return self._outcome.unshared(result)
        if isinstance(result, ResolvedTo):
            return Alias(result.variant, self._outcome.alias(result))
        return self._outcome.token(result, self._version or "")

    def _result(self) -> Token | ResolvedTo:
        """Return what the conversation returns; begin again, once, if the secret changes.

        So no token is made with two versions, and a host of one version gets nothing of another.
        """
        for _ in range(2):
            with suppress(SecretReplaced):
                return self._with_current_secret()
        raise RefreshInProgress("the secret changed meanwhile", retry_after=1)

    def _with_current_secret(self) -> Token | ResolvedTo:
        """Converse with the version in use; if it is rejected, with the previous version."""
        secret = self._invocation.secret()
        self._version = secret.version
        try:
            result = self._converse()
        except CredentialRejected as error:
            if self._gate.has_rejected(secret.version):
                raise  # `token_of` met the rejection, and its exchange has kept it
            was_accepted = self._keep_rejection(error, secret.version)
            previous = None if was_accepted else self._previous(secret)
            if not previous:
                raise
            return self._with_previous_secret(previous)
        except (NotConfigured, InvalidRequest):
            if self._has_sent:
                self._gate.accept(self._outcome.item, secret.version)
            raise
        self._gate.accept(self._outcome.item, secret.version)
        return result

    def _keep_rejection(self, error: CredentialRejected, version: str) -> bool:
        """Keep what a rejection means; say whether *version* was accepted before.

        Raises `UpstreamRefused` if the verdict is that the credentials are right, and *error* if
        AWS does not take the verdict: then only this variant backs off.
        """
        failure = self._outcome.failure(error, version)
        try:
            judged = self._gate.reject(
                self._outcome.item, version, failure, is_certain=error.is_certain
            )
        except (StoreUnavailable, NotConfigured):
            raise error from None
        self._outcome.continue_with(judged.lease)
        if judged.verdict is Verdict.BLAME_VARIANT:
            raise UpstreamRefused(error.detail, **upstream_of(error)) from None
        if judged.verdict is Verdict.SUSPECT:
            error.retry_after = SUSPECT_RETRY_SECONDS
        return judged.was_accepted

    def _previous(self, secret: Secret) -> Secret | None:
        """Return the previous version, if *secret* is new and the previous one was not rejected.

        None, too, if it cannot be read or is malformed: the rejection is what callers must see.
        """
        if self._deps.clock.now() - secret.created_at > ROTATION_WINDOW:
            return None
        try:
            previous = self._deps.secrets.previous(self._invocation.connection)
            if not previous or previous.version == secret.version:
                return None
            self._deps.flow.vendor.parse(previous.content)
        except BrokerError:
            return None
        own = self._outcome.item
        # The rejection was written on condition that the gate had no other; `admit` reads it again.
        gate = own if own.is_gate else self._invocation.gate
        return None if self._gate.knows_rejected(own, gate, previous.version) else previous

    def _with_previous_secret(self, previous: Secret) -> Token | ResolvedTo:
        """Converse once with the previous version; the invocation uses it from now on."""
        self._invocation.use_previous(previous)
        try:
            result = self._converse()
        except CredentialRejected as error:
            if error.is_certain:
                failure = self._outcome.failure(error, self._version)
                judged = self._gate.reject(
                    self._outcome.item, previous.version, failure, is_certain=True
                )
                self._outcome.continue_with(judged.lease)
            raise
        self._gate.release()
        return result

    def _converse(self) -> Token | ResolvedTo:
        """Drive the vendor's conversation. Only the first run may use the renewal token."""
        item = self._outcome.item
        # The lease has marked the renewal token as in use, so a second run counts it as spent.
        may_renew, self._may_renew = self._may_renew, False
        # Another version of the secret may name another user, who must not get this session.
        may_renew &= item.secret_version == self._invocation.secret().version
        kept = self._invocation.sealer.open_token(item) if may_renew else None
        self._is_proven = kept is not None
        credentials, now = self._invocation.credentials(), self._deps.clock.now()
        conversation = self._deps.flow.vendor.exchange(credentials, self._variant, now, kept)
        try:
            result = run(conversation, self._send, self._other_token)
        except UpstreamError as error:
            raise quoted(error, self._last, self._invocation.secret().content) from None
        if not self._is_proven:
            raise Internal("no request of this exchange proved the credentials")
        return result

    def _other_token(self, need: NeedToken) -> Token:
        """Return another variant's token. An error of its exchange quotes no response of ours."""
        self._last, self._is_proven = None, True
        return self._token_of(need)

    def _send(self, request: Request) -> Response:
        """Send *request*, if enough time of the invocation and the lease is left for its answer."""
        self._last = None
        if request.proves_credentials:
            self._is_proven = True
            self._gate.admit(self._outcome.item, self._invocation.secret().version)
        seconds = self._seconds_for_request()
        if seconds < LEAST_REQUEST_SECONDS:
            if not self._has_sent:  # others took the time: the vendor is not to blame
                raise RefreshInProgress("too little time is left for an exchange", retry_after=1)
            raise UpstreamUnavailable(f"{request.step}: no time was left to send it")
        self._has_sent, self._last = True, Sent(request, None)
        self._invocation.record_sent(request)
        began = self._deps.clock.monotonic()
        status = 0
        try:
            response = self._deps.send(request, seconds)
            status = response.status
            self._last = Sent(request, response)
        finally:
            milliseconds = round(self._deps.clock.milliseconds_since(began))
            self._deps.emit("upstream", step=request.step, status=status, milliseconds=milliseconds)
        return response

    def _seconds_for_request(self) -> float:
        """Return the seconds that an answer may take: both invocation and lease limit them."""
        seconds = self._invocation.seconds_for_requests
        if not self._outcome.holds_lease:
            return seconds
        ends = self._outcome.item.lease_until - self._deps.skew
        return min(seconds, ends - self._deps.clock.now())

    def _emit(self, began: float, outcome: str) -> None:
        milliseconds = round(self._deps.clock.milliseconds_since(began))
        self._deps.emit(
            "exchange",
            variant=self._outcome.item.variant,
            kind=self._variant.kind,
            outcome=outcome,
            milliseconds=milliseconds,
        )
