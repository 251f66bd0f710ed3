"""A call for a token: from the cache, else from the table, else by an exchange.

`Broker.token` returns the first of these that meets the request:

1. the cached token, if it was read within `MEMORY_SECONDS`, and no refresh waits for a claim;
2. the token in the table, opened by KMS. If a refresh waits for a claim, one of the callers claims
   it, and starts it in the background;
3. the token of an exchange (`refresh`). If that fails, the old one while it lives, if
   `may_use_old` allows it.

A token of 1 or 2 is a hit, even while another caller exchanges: then it is stale. It is no hit if
an exchange began and never ended: then it is uncertain (`Item.is_good`).

A call that forces skips 1 and 2, after the read. A call that reports a token skips 1, and if the
table still has that token, 2. If the table cannot be reached, any other call gets the cached token
as long as it lives. If KMS cannot, the cached one serves if the table shows the same. A hit loads
no module but those imported here, unless it claims a refresh, or boto3 replaces the fast client.
"""

from token_broker.aliases import Look, look
from token_broker.cache import CachedToken
from token_broker.decisions import State, state
from token_broker.dependencies import Dependencies
from token_broker.errors import (
    AWS_FAILURES,
    BrokerError,
    ConnectionHeld,
    UpstreamError,
    UpstreamUnavailable,
)
from token_broker.item import CLAIM_SECONDS, Item
from token_broker.records import Record, field, replace
from token_broker.tokens import Token, TokenRequest


class Answer(Record):
    """A live token and where it came from: ``memory``, ``table`` or ``exchange``."""

    item: Item
    token: Token = field(repr=False)
    source: str
    stale: bool
    """Whether the exchange for a newer token still runs, failed, or never ended."""
    is_hit: bool = True
    """Whether the token was kept when the call came: the caller waited for no exchange."""


