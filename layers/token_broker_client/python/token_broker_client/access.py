"""Access to one token of one connection: the one that lives now, and those that follow it."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from token_broker_client.answers import Answer
from token_broker_client.cache import Cache
from token_broker_client.entrances import PLAIN, Entrance, Order, Wish
from token_broker_client.errors import InvalidRequest, TooManyRequests
from token_broker_client.patience import Patience

if TYPE_CHECKING:
    from token_broker_client.httpx_auth import HttpxBrokerAuth
    from token_broker_client.requests_auth import BrokerAuth

RENEWAL_SECONDS = 5.0
"""How long a call may take that looks for a newer token while the old one still works."""


class Key(NamedTuple):
    """What tells tokens apart: two callers with equal keys may share one."""

    entrance: Entrance
    flow: str
    connection: str
    variant: str
    """What else makes the token different, as canonical JSON: parameters may be private."""


class Access:
    """What has one token of one connection: `Broker.access` makes it. Threads may share it."""

    __slots__ = ("_cache", "_patience", "key")

    def __init__(self, key: Key, cache: Cache, patience: Patience) -> None:
        self.key = key
        self._cache = cache
        self._patience = patience

    def __repr__(self) -> str:
        return f"Access({self.key.flow}, {self.key.connection})"

    def answer(
        self, *, min_ttl: int | None = None, rejected: str | None = None, force: bool = False
    ) -> Answer:
        """Return a live token: the one that is kept, or what the broker answers.

        It lives for *min_ttl* seconds at least; it is another one than the one with the fingerprint
        *rejected*, which the vendor refused; it is a new one by all means if *force*.
        """
        return self._obtain(Wish(min_ttl, rejected, force))

    def kept(self) -> Answer | None:
        """Return the token that is kept, if there is no reason to ask the broker."""
        return self._cache.fresh(self.key, PLAIN)

    def replacement(self, refused: Answer) -> Answer | None:
        """Report a token that the vendor refused, and return another one.

        None if there is none: the vendor refuses tokens as fast as they are made.
        """
        try:
            answer = self._obtain(Wish(rejected=refused.fingerprint))
        except TooManyRequests:
            return None
        return answer if answer.fingerprint != refused.fingerprint else None

    def url(self, path: str) -> str:
        """Return the address of *path* at the vendor."""
        return f"{self.answer().base_url.rstrip('/')}/{path.lstrip('/')}"

    def auth(self) -> "BrokerAuth":
        """Return what signs requests of `requests`. Nothing is asked before the first of them."""
        from token_broker_client.requests_auth import BrokerAuth  # noqa: PLC0415 (slow: requests)

        return BrokerAuth(self)

    def httpx_auth(self) -> "HttpxBrokerAuth":
        """Return what signs requests of `httpx`. Nothing is asked before the first of them."""
        from token_broker_client.httpx_auth import HttpxBrokerAuth  # noqa: PLC0415 (may be absent)

        return HttpxBrokerAuth(self)

    def _obtain(self, wish: Wish) -> Answer:
        return self._cache.obtain(self.key, wish, self._fetch, self._look)

    def _fetch(self, wish: Wish) -> Answer:
        """Ask the broker until it answers or patience ends."""
        return self._patience.spend(lambda seconds: self._ask(wish, seconds))

    def _look(self) -> Answer:
        """Ask the broker once, while there is a token that works."""
        return self._ask(PLAIN, min(RENEWAL_SECONDS, self._patience.seconds))

    def _ask(self, wish: Wish, seconds: float) -> Answer:
        wanted = {
            name: value for name, value in wish._asdict().items() if value not in (None, False)
        }
        entrance, flow, connection, variant = self.key
        order = Order(flow, connection, "token", json.loads(variant) | wanted)
        return Answer.of(self, entrance.call(order, seconds))


def canonical(variant: Mapping[str, Any]) -> str:
    """Return *variant* as the one JSON text that says it, without what nobody named."""
    named = {name: value for name, value in variant.items() if value is not None}
    try:
        return json.dumps(named, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise InvalidRequest("parameters: cannot be written as JSON") from None
