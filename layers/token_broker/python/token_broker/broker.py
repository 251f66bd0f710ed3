"""What happens on a call: hand out what is kept if it may be, else have an exchange done.

This is the hit path, and all that a call loads that is served from memory or from the table.
`errand` is loaded when an exchange has to begin, `upkeep` for what is no caller's wish.
"""

from dataclasses import dataclass, field, replace

from token_broker.cache import Held
from token_broker.dependencies import Tools
from token_broker.errors import BrokerError, StoreUnavailable, UpstreamUnavailable
from token_broker.item import Item, State, state
from token_broker.pointers import is_outdated
from token_broker.refusals import refuse_too_long
from token_broker.tokens import Token, Variant

NUDGE_SECONDS = 30
"""How long the caller that was elected to start a renewal keeps others from starting one."""


@dataclass(frozen=True, slots=True)
class Call:
    """A wish for a token, and until when its caller can wait."""

    connection: str
    asked: Variant
    deadline: float
    """By the monotonic clock; the platform ends this invocation soon after."""
    min_ttl: int | None = None
    rejected: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A live token and where it came from: ``memory``, ``table`` or ``exchange``."""

    item: Item
    token: Token = field(repr=False)
    source: str
    stale: bool


@dataclass(frozen=True, slots=True)
class Broker:
    """Hands out tokens of one flow."""

    tools: Tools

    def token(self, call: Call) -> Answer:
        """Return a live token for *call*; exchange only if there is none.

        Raises a `BrokerError` for each way in which there can be none.
        """
        now = self.tools.clock.now()
        partition = self.partition(call.connection)
        plain = not (call.rejected or call.force)
        held: Held | None = None
        if plain:
            held = self.tools.memory.get(partition, call.asked.key, now)
        if held and is_good(held.item, now, call.min_ttl):
            return self._hand_out(call, held, "memory")
        try:
            return self._from_table(call, partition)
        except StoreUnavailable:
            held = self.tools.memory.recall(partition, call.asked.key)
            if plain and held and held.item.is_live(now, call.min_ttl):
                return self._hand_out(call, held, "memory")
            raise

    def partition(self, connection: str) -> str:
        """Return the table's partition key of a connection."""
        return f"{self.tools.flow.NAME}#{connection}"

    def _from_table(self, call: Call, partition: str) -> Answer:
        held = self.read(partition, call.asked.key)
        now = self.tools.clock.now()
        is_reported = held is not None and held.item.fingerprint == call.rejected
        if held and not is_reported:
            refuse_too_long(held.item, call.min_ttl, now)
        is_wanted = held is not None and not call.force and not is_reported
        if held and is_wanted and is_good(held.item, now, call.min_ttl):
            return self._hand_out(call, held, "table")
        return self._by_errand(call, may_be_old=call.force or is_wanted)

    def _by_errand(self, call: Call, *, may_be_old: bool) -> Answer:
        """Have an exchange done, by this call or by another that is at it.

        A token that is to be replaced on demand, or that is in doubt, may still do if that fails.
        """
        from token_broker.refresh.refresher import Errand, Wish  # noqa: PLC0415 (off the hit path)

        errand = Errand(self.tools, call.connection, call.deadline)
        wish = Wish(min_ttl=call.min_ttl, rejected=call.rejected, force=call.force)
        try:
            held, source = errand.obtain(call.asked, wish)
        except BrokerError as error:
            is_outage = isinstance(error, UpstreamUnavailable) or not call.force
            old = self._old(call) if may_be_old and is_outage else None
            if not old:
                raise
            return Answer(old.item, old.token, "table", stale=True)
        self.tools.memory.put(self.partition(call.connection), call.asked.key, held)
        return self._answer(held, source)

    def _old(self, call: Call) -> Held | None:
        """Return the token that an exchange was to replace, if it lives."""
        held = self.read(self.partition(call.connection), call.asked.key)
        if held is None or held.item.fingerprint == call.rejected:
            return None
        return held if held.item.is_live(self.tools.clock.now(), call.min_ttl) else None

    def read(self, partition: str, key: str) -> Held | None:
        """Return what the table keeps under *key*, or where that leads to, and remember it."""
        now = self.tools.clock.now()
        item = self._item(partition, key)
        token = self.tools.sealer.open_token(item) if item.is_live(now) else None
        if item.damaged or (token is None and item.is_live(now)):
            attributes = list(item.damaged) or ["token"]
            self.tools.note("damaged", variant=item.variant, attributes=attributes)
        if token is None:
            return None
        held = Held(item, token, now)
        self.tools.memory.put(partition, key, held)
        return held

    def _item(self, partition: str, key: str) -> Item:
        """Return the item of *key* or that it leads to: both at once, if it is known to which."""
        known = self.tools.memory.recall(partition, key)
        likely = known.item.variant if known else key
        own, *others = self.tools.store.read_all(partition, *dict.fromkeys((key, likely)))
        if not own.target:
            return own
        is_there = others and own.target == likely
        item = others[0] if is_there else self.tools.store.read(partition, own.target)
        return own if is_outdated(own, item) else item

    def _hand_out(self, call: Call, held: Held, source: str) -> Answer:
        """Return what is kept, and start its renewal off this caller's path if it is due."""
        now = self.tools.clock.now()
        if held.item.is_renewal_due(now):
            self._nudge(call, held, now)
        return self._answer(held, source)

    def _nudge(self, call: Call, held: Held, now: int) -> None:
        """Start a renewal if no other caller does: one conditional write elects the one."""
        until = now + NUDGE_SECONDS
        nudged = replace(held, item=replace(held.item, nudged_until=until))
        self.tools.memory.put(held.item.connection, call.asked.key, nudged)
        try:
            if self.tools.store.nudge(held.item, until):
                payload = {"connection": call.connection, "variant": held.item.variant}
                self.tools.invoke({"action": "renew"} | payload)
                self.tools.note("nudge", variant=held.item.variant)
        except BrokerError as error:
            # The token is still good: the caller gets it, and a later one starts the renewal.
            self.tools.note("nudge", variant=held.item.variant, code=error.code)

    def _answer(self, held: Held, source: str) -> Answer:
        age = state(held.item, self.tools.clock.now(), 0)
        return Answer(held.item, held.token, source, stale=age is State.STALE)


def is_good(item: Item, now: int, min_ttl: int | None) -> bool:
    """Say whether a kept token may be handed out with nothing done first."""
    return item.is_live(now, min_ttl) and not item.is_in_doubt(now)
