"""One exchange with the vendor: by the holder of the variant's lease, if callers share tokens."""

from collections.abc import Callable
from contextlib import suppress

from token_broker import exchange
from token_broker.cache import CachedToken
from token_broker.conditional_writes import Rejection
from token_broker.decisions import Verdict, latched_by
from token_broker.dependencies import Dependencies
from token_broker.errors import (
    AWS_FAILURES,
    BrokerError,
    CredentialRejected,
    Internal,
    InvalidRequest,
    NotConfigured,
    RefreshInProgress,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
    upstream_of,
)
from token_broker.exchange import NeedToken, Request, ResolvedTo, Response
from token_broker.item import SUSPECT_RETRY_SECONDS
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.outcome import Alias, Outcome
from token_broker.tokens import Token
from token_broker.upstream_message import quoted

LEAST_REQUEST_SECONDS = 0.2
"""A request with less time than this is not sent."""


class SecretReplaced(Exception):
    """The version of the secret changed after the running conversation began."""


class ExchangeAttempt:
    """An exchange of one variant. *token_of* returns live tokens of other variants.

    *outcome* has the variant's item: with this invocation's lease, if callers share tokens.
    """

    def __init__(
        self,
        invocation: Invocation,
        gate: CredentialGate,
        outcome: Outcome,
        token_of: Callable[[NeedToken], Token],
    ) -> None:
        self._invocation = invocation
        self._deps = invocation.deps
        self._secret = invocation.secret
        self._gate = gate
        self._outcome = outcome
        self._token_of = token_of
        self._has_sent = False
        """Whether this exchange sent a request, which the vendor may have processed."""
        self._is_proven = False
        """Whether success proves the credentials: they, or a token of them, are used."""
        self._current: tuple[Request, Response | None] | None = None
        """The request that an error now is about, and its response. None: it is about none."""

    def run(self) -> CachedToken | Alias | None:
        """Keep and return the new token, or the variant that has it; None if the lease was lost.

        Raises the `BrokerError` that ended the exchange, after it was kept.
        """
        began = self._deps.clock.monotonic()
        announcements = self._invocation.announcements
        try:
            result = self._outcome.keep(self._result())
        except Exception as error:
            known = error if isinstance(error, BrokerError) else Internal("the exchange failed")
            self._outcome.keep_failure(known, has_sent=self._has_sent)
            self._emit(began, known.code)
            if isinstance(known, UpstreamUnavailable) and self._current:
                announcements.found_upstream(is_available=False)
            raise
        finally:
            self._gate.release()
        self._emit(began, "success")
        if self._has_sent:
            announcements.found_upstream(is_available=True)
        return result

    def _result(self) -> Token | ResolvedTo:
        """Converse; begin again, once, if the secret changes: a token is made with one version."""
        for _ in range(2):
            with suppress(SecretReplaced):
                return self._with_version_in_use()
        raise RefreshInProgress("the secret changed meanwhile", retry_after=1)

    def _with_version_in_use(self) -> Token | ResolvedTo:
        """Converse with the version in use; if it is rejected, with the previous version."""
        version = self._secret.version()
        try:
            result = self._converse()
        except CredentialRejected as error:
            if not self._current:
                raise  # by the gate, or by the exchange of another variant, which has kept it
            was_accepted = self._keep_rejection(error)
            previous = None if was_accepted else self._secret.previous()
            if not previous or not self._may_try(previous.version):
                raise
            self._secret.use(previous)
            return self._with_previous_version()
        except (NotConfigured, InvalidRequest):
            if self._is_proven and self._current:  # the account lacks what is asked
                self._gate.accept(self._outcome.item, version)
            raise
        # Before the commit: other variants may wait for the gate's lease.
        self._gate.accept(self._outcome.item, version)
        return result

    def _with_previous_version(self) -> Token | ResolvedTo:
        """Converse with the previous version. Its success leaves the current version latched."""
        try:
            return self._converse()
        except CredentialRejected as error:
            if self._current:  # not by the gate: see `_with_version_in_use`
                self._keep_rejection(error)
            raise

    def _may_try(self, version: str) -> bool:
        """Say whether *version* is not latched, was not rejected within a minute, nor backs off."""
        gate, failed = self._invocation.gate, self._outcome.failed_before
        now = self._deps.clock.now()
        # The write of a rejection fails if the gate has another one since this read.
        if latched_by(gate, self._outcome.item, version) or gate.awaits_second_try(version, now):
            return False
        return not failed or failed.secret_version != version or not failed.is_backing_off(now)

    def _keep_rejection(self, error: CredentialRejected) -> bool:
        """Keep what a rejection means; say whether the version in use was accepted before.

        Raises *error* if AWS does not take the verdict, and `UpstreamRefused` if that is that the
        current version is right.
        """
        item, failure = self._outcome.item, self._outcome.failure_for(error)
        rejection = Rejection(self._secret.version(), failure, item.variant)
        try:
            judged = self._gate.reject(item, rejection, is_certain=error.is_certain)
        except AWS_FAILURES:
            raise error from None
        self._outcome.item = judged.own
        is_current = not self._secret.is_previous
        if judged.verdict is Verdict.BLAME_VARIANT and is_current:
            raise UpstreamRefused(error.detail, **upstream_of(error)) from None
        if judged.verdict is Verdict.SUSPECT and is_current:
            error.retry_after = SUSPECT_RETRY_SECONDS
        return judged.was_accepted

    def _converse(self) -> Token | ResolvedTo:
        """Drive the vendor's conversation. It gets the kept token, if that can be renewed."""
        self._current, self._is_proven = None, False
        item = self._outcome.item
        may_renew = self._outcome.was_ready and not self._has_sent
        # Another version of the secret may name another user, who must not get this session.
        may_renew &= item.secret_version == self._secret.version()
        kept = self._invocation.sealer.open_token(item) if may_renew else None
        self._is_proven = kept is not None
        credentials, now = self._secret.credentials(), self._deps.clock.now()
        conversation = self._deps.flow.vendor.exchange(
            credentials, self._outcome.variant, now, kept
        )
        try:
            result = exchange.run(conversation, self._send, self._other_token)
        except UpstreamError as error:
            raise quoted(error, self._current, self._secret.in_use().content) from None
        if not self._is_proven:
            raise Internal("no request of this exchange proved the credentials")
        return result

    def _other_token(self, need: NeedToken) -> Token:
        """Return another variant's token. An error of its exchange quotes no response of ours."""
        self._current, self._is_proven = None, True
        return self._token_of(need)

    def _send(self, request: Request) -> Response:
        """Send *request*, if enough time of the invocation and the lease is left for its answer."""
        self._current = None
        if request.proves_credentials:
            self._is_proven, version = True, self._secret.version()
            self._gate.admit(self._outcome.item, version)
            if self._secret.version() != version:  # the gate has read the secret again
                raise SecretReplaced
        seconds = self._seconds_for_request()  # `admit` may have waited
        if seconds < LEAST_REQUEST_SECONDS:
            if not self._has_sent:  # others took the time: the vendor is not to blame
                raise RefreshInProgress("too little time is left for an exchange", retry_after=1)
            raise UpstreamUnavailable(f"{request.step}: no time was left to send it")
        self._has_sent, self._current = True, (request, None)
        self._invocation.record_sent(request)
        response = send(self._deps, request, seconds)
        self._current = request, response
        return response

    def _seconds_for_request(self) -> float:
        """Return the seconds that an answer may take: both invocation and lease limit them."""
        seconds = self._invocation.deadline.seconds_for_requests
        if not self._outcome.holds_lease:
            return seconds
        ends = self._outcome.item.lease_until - self._deps.skew
        return min(seconds, ends - self._deps.clock.now())

    def _emit(self, began: float, outcome: str) -> None:
        milliseconds = round(self._deps.clock.milliseconds_since(began))
        self._deps.emit(
            "exchange",
            variant=self._outcome.item.variant,
            kind=self._outcome.variant.kind,
            outcome=outcome,
            milliseconds=milliseconds,
        )


def send(deps: Dependencies, request: Request, seconds: float) -> Response:
    """Send *request*, and emit its step, its milliseconds and its status: 0 without an answer."""
    began = deps.clock.monotonic()
    status = 0
    try:
        response = deps.send(request, seconds)
        status = response.status
    finally:
        milliseconds = deps.clock.milliseconds_since(began)
        deps.emit("upstream", step=request.step, status=status, milliseconds=milliseconds)
    return response
