"""One attempt at an exchange, by the holder of a variant's lease. Its outcome is kept."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from token_broker.cache import Held
from token_broker.errors import (
    BrokerError,
    CredentialLatched,
    CredentialRejected,
    Internal,
    InvalidRequest,
    NotConfigured,
    RefreshInProgress,
    StoreUnavailable,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.exchange import Ask, Elsewhere, Request, Response, run
from token_broker.item import SECOND_LOOK, Failure, Item, Verdict, next_failure, refresh_at
from token_broker.pointers import pointer_values
from token_broker.refresh.upstream_message import upstream_message
from token_broker.secrets_manager import Secret
from token_broker.tokens import ONLY, Token, Variant

if TYPE_CHECKING:
    from token_broker.refresh.refresher import Errand

LAST_COMMIT_SECONDS = 1.0
"""With less time than this left, the table is not tried again."""

LEAST_ALIAS_SECONDS = 6.0
"""With less time than this left, no exchange could follow: an alias is not tried again."""

COMMIT_PAUSE_SECONDS = 0.1
LEAST_REQUEST_SECONDS = 0.2
"""A request with less time than this is not sent."""

ROTATION_WINDOW = 86_400
"""Seconds after a rotation in which the secret's previous version is worth a try."""


class Led(NamedTuple):
    """The variant that another one leads to, and the item that says so if it is kept."""

    variant: Variant
    item: Item | None


class SecretReplaced(Exception):
    """The errand uses another version of the secret by now than the one a conversation is of."""


