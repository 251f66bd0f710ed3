"""What comes of a lease: a new token, an alias or a failure. Each ends the lease as it is kept."""

import json
from collections.abc import Callable
from typing import Any

from token_broker.aliases import alias_values
from token_broker.cache import CachedToken
from token_broker.decisions import next_failure, refresh_at
from token_broker.errors import (
    BrokerError,
    CredentialLatched,
    InvalidRequest,
    NotConfigured,
    StoreUnavailable,
    UpstreamError,
    UpstreamUnavailable,
)
from token_broker.exchange import ResolvedTo
from token_broker.item import Failure, Item
from token_broker.records import replace
from token_broker.refresh.invocation import Invocation
from token_broker.tokens import ONLY, Token, Variant

LAST_COMMIT_SECONDS = 1.0
"""With less time than this left, the table is not tried again."""

LEAST_ALIAS_SECONDS = 6.0
"""With less time than this left, no exchange could follow: an alias is not tried again."""

COMMIT_PAUSE_SECONDS = 0.1


class Outcome:
    """Keeps what comes of an exchange of *variant* under *lease*, which was acquired of *found*.

    Without a lease, where callers do not share tokens, nothing is kept but a back-off.
    """

    def __init__(self, invocation: Invocation, found: Item, lease: Item, variant: Variant) -> None:
        self._invocation = invocation
        self._deps = invocation.deps
        self._variant = variant
        self._was_ready = found.renewal == "ready"
        self._was_uncertain = found.is_uncertain(self._deps.clock.now())
        self._failed_before = lease.failure
        self.is_leased = lease.lease_owner is not None
        self.lease = lease
        """The lease as it is by now: a rejection is written under it."""

    def reread(self, lease: Item) -> None:
        """Go on with *lease* as it was written last; another holder's is none of ours."""
        is_ours = self.is_leased
        self.lease = lease if is_ours else replace(lease, lease_owner=None, lease_until=0)

    def unshared(self, token: Token) -> CachedToken:
        """Return *token* for one caller alone; a back-off that is over is forgotten."""
        self._try(
            lambda: self._deps.store.back_off(self.lease, None) if self.lease.failure else None
        )
        item = local_item(self.lease, self._values(token))
        return CachedToken(item, token, self._invocation.gate_read_at, is_shared=False)

    def alias(self, resolved: ResolvedTo) -> Item | None:
        """Keep where the variant leads to, and return the item that says so if it is kept.

        That it may not be kept is no reason not to go there.
        """
        version = self._invocation.secret().version
        while True:
            try:
                sealed = self._deps.sealer.seal_variant(self.lease, resolved.variant)
                now = self._deps.clock.now()
                values = alias_values(sealed, resolved.variant, version, now, resolved.expected)
                return self._deps.store.commit(self.lease, values)
            except NotConfigured as error:
                self._end_unkept(error, None, None)
                return None
            except StoreUnavailable:
                if self._invocation.seconds_to_commit < LEAST_ALIAS_SECONDS:
                    raise
                self._deps.clock.sleep(COMMIT_PAUSE_SECONDS)

    def token(self, token: Token, first_version: str) -> CachedToken | None:
        """Keep *token*, trying for as long as the lease lasts; None if the lease was lost.

        A token that cannot be kept at all is still handed out: it is live, and the kept one may
        not be. Why is kept instead, so that others wait for a back-off and do not log in again.
        *first_version* is the version of the secret that this exchange began with.
        """
        values = self._values(token)
        recovers = self._has_recovered()
        while True:
            try:
                values["token"] = self._deps.sealer.seal_token(
                    self.lease, self._variant, token, values["context"]
                )
                item = self._deps.store.commit(self.lease, values, recovers=recovers)
            except (StoreUnavailable, NotConfigured) as error:
                is_late = self._invocation.seconds_to_commit < LAST_COMMIT_SECONDS
                if is_late or isinstance(error, NotConfigured):
                    item = local_item(self.lease, values)
                    self._end_unkept(error, self.failure(error, first_version), item)
                    break
                self._deps.clock.sleep(COMMIT_PAUSE_SECONDS)
            else:
                if item and recovers:
                    self._invocation.announce("Connection Recovered", values["secret_version"])
                if item and item.kind in self._deps.flow.vendor.token_kinds:
                    self._invocation.news.replaced(self.lease, item)
                break
        return CachedToken(item, token, self._invocation.gate_read_at) if item else None

    def failed(self, error: BrokerError, version: str | None, *, has_sent: bool) -> None:
        """Keep why there is no token, and end the lease. What cannot be kept, is emitted."""
        is_kept = isinstance(error, UpstreamError) and not isinstance(error, CredentialLatched)
        is_mistake = isinstance(error, NotConfigured | InvalidRequest)
        is_kept |= self._invocation.has_sent and is_mistake
        failure = self.failure(error, version) if is_kept else self._uncertainty(version, has_sent)
        if failure and error.retryable and error.retry_after is None:
            error.retry_after = failure.retry_at - self._deps.clock.now()
        is_unspent = self.lease.renewal == "in_use" and not has_sent
        renewal = "ready" if is_unspent and self._was_ready else None
        if self.is_leased:
            self._try(lambda: self._deps.store.fail(self.lease, failure, renewal=renewal))
        elif failure:
            self._try(lambda: self._deps.store.back_off(self.lease, failure))

    def failure(self, error: BrokerError, version: str | None) -> Failure:
        """Return what is kept of *error*, which an exchange with *version* ended with.

        Where no request was sent, *error* is the back-off of another item: it is not prolonged.
        """
        now = self._deps.clock.now()
        failure = next_failure(
            # Of this exchange, nothing counts twice: a rejection is written before its end.
            replace(self.lease, failure=self._failed_before),
            now,
            code=error.code,
            detail=error.detail,
            secret_version=version,
            retry_after=error.retry_after,
            upstream_status=error.upstream_status,
            upstream_code=error.upstream_code,
            upstream_message=error.upstream_message,
            is_login=self._invocation.was_login,
        )
        if self._invocation.has_sent or error.retry_after is None:
            return failure
        return replace(failure, count=max(1, failure.count - 1), retry_at=now + error.retry_after)

    def _uncertainty(self, version: str | None, has_sent: bool) -> Failure | None:
        """Return what keeps the old token uncertain, if what was sent may have ended it."""
        if not (has_sent or self._was_uncertain) or not self.lease.token:
            return None
        unfinished = UpstreamUnavailable("the last exchange was not finished")
        return replace(self.failure(unfinished, version), retry_at=self._deps.clock.now())

    def _end_unkept(self, error: BrokerError, failure: Failure | None, item: Item | None) -> None:
        """End the lease of an exchange whose outcome cannot be kept, if the table lets it.

        *item* is the token's item that could not be written. An alias has no event.
        """
        if item:
            self._invocation.news.unkept(item, error.code)
        else:
            self._deps.emit("unkept", code=error.code, variant=self.lease.variant)
        self._try(lambda: self._deps.store.fail(self.lease, failure, renewal=None))

    def _try(self, write: Callable[[], object]) -> None:
        """Write what ends by itself if it cannot be written: the caller has the first error."""
        try:
            write()
        except BrokerError as error:
            self._deps.emit("unreleased", code=error.code, variant=self.lease.variant)

    def _has_recovered(self) -> bool:
        """Say whether this exchange opens a connection that was latched, and is its own gate.

        Not with the version before, which only bridges the time until the secret is right.
        """
        is_gate = self.lease.variant == ONLY
        return is_gate and self.lease.is_closed and not self._invocation.uses_previous

    def _values(self, token: Token) -> dict[str, Any]:
        """Return what the table keeps of *token*, but for the sealed part."""
        values = {
            "kind": self._variant.kind,
            "fingerprint": token.fingerprint,
            "issued_at": token.issued_at,
            "expires_at": token.expires_at,
            "refresh_at": refresh_at(token.issued_at, token.expires_at, self._deps.random()),
            "secret_version": self._invocation.secret().version,
            "context": json.dumps(dict(token.context), sort_keys=True, separators=(",", ":")),
        }
        return values | ({"renewal": "ready"} if token.renewal else {})


def local_item(lease: Item, values: dict[str, Any]) -> Item:
    """Return the item as it would be, had it been kept."""
    known = {name: value for name, value in values.items() if name in Item.__annotations__}
    ended = {"failure": None, "lease_owner": None, "lease_until": 0}
    return replace(
        lease.without_token(),
        **known | ended | {"token": b"", "generation": lease.generation + 1},
    )
