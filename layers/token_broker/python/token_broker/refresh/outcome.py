"""Keeps the outcome of an exchange: a token, an alias or a failure. Each write ends the lease."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from token_broker.aliases import alias_values
from token_broker.cache import CachedToken
from token_broker.decisions import next_failure, refresh_at
from token_broker.errors import (
    BrokerError,
    CredentialLatched,
    Internal,
    InvalidRequest,
    NotConfigured,
    StoreUnavailable,
    UpstreamError,
    UpstreamUnavailable,
)
from token_broker.exchange import ResolvedTo
from token_broker.item import Failure, Item, rfc3339
from token_broker.records import replace
from token_broker.refresh.invocation import COMMIT_SECONDS, LEAST_EXCHANGE_SECONDS, Invocation
from token_broker.tokens import Token, Variant

LAST_COMMIT_SECONDS = 1.0
"""With less time than this left, the table is not tried again."""

LEAST_ALIAS_SECONDS = COMMIT_SECONDS + LEAST_EXCHANGE_SECONDS
"""With less time than this left, no exchange could follow: an alias is not tried again."""

COMMIT_PAUSE_SECONDS = 0.1


class Alias(NamedTuple):
    """The variant that another one stands for, and the item that records this, if it is kept."""

    target: Variant
    item: Item | None


class Outcome:
    """Keeps the outcome of an exchange of *variant*.

    *item* was written with the lease, and *before* was read before that. If callers do not share
    tokens, there is no lease, and only a back-off is kept.
    """

    def __init__(
        self, invocation: Invocation, variant: Variant, *, before: Item, item: Item
    ) -> None:
        self._invocation = invocation
        self._deps = invocation.deps
        self._variant = variant
        self._was_ready = before.renewal == "ready"
        self._was_uncertain = before.is_uncertain(self._deps.clock.now())
        self._failed_before = item.failure
        self.holds_lease = item.lease_owner is not None
        self.item = item
        """The item as it was written last: a rejection is written during the exchange."""

    def continue_with(self, item: Item) -> None:
        """Go on with *item*, as it was written last.

        An exchange without a lease ignores the lease of another caller in it.
        """
        self.item = item if self.holds_lease else replace(item, lease_owner=None, lease_until=0)

    def unshared(self, token: Token) -> CachedToken:
        """Return *token* for one caller alone, and clear the back-off of earlier failures."""
        if self.item.failure:
            self.try_write(lambda: self._deps.store.back_off(self.item, None))
        item = local_item(self.item, self._values(token))
        return CachedToken(item, token, self._invocation.gate_read_at, is_shared=False)

    def alias(self, resolved: ResolvedTo) -> Item | None:
        """Keep the alias that the exchange found, and return its item.

        None if AWS refuses to keep it, or the lease was lost: the alias is followed all the same.
        """
        version = self._invocation.secret().version

        def write() -> Item | None:
            sealed = self._deps.sealer.seal_variant(self.item, resolved.variant)
            now = self._deps.clock.now()
            values = alias_values(sealed, resolved.variant, version, now, resolved.expected)
            return self._deps.store.commit(self.item, values)

        try:
            return self._repeated(write, LEAST_ALIAS_SECONDS)
        except NotConfigured as error:
            self._end_unkept(error, None, None)
            return None

    def token(self, token: Token, first_version: str) -> CachedToken | None:
        """Keep *token* and return it; None if the lease was lost.

        A token that cannot be kept is still returned: the vendor may have revoked the kept one.
        Then the error is kept as a failure, so that others back off and do not log in again.
        *first_version* is the version of the secret that this exchange began with.
        """
        values = self._values(token)
        recovers = self._has_recovered()

        def write() -> Item | None:
            sealed = self._deps.sealer.seal_token(
                self.item, self._variant, token, values["context"]
            )
            kept = {**values, "token": sealed}
            return self._deps.store.commit(self.item, kept, recovers=recovers)

        try:
            item = self._repeated(write, LAST_COMMIT_SECONDS)
        except (StoreUnavailable, NotConfigured) as error:
            item = local_item(self.item, values)
            self._end_unkept(error, self.failure(error, first_version), item)
        else:
            if item and recovers:
                self._invocation.announce("Connection Recovered", values["secret_version"])
            if item and item.kind in self._deps.flow.vendor.token_kinds:
                self._pend("Token Replaced", item, replaces=self.item.fingerprint)
        return CachedToken(item, token, self._invocation.gate_read_at) if item else None

    def _repeated(self, write: Callable[[], Item | None], least_seconds: float) -> Item | None:
        """Return what *write* returns; repeat it while the table cannot be reached.

        Raises its last `StoreUnavailable` with less than *least_seconds* left.
        """
        while True:
            try:
                return write()
            except StoreUnavailable:
                if self._invocation.seconds_to_commit < least_seconds:
                    raise
                self._deps.clock.sleep(COMMIT_PAUSE_SECONDS)

    def failed(self, error: BrokerError, version: str | None, *, has_sent: bool) -> None:
        """Keep *error* as the failure of this variant, and end the lease.

        *has_sent* says whether this exchange sent a request. *error* gets the seconds of the
        back-off, if they are more than the upstream asked for. A write that fails is emitted, not
        raised.
        """
        if self._is_kept(error):
            failure: Failure | None = self.failure(error, version)
        else:
            failure = self._uncertainty(version, has_sent)
        if failure and error.retryable:
            wait = failure.retry_at - self._deps.clock.now()
            error.retry_after = max(error.retry_after or 0, wait)
        is_unspent = self.item.renewal == "in_use" and not has_sent
        renewal = "ready" if is_unspent and self._was_ready else None
        if self.holds_lease:
            self.try_write(lambda: self._deps.store.fail(self.item, failure, renewal=renewal))
        elif failure:
            self.try_write(lambda: self._deps.store.back_off(self.item, failure))

    def _is_kept(self, error: BrokerError) -> bool:
        """Say whether callers back off after *error*.

        A latch needs no back-off. A mistake in the secret or the call, or a defect, costs nothing,
        unless requests were sent before it was found.
        """
        if isinstance(error, UpstreamError):
            return not isinstance(error, CredentialLatched)
        is_mistake = isinstance(error, NotConfigured | InvalidRequest | Internal)
        return self._invocation.has_sent_any and is_mistake

    def failure(self, error: BrokerError, version: str | None) -> Failure:
        """Return the failure to keep for *error*, which ended an exchange with *version*.

        If this invocation sent no request, *error* is another item's back-off. Then this item backs
        off for the same time, and the failure does not count.
        """
        now = self._deps.clock.now()
        # Not the failure in `item`: a rejection is written there first, and must not count twice.
        last, is_login = self._failed_before, self._invocation.was_login
        failure = next_failure(last, error, now, version, is_login=is_login)
        if self._invocation.has_sent_any or error.retry_after is None:
            return failure
        return replace(failure, count=max(1, failure.count - 1), retry_at=now + error.retry_after)

    def _uncertainty(self, version: str | None, has_sent: bool) -> Failure | None:
        """Return a failure which marks the old token as uncertain, if a request was sent."""
        if not (has_sent or self._was_uncertain) or not self.item.token:
            return None
        unfinished = UpstreamUnavailable("the last exchange was not finished")
        return replace(self.failure(unfinished, version), retry_at=self._deps.clock.now())

    def _end_unkept(self, error: BrokerError, failure: Failure | None, item: Item | None) -> None:
        """Try to end the lease of an exchange whose outcome could not be kept.

        *item* is the token's item that could not be written; None for an alias, which has no event.
        """
        if item:
            self._pend("Token Unkept", item, code=error.code)
        else:
            self._deps.emit("unkept", code=error.code, variant=self.item.variant)
        self.try_write(lambda: self._deps.store.fail(self.item, failure, renewal=None))

    def _pend(self, event: str, item: Item, **facts: str | None) -> None:
        """Have *event* sent at the end of the invocation, with the facts of the token of *item*."""
        of_token = {
            "variant": item.variant,
            "kind": item.kind,
            "generation": item.generation,
            "fingerprint": item.fingerprint,
            "expires_at": rfc3339(item.expires_at),
            "secret_version": item.secret_version,
        }
        self._invocation.pending_events.append((event, of_token | facts))

    def try_write(self, write: Callable[[], object]) -> None:
        """Try a write. If it fails the lease expires, so the caller gets the exchange's error."""
        try:
            write()
        except BrokerError as error:
            self._deps.emit("unreleased", code=error.code, variant=self.item.variant)

    def _has_recovered(self) -> bool:
        """Say whether this token ends the latch of its connection, if its item is the gate.

        A token of the previous version does not: the current version is still rejected.
        """
        is_current = not self._invocation.uses_previous
        return self.item.is_gate and self.item.awaits_recovery and is_current

    def _values(self, token: Token) -> dict[str, Any]:
        """Return the attributes of *token*, without the sealed one."""
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
    """Return the item as it would be if the table had kept *values*."""
    known = {name: value for name, value in values.items() if name in Item.__annotations__}
    ended = {"failure": None, "lease_owner": None, "lease_until": 0}
    return replace(
        lease.without_token(),
        **known | ended | {"token": b"", "generation": lease.generation + 1},
    )
