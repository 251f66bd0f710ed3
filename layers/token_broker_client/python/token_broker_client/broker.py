"""The broker as its callers see it, and the access to one token of one connection."""

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from token_broker_client.answers import Answer, TokenSource, understanding
from token_broker_client.cache import MAX_AGE_SECONDS, SHARED, Cache, Question
from token_broker_client.deadline import SECONDS, Deadline, Patience, positive
from token_broker_client.errors import InvalidRequest, Unreachable
from token_broker_client.request import (
    PLAIN,
    VERIFYING,
    Action,
    Channel,
    Command,
    Flow,
    Key,
    TokenRequest,
    canonical,
    checked,
)
from token_broker_client.single_flight import SharedCall

if TYPE_CHECKING:
    import boto3

    from token_broker_client.httpx_auth import HttpxBrokerAuth
    from token_broker_client.requests_auth import BrokerAuth

LONGEST_AGE = 86_400.0
"""Seconds of `max_age`, at most."""


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


class Options(TypedDict, total=False):
    """Conditions on a token of any flow. `Access.answer` explains them."""

    min_ttl: int
    rejected: str
    force: bool


class Broker:
    """The broker. Make it once, and share it among all threads."""

    __slots__ = ("_cache", "_channel", "_max_age", "_patience")

    def __init__(
        self,
        channel: Channel,
        patience: Patience | None = None,
        cache: Cache | None = None,
        max_age: float = MAX_AGE_SECONDS,
    ) -> None:
        self._channel = channel
        self._patience = patience or Patience()
        self._cache = SHARED if cache is None else cache
        self._max_age = positive("max_age", max_age, LONGEST_AGE)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        region: str | None = None,
        session: "boto3.Session | None" = None,
        patience: float = SECONDS,
        max_age: float = MAX_AGE_SECONDS,
    ) -> "Broker":
        """Return the broker whose API is at *url*, the part before ``/v1``.

        Requests are signed with the credentials of *session*, by default those of boto3's chain,
        for the region in the URL. For a custom domain, *region* names it, by default that of the
        session. Raises `InvalidRequest` if *region* differs from the URL's.

        A call takes at most *patience* seconds. A cached token is checked with the broker after
        *max_age* seconds.
        """
        from token_broker_client.gateway import Gateway  # noqa: PLC0415 (slow: botocore)

        return cls(Gateway.at(url, region, session), Patience.of(patience), max_age=max_age)

    @classmethod
    def from_function(
        cls,
        functions: str | Mapping[str, str],
        *,
        session: "boto3.Session | None" = None,
        patience: float = SECONDS,
        max_age: float = MAX_AGE_SECONDS,
    ) -> "Broker":
        """Return the broker whose *functions* are invoked directly.

        *functions* is a pattern (``token-broker-prod-{flow}:live``, or an ARN), a common prefix of
        the names, or a mapping of flow to name.
        """
        from token_broker_client.functions import Functions, names  # noqa: PLC0415 (same reason)

        channel = Functions(names(functions), session)
        return cls(channel, Patience.of(patience), max_age=max_age)

    # --- generated by `make operations`: methods
    def vntana(
        self,
        connection: str,
        *,
        organization: str | None = None,
        workspace: str | None = None,
        **options: Unpack[Options],
    ) -> Answer:
        """Return a token for VNTANA.

        *organization*: uuid or slug.
        *workspace*: uuid or slug.
        """
        return self.access(
            "vntana", connection, organization=organization, workspace=workspace
        ).answer(**options)

    def vendorlink(self, connection: str, **options: Unpack[Options]) -> Answer:
        """Return a token for Vendorlink."""
        return self.access("vendorlink", connection).answer(**options)

    def editor(
        self,
        connection: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        **options: Unpack[Options],
    ) -> Answer:
        """Return a token for the editor.

        *parameters*: an object.
        """
        return self.access("editor", connection, parameters=parameters).answer(**options)

    # --- end of generated part

    def access(self, flow: Flow, connection: str, **variant: Any) -> Access:
        """Return access to a token of a connection, without a call to the broker.

        Raises `InvalidRequest` for a condition of `Access.answer`, such as `min_ttl`, and for
        `action`, which a direct invocation has beside the variant.
        """
        if misplaced := sorted(Options.__annotations__.keys() & variant.keys()):
            raise InvalidRequest(f"{misplaced[0]}: is an argument of `answer`, not of `access`")
        if "action" in variant:
            raise InvalidRequest("action: is not a field of a variant")
        key = Key(self._channel, *checked(flow, connection), canonical(variant))
        return Access(key, self._cache, self._patience, self._max_age)

    def status(self, flow: Flow, connection: str) -> Mapping[str, Any]:
        """Return the state of each variant of a connection. It has no token."""
        return self._call(flow, connection, "status", {})

    def forget(self, flow: Flow, connection: str) -> int:
        """Drop all tokens of a connection in the broker; return how many there were.

        Raises `Unreachable` if there are more than can be dropped in time: call it again.
        """
        deadline, count, is_complete = self._patience.begin(), 0, False
        try:
            while not is_complete:
                if deadline.is_over:
                    raise Unreachable("not all tokens were forgotten in time")
                answer = self._call(flow, connection, "forget", {}, deadline)
                with understanding():
                    count += int(answer["forgotten"])
                    is_complete = answer.get("complete", True) is True
        finally:
            # Even after an error: a token that still lives is only fetched again.
            self._cache.clear()
        return count

    def verify(
        self, connection: str, token: str, flow: Flow = VERIFYING[0]
    ) -> Mapping[str, Any] | None:
        """Return the parameters of a *token* of *flow*; None if it is not valid.

        *flow* is by default the editor, the first flow that can verify. Raises `InvalidRequest`
        for a flow that cannot, and for a *token* that is no text.
        """
        if flow not in VERIFYING:  # API Gateway would report that access is denied
            raise InvalidRequest(f"flow: must be one of {', '.join(VERIFYING)}")
        if not isinstance(token, str):
            raise InvalidRequest("token: must be a text")
        answer = self._call(flow, connection, "verify", {"token": token})
        with understanding():
            return dict(answer["parameters"]) if answer["valid"] is True else None

    def _call(
        self,
        flow: Flow,
        connection: str,
        action: Action,
        body: Mapping[str, Any],
        deadline: Deadline | None = None,
    ) -> Mapping[str, Any]:
        """Return the broker's answer. The call ends at the deadline, even if a socket hangs."""
        command = Command(*checked(flow, connection), action, body)
        deadline = deadline or self._patience.begin()

        call = partial(self._channel.call, command)
        running = SharedCall[Mapping[str, Any]](deadline)
        running.start(lambda: self._patience.retry(call, deadline))
        running.wait(deadline)
        return running.outcome()
