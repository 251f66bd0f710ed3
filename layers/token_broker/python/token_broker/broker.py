"""A call for a token: hand out the kept token if its state permits, else start an exchange.

This is the hit path: a call that is served from memory or from the table loads no more. `refresh`
is loaded when an exchange begins, `maintenance` for actions without a caller.
"""

from token_broker.aliases import Look, look
from token_broker.cache import CachedToken
from token_broker.decisions import State, refuse_too_long, state
from token_broker.dependencies import Dependencies
from token_broker.errors import BrokerError, StoreUnavailable, UpstreamUnavailable
from token_broker.item import Item
from token_broker.records import Record, field, replace
from token_broker.tokens import Token, TokenRequest

CLAIM_SECONDS = 30
"""Seconds for which the elected caller keeps others from starting a refresh."""


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
        partition, key = self.partition(connection), request.variant.key
        may_be_cached = not (request.rejected or request.force)
        held = self.deps.cache.get(partition, key, now) if may_be_cached else None
        # The table shows a renewal that is under way or done: only a token due there is claimed.
        is_quiet = held is not None and not held.item.is_renewal_due(now)
        if held and is_quiet and is_good(held.item, now, request.min_ttl):
            return self._answer(held, "memory")
        try:
            return self._from_table(connection, request, deadline)
        except StoreUnavailable:
            held, now = self.deps.cache.recall(partition, key), self.deps.clock.now()
            if may_be_cached and held and held.item.is_live(now, request.min_ttl):
                return self._hand_out(request, held, "memory")
            raise

    def partition(self, connection: str) -> str:
        """Return the table's partition key of a connection."""
        return f"{self.deps.flow.name}#{connection}"

    def _from_table(self, connection: str, request: TokenRequest, deadline: float) -> Answer:
        partition = self.partition(connection)
        seen = look(self.deps, partition, request.variant.key)
        is_reported = request.rejected is not None and seen.item.fingerprint == request.rejected
        # A token that is to be replaced anyway is opened only where the exchange needs it.
        held = None if request.force or is_reported else self._opened(seen)
        now = self.deps.clock.now()
        if held:
            refuse_too_long(held.item, request.min_ttl, now)
        if held and is_good(held.item, now, request.min_ttl):
            return self._hand_out(request, held, "table")
        try:
            return self._refreshed(connection, request, deadline, seen)
        except BrokerError as error:
            is_outage = isinstance(error, UpstreamUnavailable) or not request.force
            may_be_old = is_outage and (request.force or held is not None)
            old = self._old(partition, request) if may_be_old else None
            if not old:
                raise
            return Answer(old.item, old.token, "table", stale=True)

    def _refreshed(
        self, connection: str, request: TokenRequest, deadline: float, seen: Look
    ) -> Answer:
        """Have an exchange done, by this call or by another that runs it already."""
        from token_broker.refresh.invocation import Invocation  # noqa: PLC0415 (off the hit path)
        from token_broker.refresh.refresher import refresher  # noqa: PLC0415 (as above)
        from token_broker.refresh.requirement import Requirement  # noqa: PLC0415 (as above)

        invocation = Invocation(self.deps, connection, deadline)
        requirement = Requirement.of(request)
        held, source = refresher(invocation).obtain(request.variant, requirement, seen)
        self.deps.cache.put(invocation.partition, request.variant.key, held)
        return self._answer(held, source)

    def _old(self, partition: str, request: TokenRequest) -> CachedToken | None:
        """Return the token that an exchange was to replace, if it lives.

        One that is replaced on demand, or uncertain, may still do where that fails.
        """
        held = self._opened(look(self.deps, partition, request.variant.key))
        if held is None or held.item.fingerprint == request.rejected:
            return None
        return held if held.item.is_live(self.deps.clock.now(), request.min_ttl) else None

    def _opened(self, seen: Look) -> CachedToken | None:
        """Return the token that *seen* shows, if it lives, and remember it."""
        now, item = self.deps.clock.now(), seen.item
        token = self.deps.sealer.open_token(item) if item.is_live(now) else None
        if item.corrupt or (token is None and item.is_live(now)):
            attributes = list(item.corrupt) or ["token"]
            self.deps.emit("damaged", variant=item.variant, attributes=attributes)
        if token is None:
            return None
        held = CachedToken(item, token, seen.read_at)
        self.deps.cache.put(item.connection, seen.own.variant, held)
        return held

    def _hand_out(self, request: TokenRequest, held: CachedToken, source: str) -> Answer:
        """Return what is kept, and start a background refresh if it is due."""
        now = self.deps.clock.now()
        if held.item.is_renewal_due(now):
            self._start_refresh(request, held, now)
        return self._answer(held, source)

    def _start_refresh(self, request: TokenRequest, held: CachedToken, now: int) -> None:
        """Start a background refresh if no other caller does: one conditional write elects."""
        partition, until = held.item.connection, now + CLAIM_SECONDS
        claimed = replace(held, item=replace(held.item, nudged_until=until))
        self.deps.cache.put(partition, request.variant.key, claimed)
        try:
            if self.deps.store.claim_refresh(held.item, until):
                connection = partition.removeprefix(self.partition(""))
                payload = {"connection": connection, "variant": held.item.variant}
                self.deps.invoke({"action": "renew"} | payload)
                self.deps.emit("nudge", variant=held.item.variant)
        except BrokerError as error:
            # The token is still good: the caller gets it, and a later one starts the refresh.
            self.deps.emit("nudge", variant=held.item.variant, code=error.code)

    def _answer(self, held: CachedToken, source: str) -> Answer:
        age = state(held.item, self.deps.clock.now(), 0)
        return Answer(held.item, held.token, source, stale=age is State.STALE)


def is_good(item: Item, now: int, min_ttl: int | None) -> bool:
    """Say whether a kept token may be handed out with nothing done first."""
    return item.is_live(now, min_ttl) and not item.is_uncertain(now)
