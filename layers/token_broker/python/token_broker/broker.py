"""A call for a token: from the cache, else from the table, else by an exchange.

`Broker.token` returns the first of these that meets the request:

1. the cached token, if it was read within `MEMORY_SECONDS`, and no refresh waits for a claim;
2. the token in the table, opened by KMS. If a refresh waits for a claim, one of the callers claims
   it, and starts it in the background;
3. the token of an exchange; if that fails, the old one while it lives (`refresh.miss`).

A token of 1 or 2 is a hit, even while another caller exchanges: then it is stale. It is no hit if
an exchange began and never ended: then it is uncertain (`Item.is_good`).

A call that forces skips 1 and 2, after the read. A call that reports a token skips 1, and if the
table still has that token, 2. If the table cannot be reached, any other call gets the cached token
as long as it lives. If KMS cannot, the cached one serves if the table shows the same. A hit loads
no module but those imported here, unless it claims a refresh, or boto3 replaces the fast client.
"""

from token_broker.aliases import look, open_shown
from token_broker.cache import CachedToken
from token_broker.decisions import State, state
from token_broker.dependencies import Dependencies
from token_broker.errors import AWS_FAILURES, BrokerError
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
        kept = None if request.force or reports_kept else open_shown(self.deps, seen)
        now = self.deps.clock.now()  # to read and to decrypt took time
        if kept and kept.item.is_good(now, request.min_ttl):
            if kept.item.is_refresh_unclaimed(now):
                self._start_refresh(connection, request, kept, now)
            return self._answer(kept, "table")
        from token_broker.refresh.invocation import Invocation  # noqa: PLC0415 (off the hit path)
        from token_broker.refresh.miss import obtained_or_old  # noqa: PLC0415 (as above)

        invocation = Invocation(self.deps, connection, deadline)
        missed = obtained_or_old(invocation, request, seen, kept)
        answer = self._answer(missed.cached, missed.source)
        return replace(answer, stale=answer.stale or missed.is_old, is_hit=False)

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

    def _answer(self, kept: CachedToken, source: str) -> Answer:
        is_stale = state(kept.item, self.deps.clock.now(), min_ttl=0) is State.STALE
        return Answer(kept.item, kept.token, source, stale=is_stale)


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