class Broker(Record):
    """Hands out tokens of one flow."""

    deps: Dependencies

    def token(self, connection: str, request: TokenRequest, deadline: float) -> Answer:
        """Return a token that meets *request*: a kept one, else one of an exchange.

        The caller waits until *deadline* by the monotonic clock: the platform ends this invocation
        soon after. Raises a `BrokerError` for each way in which there can be no token.
        """
        now, cache = self.deps.clock.now(), self.deps.cache
        partition, key = self.deps.partition(connection), request.variant.key
        cached = cache.recall(partition, key)  # however old
        may_be_cached = not (request.force or request.rejected)
        if (
            cached
            and may_be_cached
            and cache.is_recent(cached, now)
            and cached.item.is_good(now, request.min_ttl)
            and not cached.item.is_refresh_unclaimed(now)  # the table shows a claim
        ):
            return self._answer(cached, "memory")
        try:
            seen = look(self.deps, partition, key)
        except AWS_FAILURES:
            is_live = cached and cached.item.lives_for(self.deps.clock.now(), request.min_ttl)
            if cached and may_be_cached and is_live:
                return self._answer(cached, "memory")
            raise
        request = with_report_of_kept(request, seen.shown, cached)
        reports_kept = seen.shown.fingerprint in request.rejected
        # The call wants another token: KMS need not open this one. In an outage, `force` opens it.
        kept = None if request.force or reports_kept else self._opened(seen)
        now = self.deps.clock.now()  # to read and to decrypt took time
        if kept and kept.item.is_good(now, request.min_ttl):
            if kept.item.is_refresh_unclaimed(now):
                self._start_refresh(connection, request, kept, now)
            return self._answer(kept, "table")
        return self._obtained(connection, request, deadline, seen, kept)

    def _opened(self, seen: Look) -> CachedToken | None:
        """Decrypt and cache the token that *seen* shows. None if no live token can be opened."""
        now, item = self.deps.clock.now(), seen.shown
        is_live = item.is_live(now)
        token = self._token_of(seen) if is_live else None
        if item.corrupt or (is_live and token is None):  # a corrupt item has no token
            attributes = list(item.corrupt) or ["token"]
            self.deps.emit("damaged", variant=item.variant, attributes=attributes)
        if token is None:
            return None
        opened = CachedToken(item, token, seen.read_at)
        # By the requested variant: the item may be that of its target.
        self.deps.cache.put(item.partition, seen.own.variant, opened)
        return opened

    def _token_of(self, seen: Look) -> Token | None:
        """Decrypt the token; while KMS does not, the cache may still have the same one."""
        try:
            return self.deps.sealer.open_token(seen.shown)
        except AWS_FAILURES:
            cached = self.deps.cache.recall(seen.own.partition, seen.own.variant)
            if cached and cached.item.fingerprint == seen.shown.fingerprint:
                return cached.token
            raise

    def _start_refresh(
        self, connection: str, request: TokenRequest, kept: CachedToken, now: int
    ) -> None:
        """Claim the background refresh by one conditional write. The winner starts it.

        It invokes this Lambda function, which runs `maintenance.renew`, and does not wait. The
        cached item is marked first: this process tries once in `CLAIM_SECONDS`, even if the table
        fails. Table and log call the claim a nudge.
        """
        until = now + CLAIM_SECONDS
        claimed = replace(kept, item=replace(kept.item, nudged_until=until))
        self.deps.cache.put(kept.item.partition, request.variant.key, claimed)
        try:
            if self.deps.store.claim_refresh(kept.item, until):
                payload = {"connection": connection, "variant": kept.item.variant}
                self.deps.invoke({"action": "renew"} | payload)
                self.deps.emit("nudge", variant=kept.item.variant)
        except BrokerError as error:
            # The token is still good, so this caller gets it. A later one starts the refresh.
            self.deps.emit("nudge", variant=kept.item.variant, code=error.code)

    def _obtained(
        self,
        connection: str,
        request: TokenRequest,
        deadline: float,
        seen: Look,
        kept: CachedToken | None,
    ) -> Answer:
        """Return a token from an exchange: of this call, or of another that already runs.

        If it fails, return the old token while that lives. *kept* is the token that *seen* shows,
        which is not good enough; None if there is none, or the caller wants another one.
        """
        from token_broker.refresh.invocation import Invocation  # noqa: PLC0415 (off the hit path)
        from token_broker.refresh.refresher import Refresher  # noqa: PLC0415 (as above)
        from token_broker.refresh.requirement import Requirement  # noqa: PLC0415 (as above)

        invocation = Invocation(self.deps, connection, deadline)
        try:
            requirement = Requirement(request.min_ttl, request.rejected, request.force)
            obtained, source = Refresher(invocation).obtain(request.variant, requirement, seen)
        except BrokerError as error:
            may_use = may_use_old(error, request, seen, kept)
            old = self._old_token(invocation.partition, request, kept) if may_use else None
            if not old:
                raise
            return Answer(old.item, old.token, "table", stale=True, is_hit=False)
        return replace(self._answer(obtained, source), is_hit=False)

    def _old_token(
        self, partition: str, request: TokenRequest, kept: CachedToken | None
    ) -> CachedToken | None:
        """Return the token that the failed exchange should have replaced, if it still lives.

        That is *kept* if the table cannot be read. An alias is followed, unless it is wrong.
        """
        try:
            seen = look(self.deps, partition, request.variant.key)
        except AWS_FAILURES:
            old = kept
        else:
            if seen.may_be_outdated and not seen.is_wrong:
                seen = replace(seen, own=seen.target)
            try:
                old = self._opened(seen)
            except AWS_FAILURES:
                return None
        if old is None or old.item.fingerprint in request.rejected:
            return None
        return old if old.item.lives_for(self.deps.clock.now(), request.min_ttl) else None

    def _answer(self, kept: CachedToken, source: str) -> Answer:
        is_stale = state(kept.item, self.deps.clock.now(), min_ttl=0) is State.STALE
        return Answer(kept.item, kept.token, source, stale=is_stale)


def may_use_old(
    error: BrokerError, request: TokenRequest, seen: Look, kept: CachedToken | None
) -> bool:
    """Say whether the old token may be returned after *error*. For `force`, only in an outage.

    If an alias may be outdated, only while nothing can tell whether it is. Not under a hold: the
    table, which shows the hold, may fail at the next read.
    """
    if request.force:
        return isinstance(error, UpstreamUnavailable)
    if seen.may_be_outdated:
        return error.retryable or isinstance(error, UpstreamError)
    return kept is not None and not isinstance(error, ConnectionHeld)


def with_report_of_kept(
    request: TokenRequest, item: Item, cached: CachedToken | None
) -> TokenRequest:
    """Return *request*; if it reports a token that only the cache has, report that of *item*, too.

    A token that could not be kept (`Outcome.keep_token`) is in the cache of its maker's process.
    """
    is_reported = cached and cached.item.fingerprint in request.rejected
    if not (cached and is_reported and cached.is_newer_than(item) and item.fingerprint):
        return request
    return replace(request, rejected=request.rejected | {item.fingerprint})
