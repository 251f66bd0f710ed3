"""Access to one token of one connection: the current one, and later those that replace it."""

import json
from functools import partial
from typing import TYPE_CHECKING

from token_broker_client.answers import Answer, TokenSource
from token_broker_client.cache import Cache, Question
from token_broker_client.deadline import Deadline, Patience
from token_broker_client.request import PLAIN, Command, Key, TokenRequest

if TYPE_CHECKING:
    from token_broker_client.httpx_auth import HttpxBrokerAuth
    from token_broker_client.requests_auth import BrokerAuth


class Access(TokenSource):
    """Access to one token of one connection; `Broker.access` makes it. Threads may share it."""

    __slots__ = ("_cache", "_max_age", "_patience")

    def __init__(self, key: Key, cache: Cache, patience: Patience, max_age: float) -> None:
        super().__init__(key)
        self._cache = cache
        self._patience = patience
        self._max_age = max_age

    def __repr__(self) -> str:
        return f"Access({self.key.flow}, {self.key.connection})"

    def answer(
        self, *, min_ttl: int | None = None, rejected: str | None = None, force: bool = False
    ) -> Answer:
        """Return a live token: the cached one, or the broker's answer.

        It lives for at least *min_ttl* seconds. It is not the one with the fingerprint *rejected*,
        which the vendor refused. With *force* it is a new one.
        """
        question = self._question(TokenRequest.of(min_ttl, rejected, force))
        return self._cache.obtain(question, self._patience.begin())

    async def answer_async(
        self, *, min_ttl: int | None = None, rejected: str | None = None, force: bool = False
    ) -> Answer:
        """Do the same for a task of asyncio or trio, without blocking other tasks or a thread.

        A cancellation ends the wait at once; the call to the broker goes on for its other callers.
        """
        question = self._question(TokenRequest.of(min_ttl, rejected, force))
        return await self._cache.obtain_async(question, self._patience.begin())

    def kept(self) -> Answer | None:
        """Return the cached token if it is not due, without a call to the broker."""
        return self._cache.fresh(self._question(PLAIN))

    def auth(self) -> "BrokerAuth":
        """Return an `auth` for `requests`. The broker is called at the first request."""
        from token_broker_client.requests_auth import BrokerAuth  # noqa: PLC0415 (slow: requests)

        return BrokerAuth(self)

    def httpx_auth(self) -> "HttpxBrokerAuth":
        """Return an `auth` for `httpx`. The broker is called at the first request."""
        from token_broker_client.httpx_auth import HttpxBrokerAuth  # noqa: PLC0415 (may be absent)

        return HttpxBrokerAuth(self)

    def _question(self, request: TokenRequest) -> Question:
        fetch = partial(self._patience.retry, partial(self._ask, request))
        look = partial(self._ask, PLAIN)  # once: the kept token still works
        return Question(self.key, request, fetch, look, self._max_age)

    def _ask(self, request: TokenRequest, deadline: Deadline) -> Answer:
        channel, flow, connection, variant = self.key
        command = Command(flow, connection, "token", json.loads(variant) | request.body())
        return Answer.of(self, channel.call(command, deadline))
