"""A call for a token: from the cache, else from the table, else by an exchange.

This is the hit path: a call that is served from cache or table loads no other module of the broker.
`refresh` is loaded when an exchange begins, `maintenance` for actions that no caller waits for.
"""

from token_broker.aliases import Look, look
from token_broker.cache import CachedToken
from token_broker.decisions import State, refuse_too_long, state
from token_broker.dependencies import Dependencies
from token_broker.errors import BrokerError, StoreUnavailable, UpstreamUnavailable
from token_broker.item import CLAIM_SECONDS, Item
from token_broker.records import Record, field, replace
from token_broker.tokens import Token, TokenRequest


class Answer(Record):
    """A live token and where it came from: ``memory``, ``table`` or ``exchange``."""

    item: Item
    token: Token = field(repr=False)
    source: str
    stale: bool


class Broker(Record):
    """Hands out tokens of one flow."""

    deps: Dependencies

    def token(self, connection: str, request: TokenRequest, deadline: float) -> Answer:
        """Return a live token for *request*; exchange only if there is none.

        The caller waits until *deadline* by the monotonic clock: the platform ends this invocation
        soon after. Raises a `BrokerError` for each way in which there can be no token.
        """
        now = self.deps.clock.now()
        partition, key = self.deps.partition(connection), request.variant.key
        may_be_cached = not (request.rejected or request.force)
        if may_be_cached and (cached := self.deps.cache.get(partition, key, now)):
            item = cached.item
            # If its refresh is due, the table is read: another caller may have claimed it, or done.
            if item.is_good(now, request.min_ttl) and not item.is_renewal_due(now):
                return self._answer(cached, "memory")
        try:
            return self._from_table(connection, request, deadline)
        except StoreUnavailable:
            old, now = self.deps.cache.recall(partition, key), self.deps.clock.now()
            if may_be_cached and old and old.item.is_live(now, request.min_ttl):
                return self._hand_out(connection, request, old, "memory")
            raise

    def _from_table(self, connection: str, request: TokenRequest, deadline: float) -> Answer:
        partition = self.deps.partition(connection)
        seen = look(self.deps, partition, request.variant.key)
        is_reported = request.rejected is not None and seen.item.fingerprint == request.rejected
        # The exchange replaces such a token, so KMS need not open it here.
        kept = None if request.force or is_reported else self._opened(seen)
        now = self.deps.clock.now()
        if kept:
            refuse_too_long(kept.item, request.min_ttl, now)
            if kept.item.is_good(now, request.min_ttl):
                return self._hand_out(connection, request, kept, "table")
        try:
            return self._refreshed(connection, request, deadline, seen)
        except BrokerError as error:
            # `force` asks for a new token, so only an outage makes the old one good enough.
            is_outage = isinstance(error, UpstreamUnavailable)
            may_be_old = is_outage if request.force else kept is not None
            old = self._old_token(partition, request) if may_be_old else None
            if not old:
                raise
            return Answer(old.item, old.token, "table", stale=True)

    def _refreshed(
        self, connection: str, request: TokenRequest, deadline: float, seen: Look
    ) -> Answer:
        """Return a token from an exchange: of this call, or of another that already runs."""
        from token_broker.refresh.invocation import Invocation  # noqa: PLC0415 (off the hit path)
        from token_broker.refresh.refresher import Refresher  # noqa: PLC0415 (as above)
        from token_broker.refresh.requirement import Requirement  # noqa: PLC0415 (as above)

        invocation = Invocation(self.deps, connection, deadline)
        requirement = Requirement.of(request)
        obtained, source = Refresher(invocation).obtain(request.variant, requirement, seen)
        self.deps.cache.put(invocation.partition, request.variant.key, obtained)
        return self._answer(obtained, source)

    def _old_token(self, partition: str, request: TokenRequest) -> CachedToken | None:
        """Return the token that the failed exchange should have replaced, if it still lives."""
        old = self._opened(look(self.deps, partition, request.variant.key))
        if old is None or old.item.fingerprint == request.rejected:
            return None
        return old if old.item.is_live(self.deps.clock.now(), request.min_ttl) else None

    def _opened(self, seen: Look) -> CachedToken | None:
        """Decrypt and cache the token that *seen* shows. None if no live token can be opened."""
        now, item = self.deps.clock.now(), seen.item
        token = self.deps.sealer.open_token(item) if item.is_live(now) else None
        if item.corrupt or (token is None and item.is_live(now)):
            attributes = list(item.corrupt) or ["token"]
            self.deps.emit("damaged", variant=item.variant, attributes=attributes)
        if token is None:
            return None
        opened = CachedToken(item, token, seen.read_at)
        self.deps.cache.put(item.connection, seen.own.variant, opened)
        return opened

    def _hand_out(
        self, connection: str, request: TokenRequest, kept: CachedToken, source: str
    ) -> Answer:
        """Return a kept token, and start its background refresh if that is due."""
        now = self.deps.clock.now()
        if kept.item.is_renewal_due(now):
            self._start_refresh(connection, request, kept, now)
        return self._answer(kept, source)

    def _start_refresh(
        self, connection: str, request: TokenRequest, kept: CachedToken, now: int
    ) -> None:
        """Start a background refresh, if this caller wins the claim: one conditional write."""
        until = now + CLAIM_SECONDS
        claimed = replace(kept, item=replace(kept.item, nudged_until=until))
        self.deps.cache.put(kept.item.connection, request.variant.key, claimed)
        try:
            if self.deps.store.claim_refresh(kept.item, until):
                payload = {"connection": connection, "variant": kept.item.variant}
                self.deps.invoke({"action": "renew"} | payload)
                self.deps.emit("nudge", variant=kept.item.variant)
        except BrokerError as error:
            # The token is still good, so this caller gets it. A later one starts the refresh.
            self.deps.emit("nudge", variant=kept.item.variant, code=error.code)

    def _answer(self, kept: CachedToken, source: str) -> Answer:
        age = state(kept.item, self.deps.clock.now(), 0)
        return Answer(kept.item, kept.token, source, stale=age is State.STALE)
