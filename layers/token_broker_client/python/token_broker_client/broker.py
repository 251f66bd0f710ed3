"""The broker, as its callers see it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from token_broker_client.access import Access
from token_broker_client.answers import Answer
from token_broker_client.cache import MAX_AGE_SECONDS, Cache, shared
from token_broker_client.deadline import SECONDS, Deadline, Patience, positive
from token_broker_client.errors import Unreachable
from token_broker_client.request import (
    VERIFYING,
    Action,
    Channel,
    Command,
    Flow,
    Key,
    canonical,
    checked,
)
from token_broker_client.single_flight import SingleFlight

if TYPE_CHECKING:
    import boto3

LONGEST_AGE = 86_400.0
"""Seconds of `max_age`, at most."""

T = TypeVar("T")


class Options(TypedDict, total=False):
    """Conditions on a token of any flow. `Access.answer` explains them."""

    min_ttl: int
    rejected: str
    force: bool


class Broker:
    """The broker. Make it once, and share it among all threads."""

    __slots__ = ("_cache", "_calls", "_channel", "_max_age", "_patience")

    def __init__(
        self,
        channel: Channel,
        patience: Patience | None = None,
        cache: Cache | None = None,
        max_age: float = MAX_AGE_SECONDS,
    ) -> None:
        self._channel = channel
        self._patience = patience or Patience()
        self._cache = shared() if cache is None else cache
        self._max_age = positive("max_age", max_age, LONGEST_AGE)
        self._calls: SingleFlight[Mapping[str, Any]] = SingleFlight()

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
        for *region*, by default the one in the URL. A call takes at most *patience* seconds. A
        cached token is checked with the broker after *max_age* seconds.
        """
        from token_broker_client.gateway import Gateway  # noqa: PLC0415 (slow: requests, botocore)

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

    # --- made by `make operations`: methods
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
        access = self.access(
            "vntana",
            connection,
            organization=organization,
            workspace=workspace,
        )
        return access.answer(**options)

    def vendorlink(
        self,
        connection: str,
        **options: Unpack[Options],
    ) -> Answer:
        """Return a token for Vendorlink."""
        access = self.access(
            "vendorlink",
            connection,
        )
        return access.answer(**options)

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
        access = self.access(
            "editor",
            connection,
            parameters=parameters,
        )
        return access.answer(**options)

    # --- end of what is made

    def access(self, flow: Flow, connection: str, **variant: Any) -> Access:
        """Return access to a token of a connection, without a call to the broker."""
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
                number, is_complete = understood(partial(forgotten_in, answer))
                count += number
        finally:
            # Even after an error: a token that still lives is only fetched again.
            self._cache.clear()
        return count

    def verify(
        self, connection: str, token: str, flow: Flow = VERIFYING[0]
    ) -> Mapping[str, Any] | None:
        """Return the parameters of a *token* of *flow*; None if it is not valid.

        *flow* is by default the editor, the first flow that can verify.
        """
        answer = self._call(flow, connection, "verify", {"token": token})
        return understood(lambda: dict(answer["parameters"]) if answer["valid"] is True else None)

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

        def tried(until: Deadline) -> Mapping[str, Any]:
            return self._patience.retry(lambda left: self._channel.call(command, left), until)

        shared_call, _ = self._calls.join(object(), tried, deadline)  # shared with no other caller
        shared_call.wait(deadline)
        return shared_call.outcome()


def forgotten_in(answer: Mapping[str, Any]) -> tuple[int, bool]:
    """Return how many tokens were dropped, and whether those were all."""
    return int(answer["forgotten"]), answer.get("complete", True) is True


def understood(read: Callable[[], T]) -> T:
    """Return what *read* returns. Raise `Unreachable` if the answer has another form."""
    try:
        return read()
    except (KeyError, TypeError, ValueError):
        error = Unreachable("what answered is not the broker, or has another version")
        error.retryable = False
        raise error from None
