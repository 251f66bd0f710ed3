"""A call for a token: from the cache, else from the table, else by an exchange.

`Broker.token` returns the first of these that meets the request:

1. the cached token, if it was read within `MEMORY_SECONDS`, and no refresh is due and unclaimed;
2. the token in the table, opened by KMS. If its refresh is due, one caller claims that by a
   conditional write, and starts it in the background;
3. the token of an exchange; if that fails, the old one while it lives (`refresh.miss`).

1 and 2 are hits, even while another caller exchanges: then the token is stale. They are none if an
exchange began and never ended: then the token is uncertain (`Item.is_good`).

A call with `force` takes 3. A call that reports a token takes 2, or 3 if the table still has that
token. If the table cannot be reached, any other call gets the cached token as long as it lives. If
KMS cannot, the cached token serves if the table shows the same one.
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
        usable = None if request.force or request.rejected else cached
        if (
            usable
            and cache.is_recent(usable, now)
            and usable.item.is_good(now, request.min_ttl)
            and not usable.item.is_refresh_unclaimed(now)  # the table shows a claim
        ):
            return answer(usable, "memory")
        try:
            seen = look(self.deps, partition, key)
        except AWS_FAILURES:
            if usable and usable.item.lives_for(self.deps.clock.now(), request.min_ttl):
                return answer(usable, "memory")
            raise
        request = with_report_of_kept(request, seen.target, cached)
        reports_kept = seen.target.fingerprint in request.rejected
        # The call wants another token: KMS need not open this one. In an outage, `force` opens it.
        kept = None if request.force or reports_kept else open_shown(self.deps, seen)
        now = self.deps.clock.now()  # to read and to decrypt took time
        if kept and kept.item.is_good(now, request.min_ttl):
            if kept.item.is_refresh_unclaimed(now):
                self._start_refresh(connection, key, kept, now)
            return answer(kept, "table")
        from token_broker.refresh.invocation import Invocation  # noqa: PLC0415 (off the hit path)
        from token_broker.refresh.miss import obtained_or_old  # noqa: PLC0415 (as above)

        invocation = Invocation(self.deps, connection, deadline)
        missed = obtained_or_old(invocation, request, seen, kept)
        found = answer(missed.cached, missed.source)
        return replace(found, stale=found.stale or missed.is_old, is_hit=False)

    def _start_refresh(self, connection: str, key: str, kept: CachedToken, now: int) -> None:
        """Claim the background refresh by one conditional write. The winner starts it.

        It invokes this Lambda function, which runs `maintenance.renew`, and does not wait. The
        cached item is marked first: this process tries once in `CLAIM_SECONDS`, even if the table
        fails. Table and log call the claim a nudge.
        """
        until = now + CLAIM_SECONDS
        claimed = replace(kept, item=replace(kept.item, nudged_until=until))
        self.deps.cache.put(key, claimed)
        try:
            if self.deps.store.claim_refresh(kept.item, until):
                payload = {"connection": connection, "variant": kept.item.variant}
                self.deps.invoke({"action": "renew"} | payload)
                self.deps.emit("nudge", variant=kept.item.variant)
        except BrokerError as error:
            # The token is still good, so this caller gets it. A later one starts the refresh.
            self.deps.emit("nudge", variant=kept.item.variant, code=error.code)


def answer(kept: CachedToken, source: str) -> Answer:
    """Return *kept* as the answer to a call."""
    return Answer(kept.item, kept.token, source, stale=kept.item.is_stale)


def with_report_of_kept(
    request: TokenRequest, item: Item, cached: CachedToken | None
) -> TokenRequest:
    """Return *request*; if it reports a token that only the cache has, report that of *item*, too.

    A token that could not be kept (`Outcome.keep_token`) is in the cache of its maker's process.
    """
    if not cached or cached.item.fingerprint not in request.rejected:
        return request
    if not item.fingerprint or not cached.is_newer_than(item):
        return request
    return replace(request, rejected=request.rejected | {item.fingerprint})
