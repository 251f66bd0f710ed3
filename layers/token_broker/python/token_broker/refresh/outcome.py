"""Keeps the outcome of an exchange: a token, an alias or a failure. Each write ends the lease."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from token_broker.cache import CachedToken
from token_broker.decisions import next_failure, refresh_at
from token_broker.dependencies import Dependencies
from token_broker.errors import (
    AWS_FAILURES,
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
from token_broker.item import Failure, Item
from token_broker.look import Look
from token_broker.records import replace
from token_broker.refresh.deadline import (
    COMMIT_PAUSE_SECONDS,
    COMMIT_SECONDS,
    LAST_COMMIT_SECONDS,
    LEAST_EXCHANGE_SECONDS,
)
from token_broker.refresh.invocation import Invocation
from token_broker.tokens import Token, Variant

ALIAS_SECONDS = 2.0
"""How long an alias is tried: the caller waits for its token, which needs no alias."""

LEAST_ALIAS_SECONDS = ALIAS_SECONDS + COMMIT_SECONDS + LEAST_EXCHANGE_SECONDS
"""With less time than this left, an alias is not tried again: an exchange may have to follow."""

ALIAS_LIFETIME_SECONDS = 30 * 86_400
"""Seconds after which the table may drop an alias. It is bound to the secret's version anyway."""