class Attempt:
    """An exchange of *variant* under *lease*, which was taken of *found*."""

    def __init__(self, errand: "Errand", found: Item, lease: Item, variant: Variant) -> None:
        self._errand = errand
        self._tools = errand.tools
        self._lease = lease
        self._variant = variant
        self._may_renew = self._was_ready = found.renewal == "ready"
        self._was_in_doubt = found.is_in_doubt(self._tools.clock.now())
        self._failed_before = lease.failure
        self._is_leased = lease.lease_owner is not None
        self._has_sent = False
        self._is_proven = False
        """Whether anything has shown that the credentials are right, or will."""
        self._secret: Secret | None = None
        self._last: tuple[Request, Response] | None = None
        """The last request of the conversation, and its answer if there was one."""

    def make(self) -> Held | Led | None:
        """Return a token that is kept, or where to get it from; None if the lease was lost.

        Raises the `BrokerError` that ended the attempt, once it is kept too.
        """
        began = self._tools.clock.monotonic()
        try:
            earned = self._converse()
            kept = self._keep(earned)
            self._errand.gate.settle()
        except BrokerError as error:
            self._give_up(error)
            self._note(began, error.code)
            raise
        except Exception:
            self._give_up(Internal("the exchange failed"))
            self._note(began, Internal.code)
            raise
        self._note(began, "success")
        return kept

    def make_unshared(self) -> Held:
        """Return a token for one caller alone: no lease, and nothing is kept but a back-off."""
        began = self._tools.clock.monotonic()
        try:
            earned = self._converse()
        except BrokerError as error:
            self._give_up(error)
            self._note(began, error.code)
            raise
        except Exception:
            self._give_up(Internal("the exchange failed"))
            self._note(began, Internal.code)
            raise
        self._note(began, "success")
        self._settle_unshared()
        if isinstance(earned, Elsewhere):
            raise Internal("an exchange that is not shared led elsewhere")
        values = self._values(earned, self._errand.read_secret().version)
        item = local_item(self._lease, values)
        return Held(item, earned, self._tools.clock.now(), is_shared=False)

    def _settle_unshared(self) -> None:
        """Forget a back-off that is over, and what the gate's lease was for."""
        try:
            if self._lease.failure:
                self._tools.store.back_off(self._lease, None)
            self._errand.gate.release()
        except BrokerError as error:
            self._tools.note("unreleased", code=error.code, variant=self._lease.variant)

    def _converse(self) -> Token | Elsewhere:
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

    def _converse_once(self) -> Token | Elsewhere:
        """Hold the conversation, with the secret's previous version if this one is rejected."""
        secret = self._secret = self._errand.read_secret()
        credentials = self._tools.flow.Credentials.parse(secret.content)
        try:
            earned = self._run(credentials)
        except CredentialRejected as error:
            if self._errand.gate.has_rejected(secret.version):
                raise  # by an exchange that this one is made from, which saw to it
            was_accepted = self._judge(error, secret.version)
            previous = None if was_accepted else self._previous(secret)
            if not previous:
                raise
            return self._retry(previous)
        except (NotConfigured, InvalidRequest):
            if self._has_sent:
                self._errand.gate.accept(secret.version)
            raise
        self._errand.gate.accept(secret.version)
        return earned

    def _judge(self, error: CredentialRejected, version: str) -> bool:
        """Keep what a rejection means; say whether *version* was accepted before.

        Raises `UpstreamRefused` where it says nothing of the credentials.
        """
        judged = self._errand.gate.reject(
            self._lease, version, self._failure(error), is_certain=error.is_certain
        )
        self._lease = self._as_held(judged.lease)
        if judged.verdict is Verdict.BLAME_VARIANT:
            raise UpstreamRefused(
                error.detail,
                upstream_status=error.upstream_status,
                upstream_message=error.upstream_message,
            ) from None
        if judged.verdict is Verdict.SUSPECT:
            error.retry_after = SECOND_LOOK
        return judged.was_accepted

    def _as_held(self, lease: Item) -> Item:
        """Return *lease*, without it where this attempt has none: it is somebody else's."""
        return lease if self._is_leased else replace(lease, lease_owner=None, lease_until=0)

    def _run(self, credentials: Any) -> Token | Elsewhere:
        """Converse once. A renewal token is used here or never: by now it counts as spent."""
        may_renew, self._may_renew = self._may_renew, False
        # Another version of the secret may name another user, whose session this is not.
        may_renew &= self._lease.secret_version == self._errand.read_secret().version
        kept = self._tools.sealer.open_token(self._lease) if may_renew else None
        now = self._tools.clock.now()
        conversation = self._tools.flow.exchange(credentials, self._variant, now, kept)
        self._is_proven = kept is not None
        try:
            earned = run(conversation, self._send, self._ask)
        except UpstreamError as error:
            self._quote(error)
            raise
        if not self._is_proven:
            raise Internal("no request of this exchange proved the credentials")
        return earned

    def _ask(self, ask: Ask) -> Token:
        """Return another variant's token; what its exchange fails with is not this one's words."""
        self._last = None
        self._is_proven = True
        return self._errand.ask(ask)

    def _quote(self, error: UpstreamError) -> None:
        """Put the vendor's own words for *error*, masked, where callers and the log find them."""
        if self._last and error.upstream_message is None:
            request, response = self._last
            secret = self._errand.read_secret().content
            error.upstream_message = upstream_message(response, request, secret)

    def _send(self, request: Request) -> Response:
        """Send *request* if its answer will come well inside the lease."""
        if request.proves_credentials:
            self._is_proven = True
            self._errand.gate.admit(self._lease, self._errand.read_secret().version)
        seconds = self._errand.seconds_for_requests
        if self._lease.lease_owner:
            ends = self._lease.lease_until - self._tools.skew
            seconds = min(seconds, ends - self._tools.clock.now())
        if seconds < LEAST_REQUEST_SECONDS:
            raise UpstreamUnavailable(f"{request.step}: no time was left to send it")
        self._has_sent = self._errand.has_talked = True
        self._last = None
        self._errand.was_login = request.proves_credentials
        began = self._tools.clock.monotonic()
        status = 0
        try:
            response = self._tools.send(request, seconds)
            status = response.status
            self._last = request, response
        finally:
            milliseconds = (self._tools.clock.monotonic() - began) * 1000
            self._tools.note(
                "upstream", step=request.step, status=status, milliseconds=round(milliseconds)
            )
        return response

    def _previous(self, secret: Secret) -> Secret | None:
        """Return the version before *secret*, if *secret* is new and that one was not rejected."""
        if self._tools.clock.now() - secret.created_at > ROTATION_WINDOW:
            return None
        previous = self._tools.secrets.previous(self._errand.connection)
        if not previous or previous.version == secret.version:
            return None
        is_rejected = self._errand.gate.knows_rejected(self._lease, previous.version)
        return None if is_rejected else previous

    def _retry(self, previous: Secret) -> Token | Elsewhere:
        """Try the version before, once."""
        self._errand.use(previous)
        try:
            earned = self._run(self._tools.flow.Credentials.parse(previous.content))
        except CredentialRejected as error:
            if error.is_certain:
                self._lease = self._as_held(
                    self._errand.gate.reject_previous(
                        self._lease, previous.version, self._failure(error)
                    )
                )
            raise
        self._errand.gate.release()
        return earned

    def _keep(self, earned: Token | Elsewhere) -> Held | Led | None:
        secret = self._errand.read_secret()
        if isinstance(earned, Elsewhere):
            return Led(earned.variant, self._keep_alias(earned, secret.version))
        item = self._commit(earned, self._values(earned, secret.version))
        if item:
            self._errand.earn(item, earned)
        # A seed is for this errand only: the login that it holds ends long before the token.
        bare = replace(earned, seed={})
        return Held(item, bare, self._tools.clock.now()) if item else None

    def _keep_alias(self, found: Elsewhere, version: str) -> Item | None:
        """Keep where the variant leads to, and return the item that says so if it is kept.

        That it may not be kept is no reason not to go there.
        """
        while True:
            try:
                sealed = self._tools.sealer.seal_variant(self._lease, found.variant)
                now = self._tools.clock.now()
                values = pointer_values(sealed, found.variant, version, now, found.expected)
                return self._tools.store.commit(self._lease, values)
            except NotConfigured as error:
                self._end_unkept(error, None)
                return None
            except StoreUnavailable:
                if self._errand.seconds_to_keep < LEAST_ALIAS_SECONDS:
                    raise
                self._tools.clock.sleep(COMMIT_PAUSE_SECONDS)

    def _commit(self, token: Token, values: dict[str, Any]) -> Item | None:
        """Keep *token*, trying for as long as the lease lasts; None if the lease was lost.

        A token that cannot be kept at all is still handed out: it is live, and what is kept may
        not be. Why is kept instead, so that others wait for a back-off and do not log in again.
        """
        while True:
            try:
                values["token"] = self._tools.sealer.seal_token(
                    self._lease, self._variant, token, values["context"]
                )
                item = self._tools.store.commit(self._lease, values)
            except (StoreUnavailable, NotConfigured) as error:
                is_late = self._errand.seconds_to_keep < LAST_COMMIT_SECONDS
                if is_late or isinstance(error, NotConfigured):
                    self._end_unkept(error, self._failure(error))
                    return local_item(self._lease, values)
                self._tools.clock.sleep(COMMIT_PAUSE_SECONDS)
            else:
                if item and self._has_recovered():
                    self._errand.announce("Connection Recovered", values["secret_version"])
                return item

    def _end_unkept(self, error: BrokerError, failure: Failure | None) -> None:
        """End the lease of an exchange whose outcome cannot be kept, if the table lets it."""
        self._tools.note("unkept", code=error.code, variant=self._lease.variant)
        try:
            self._tools.store.fail(self._lease, failure, renewal=None)
        except BrokerError as second:
            self._tools.note("unreleased", code=second.code, variant=self._lease.variant)

    def _has_recovered(self) -> bool:
        """Say whether this exchange opens a connection that was latched, and is its own gate."""
        lease, secret = self._lease, self._secret
        is_new = secret is not None and not lease.is_latched(secret.version)
        return is_new and lease.variant == ONLY and lease.is_latched(None)

    def _values(self, token: Token, version: str) -> dict[str, Any]:
        """Return what the table keeps of *token*, but for the sealed part."""
        values = {
            "kind": self._variant.kind,
            "fingerprint": token.fingerprint,
            "issued_at": token.issued_at,
            "expires_at": token.expires_at,
            "refresh_at": refresh_at(token.issued_at, token.expires_at, self._tools.dice()),
            "secret_version": version,
            "context": json.dumps(dict(token.context), sort_keys=True, separators=(",", ":")),
        }
        return values | ({"renewal": "ready"} if token.renewal else {})

    def _failure(self, error: BrokerError) -> Failure:
        return next_failure(
            # Of this attempt, nothing counts twice, though a rejection is written before its end.
            replace(self._lease, failure=self._failed_before),
            self._tools.clock.now(),
            code=error.code,
            detail=error.detail,
            secret_version=self._secret.version if self._secret else None,
            retry_after=error.retry_after,
            upstream_status=error.upstream_status,
            upstream_code=error.upstream_code,
            upstream_message=error.upstream_message,
            is_login=self._errand.was_login,
        )

    def _doubt(self) -> Failure | None:
        """Return what keeps the old token in doubt, if what was sent may have ended it."""
        if not (self._has_sent or self._was_in_doubt) or not self._lease.token:
            return None
        unfinished = UpstreamUnavailable("the last exchange was not finished")
        return replace(self._failure(unfinished), retry_at=self._tools.clock.now())

    def _give_up(self, error: BrokerError) -> None:
        """Keep why there is no token, and end the leases."""
        is_kept = isinstance(error, UpstreamError) and not isinstance(error, CredentialLatched)
        is_kept |= self._errand.has_talked and isinstance(error, NotConfigured | InvalidRequest)
        failure = self._failure(error) if is_kept else self._doubt()
        if failure and error.retryable and error.retry_after is None:
            error.retry_after = failure.retry_at - self._tools.clock.now()
        is_unspent = self._lease.renewal == "in_use" and not self._has_sent
        try:
            if self._is_leased:
                renewal = "ready" if is_unspent and self._was_ready else None
                self._tools.store.fail(self._lease, failure, renewal=renewal)
            elif failure:
                self._tools.store.back_off(self._lease, failure)
            self._errand.gate.release()
        except BrokerError as second:
            # The lease ends by itself; the caller is told of the first error.
            self._tools.note("unreleased", code=second.code, variant=self._lease.variant)

    def _note(self, began: float, outcome: str) -> None:
        milliseconds = round((self._tools.clock.monotonic() - began) * 1000)
        self._tools.note(
            "exchange",
            variant=self._lease.variant,
            kind=self._variant.kind,
            outcome=outcome,
            milliseconds=milliseconds,
        )


def local_item(lease: Item, values: dict[str, Any]) -> Item:
    """Return the item as it would be, had it been kept."""
    known = {name: value for name, value in values.items() if name in Item.__slots__}
    return replace(
        lease.without_token(),
        **known | {"token": b"", "generation": lease.generation + 1, "failure": None},
    )
