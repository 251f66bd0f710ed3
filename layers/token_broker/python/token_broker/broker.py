"""A call for a token: from the cache, else from the table, else by an exchange.

The cache serves a token that was read within `MEMORY_SECONDS`, and longer while the table cannot be
read, or KMS does not decrypt what it shows. One of the callers that find a refresh due starts it in
the background. `Item.is_good`: the token lives, and no exchange of it began and never ended.
"""

from token_broker.cache import CachedToken
from token_broker.dependencies import Dependencies
from token_broker.errors import AWS_FAILURES, BrokerError
from token_broker.item import CLAIM_SECONDS, Item
from token_broker.look import look, open_shown
from token_broker.records import Record, replace
from token_broker.tokens import Token, TokenRequest


class Answer(Record):
    """A live token and where it came from: ``memory``, ``table`` or ``exchange``."""

    item: Item
    token: Token
    source: str
    stale: bool
    """Whether the exchange for a newer token still runs, failed, or never ended."""
    is_hit: bool = True
    """Whether the caller waited for no exchange."""


class Broker(Record):
    """Hands out tokens of one flow."""

    deps: Dependencies

    def token(self, connection: str, request: TokenRequest, deadline: float) -> Answer:
        """Return a token that meets *request*. Raises a `BrokerError` if there is none.

        The platform ends this invocation soon after *deadline*, by the monotonic clock. A request
        with `force` wants a new token; one with `rejected`, another one than those that the vendor
        refused. Neither uses the cache.
        """
        now, cache = self.deps.clock.now(), self.deps.cache
        partition, key = self.deps.partition(connection), request.variant.key
        cached = cache.recall(partition, key)  # however old
        usable = None if request.force or request.rejected else cached
        if (
            usable
            and cache.is_recent(usable, now)
            and usable.item.is_good(now, request.min_ttl)
            and not usable.item.awaits_refresh(now)  # the table shows claims of others
        ):
            return answer(usable, "memory")
        try:
            seen = look(self.deps, partition, key)
        except AWS_FAILURES:
            if usable and usable.item.lives_for(self.deps.clock.now(), request.min_ttl):
                return answer(usable, "memory")
            raise
        request = rejecting_replaced(request, seen.target, cached)
        is_unwanted = request.force or seen.target.fingerprint in request.rejected
        kept = None if is_unwanted else open_shown(self.deps, seen)
        now = self.deps.clock.now()  # to read and to decrypt took time
        if kept and kept.item.is_good(now, request.min_ttl):
            if kept.item.awaits_refresh(now):
                self._start_refresh(connection, key, kept, now)
            return answer(kept, "table")
        from token_broker.refresh.invocation import Invocation  # noqa: PLC0415 (off the hit path)
        from token_broker.refresh.miss import obtained_or_old  # noqa: PLC0415 (as above)

        invocation = Invocation(self.deps, connection, deadline)
        missed = obtained_or_old(invocation, request, seen, kept)
        found = answer(missed.cached, missed.source)
        return replace(found, stale=found.stale or missed.is_old, is_hit=False)

    def _start_refresh(self, connection: str, key: str, kept: CachedToken, now: int) -> None:
        """Claim the refresh by a conditional write; the winner invokes `maintenance.renew`.

        It does not wait. Table and log call the claim a nudge.
        """
        until = now + CLAIM_SECONDS
        # First in the cache: this process tries once in `CLAIM_SECONDS`, even if the table fails.
        claimed = replace(kept, item=replace(kept.item, nudged_until=until))
        self.deps.cache.put(key, claimed)
        try:
            if self.deps.store.claim_refresh(kept.item, until):
                payload = {"connection": connection, "variant": kept.item.variant}
                self.deps.invoke({"action": "renew"} | payload)
                self.deps.emit("nudge", variant=kept.item.variant)
        except BrokerError as error:
            self.deps.emit("nudge", variant=kept.item.variant, code=error.code)


def answer(kept: CachedToken, source: str) -> Answer:
    """Return *kept* as the answer to a call."""
    return Answer(kept.item, kept.token, source, stale=kept.item.is_stale)


def rejecting_replaced(
    request: TokenRequest, item: Item, cached: CachedToken | None
) -> TokenRequest:
    """Return *request*; if it rejects a token that replaced that of *item*, it rejects both.

    Only the process that made that token has it, if it could not be kept (`Outcome.keep_token`).
    """
    is_reported = cached and cached.item.fingerprint in request.rejected
    if cached and is_reported and item.fingerprint and cached.is_newer_than(item):
        return replace(request, rejected=request.rejected | {item.fingerprint})
    return request