class Alias(NamedTuple):
    """*variant* stands for *leads_to*."""

    variant: Variant
    item: Item | None
    """The item of *variant*, which records this; None if that is not kept."""
    leads_to: Variant
    seen: Look | None = None
    """What the last read of the table shows of *leads_to*, if it does."""


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
        self._secret = invocation.secret
        self.variant = variant
        self._before = before
        self.failed_before = item.failure
        """As of the lease: an earlier holder, or DELETE, may have changed that of *before*."""
        self.holds_lease = item.lease_owner is not None
        self.item = item
        """The item as it was written last: a rejection is written during the exchange."""

    @property
    def was_ready(self) -> bool:
        """Say whether the renewal token was unspent before this lease marked it as in use."""
        return self._before.renewal == "ready"

    def keep(self, result: Token | ResolvedTo) -> CachedToken | Alias | None:
        """Keep *result*, unless callers do not share tokens; None if the lease was lost."""
        if isinstance(result, Token):
            return self.keep_token(result) if self.holds_lease else self.unshared_token(result)
        if not self.holds_lease:
            raise Internal("an exchange that is not shared led to another variant")
        return self.keep_alias(result)

    def keep_token(self, token: Token) -> CachedToken | None:
        """Keep *token* and return it; None if the lease was lost, or a caller has reported *token*.

        If it cannot be kept, it is still returned, and the failure is kept: others back off.
        """
        values, announcements = self._values(token), self._invocation.announcements
        # Only a gate has a latch to end, and only the current version ends it.
        is_recovery = self.item.is_gate and self.item.awaits_recovery
        recovers = is_recovery and not self._secret.is_previous

        def write() -> Item | None:
            sealed = self._deps.sealer.seal_token(self.item, self.variant, token, values["context"])
            kept = {**values, "token": sealed}
            return self._deps.store.commit(self.item, kept, recovers=recovers)

        try:
            item = self._repeated(write, LAST_COMMIT_SECONDS)
        except AWS_FAILURES as error:
            item = local_item(self.item, values)
            announcements.send_later("Token Unkept", item, code=error.code)
            self._end_lease(self.failure_for(error))
        else:
            if item and recovers:
                announcements.send("Connection Recovered", values["secret_version"])
            if item and item.kind in self._deps.flow.vendor.token_kinds:
                replaced = self.item.fingerprint
                announcements.send_later("Token Replaced", item, replaces=replaced)
            if item and item.is_rejected:  # as `commit` read it after a lost answer
                return None
        return CachedToken(item, token, self._invocation.gate_read_at) if item else None

    def keep_alias(self, resolved: ResolvedTo) -> Alias:
        """Keep the alias that the exchange found; return it even if it could not be kept."""

        def write() -> Item | None:
            version, expected = self._secret.version(), resolved.expected
            values = alias_values(self._deps, self.item, resolved.variant, version, expected)
            return self._deps.store.commit(self.item, values)

        least_seconds = self._invocation.deadline.seconds_to_commit - ALIAS_SECONDS
        try:
            item = self._repeated(write, max(least_seconds, LEAST_ALIAS_SECONDS))
        except AWS_FAILURES as error:
            self._deps.emit("unkept", code=error.code, variant=self.item.variant)
            self._end_lease(None)
            item = None
        return Alias(self.variant, item, resolved.variant)

    def unshared_token(self, token: Token) -> CachedToken:
        """Return *token* for one caller alone, and clear the back-off of earlier failures."""
        if self.item.failure:
            self._try_write(lambda: self._deps.store.back_off(self.item, None))
        item = local_item(self.item, self._values(token))
        return CachedToken(item, token, self._invocation.gate_read_at, is_shared=False)

    def _repeated(self, write: Callable[[], Item | None], least_seconds: float) -> Item | None:
        """Repeat *write* while the table cannot be reached and *least_seconds* are left."""
        while True:
            try:
                return write()
            except StoreUnavailable as error:
                self._invocation.record_delay(error)
                if self._invocation.deadline.seconds_to_commit < least_seconds:
                    raise
                self._deps.clock.sleep(COMMIT_PAUSE_SECONDS)

    def keep_failure(self, error: BrokerError, *, has_sent: bool) -> None:
        """Keep *error* as the failure of this variant, end the lease, and set its `retry_after`.

        *has_sent* says whether this exchange sent a request.
        """
        failure = self.failure_for(error) if self._is_kept(error) else self._uncertainty(has_sent)
        if failure and error.retryable:
            wait = failure.retry_at - self._deps.clock.now()
            error.retry_after = max(error.retry_after or 0, wait)
        if self.holds_lease:
            is_unspent = self.was_ready and not has_sent
            self._end_lease(failure, renewal="ready" if is_unspent else None)
        elif failure:
            self._try_write(lambda: self._deps.store.back_off(self.item, failure))

    def _is_kept(self, error: BrokerError) -> bool:
        """Say whether callers back off after *error*: not if it is a latch, or cost no request."""
        if isinstance(error, UpstreamError):
            return not isinstance(error, CredentialLatched)
        is_mistake = isinstance(error, NotConfigured | InvalidRequest | Internal)
        return self._invocation.last_request is not None and is_mistake

    def failure_for(self, error: BrokerError) -> Failure:
        """Return the failure to keep for *error*, of the secret's current version.

        If no request was sent, it is another item's back-off: for the same time, and not counted.
        """
        now, last_request = self._deps.clock.now(), self._invocation.last_request
        version = self._secret.current().version
        is_login = last_request is not None and last_request.proves_credentials
        # Not the failure in `item`: a rejection is written there first, and must not count twice.
        failure = next_failure(self.failed_before, error, now, version, is_login=is_login)
        if last_request or error.retry_after is None:
            return failure
        return replace(failure, count=max(1, failure.count - 1), retry_at=now + error.retry_after)

    def _uncertainty(self, has_sent: bool) -> Failure | None:
        """Return a failure that makes the old token stale and due, if a request was sent.

        It may be that of an exchange before, which never ended.
        """
        is_uncertain = has_sent or self._before.lease_owner is not None
        if not is_uncertain or not self.item.token:
            return None
        unfinished = UpstreamUnavailable("the last exchange was not finished")
        return replace(self.failure_for(unfinished), retry_at=self._deps.clock.now())

    def _end_lease(self, failure: Failure | None, *, renewal: str | None = None) -> None:
        self._try_write(lambda: self._deps.store.release(self.item, failure, renewal=renewal))

    def _try_write(self, write: Callable[[], object]) -> None:
        self._invocation.try_write(self.item, write)

    def _values(self, token: Token) -> dict[str, Any]:
        """Return the attributes of *token*, without the sealed one."""
        values = {
            "kind": self.variant.kind,
            "fingerprint": token.fingerprint,
            "issued_at": token.issued_at,
            "expires_at": token.expires_at,
            "refresh_at": refresh_at(token.issued_at, token.expires_at, self._deps.random()),
            "secret_version": self._secret.version(),
            "context": json.dumps(dict(token.context), sort_keys=True, separators=(",", ":")),
        }
        return values | ({"renewal": "ready"} if token.renewal else {})


def alias_values(
    deps: Dependencies, own: Item, target: Variant, version: str, expected: Mapping[str, Any]
) -> dict[str, object]:
    """Return what the table keeps of *own* as an alias, made with *version* of the secret.

    *expected* is what the context of *target* must say: a role.
    """
    now = deps.clock.now()
    context = {"context": json.dumps(dict(expected))} if expected else {}
    return context | {
        "kind": "pointer",
        "token": deps.sealer.seal_variant(own, target),
        "target": target.key,
        "secret_version": version,
        "issued_at": now,
        "expires_at": now + ALIAS_LIFETIME_SECONDS,
    }


def local_item(lease: Item, values: dict[str, Any]) -> Item:
    """Return the item as it would be if the table had kept *values*."""
    ended = {"failure": None, "lease_owner": None, "lease_until": 0}
    made = {"token": b"", "generation": lease.generation + 1}
    return replace(lease.without_token(), **values | ended | made)
