"""Access to one token of one connection: the current one, and later those that replace it."""

import json
from functools import partial
from typing import TYPE_CHECKING

from token_broker_client.answers import Answer, Immutable
from token_broker_client.cache import Cache, Question
from token_broker_client.deadline import Deadline, Patience
from token_broker_client.errors import TooManyRequests
from token_broker_client.request import PLAIN, Command, Key, TokenRequest

if TYPE_CHECKING:
    from token_broker_client.httpx_auth import HttpxBrokerAuth
    from token_broker_client.requests_auth import BrokerAuth


class Access(Immutable):
    """Access to one token of one connection; `Broker.access` makes it. Threads may share it."""

    __slots__ = ("_cache", "_max_age", "_patience", "key")

    def __init__(self, key: Key, cache: Cache, patience: Patience, max_age: float) -> None:
        self.key = key
        self._cache = cache
        self._patience = patience
        self._max_age = max_age

    def __repr__(self) -> str:
        return f"Access({self.key.flow}, {self.key.connection})"

    @property
    def flow(self) -> str:
        """The name of the vendor's flow, like ``vntana``."""
        return self.key.flow

    @property
    def connection(self) -> str:
        """The name of the connection."""
        return self.key.connection

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

    def replacement(self, refused: Answer) -> Answer | None:
        """Report a token that the vendor refused, and return another one.

        None if the broker has no other one, or accepts no further report for a while.
        """
        try:
            return other(self.answer(rejected=refused.fingerprint), refused)
        except TooManyRequests:
            return None

    async def replacement_async(self, refused: Answer) -> Answer | None:
        """Do the same for a task."""
        try:
            return other(await self.answer_async(rejected=refused.fingerprint), refused)
        except TooManyRequests:
            return None

    def url(self, path: str) -> str:
        """Return the address of *path* at the vendor."""
        return f"{self.answer().base_url.rstrip('/')}/{path.lstrip('/')}"

    def auth(self) -> "BrokerAuth":
        """Return an `auth` for `requests`. The broker is called at the first request."""
        from token_broker_client.requests_auth import BrokerAuth  # noqa: PLC0415 (slow: requests)

        return BrokerAuth(self)

    def httpx_auth(self) -> "HttpxBrokerAuth":
        """Return an `auth` for `httpx`. The broker is called at the first request."""
        from token_broker_client.httpx_auth import HttpxBrokerAuth  # noqa: PLC0415 (may be absent)

        return HttpxBrokerAuth(self)

    def _question(self, request: TokenRequest) -> Question:
        look = partial(self._ask, PLAIN)  # once: the kept token still works
        return Question(self.key, request, self._fetch, look, self._max_age)

    def _fetch(self, request: TokenRequest, deadline: Deadline) -> Answer:
        """Ask the broker until it answers or the deadline comes."""
        return self._patience.retry(lambda until: self._ask(request, until), deadline)

    def _ask(self, request: TokenRequest, deadline: Deadline) -> Answer:
        channel, flow, connection, variant = self.key
        command = Command(flow, connection, "token", json.loads(variant) | request.body())
        return Answer.of(self, channel.call(command, deadline))


def other(answer: Answer, refused: Answer) -> Answer | None:
    """Return *answer*, unless it is the token that was refused."""
    return answer if answer.fingerprint != refused.fingerprint else None
