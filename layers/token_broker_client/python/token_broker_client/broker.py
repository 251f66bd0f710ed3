"""The broker, as its callers see it."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from token_broker_client.access import Access, Key, canonical
from token_broker_client.answers import Answer
from token_broker_client.cache import Cache, shared
from token_broker_client.entrances import Action, Entrance, Order
from token_broker_client.errors import InvalidRequest
from token_broker_client.patience import SECONDS, Patience

if TYPE_CHECKING:
    import boto3

Flow = Literal["vntana", "vendorlink", "editor"]

CONNECTION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Options(TypedDict, total=False):
    """What may be wanted of any token; `Access.answer` says what each means."""

    min_ttl: int
    rejected: str
    force: bool


class Broker:
    """Answers with live tokens. Made once and shared by all threads."""

    __slots__ = ("_cache", "_entrance", "_patience")

    def __init__(
        self, entrance: Entrance, patience: Patience | None = None, cache: Cache | None = None
    ) -> None:
        self._entrance = entrance
        self._patience = patience or Patience()
        self._cache = shared() if cache is None else cache

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        region: str | None = None,
        session: "boto3.Session | None" = None,
        patience: float = SECONDS,
    ) -> "Broker":
        """Return the broker whose API is at *url*: what stands before ``/v1``.

        Requests are signed with the credentials of *session*, by default boto3's chain, for the
        *region* that the URL names unless it is given. A call takes *patience* seconds at most.
        """
        from token_broker_client.gateway import Gateway  # noqa: PLC0415 (slow: requests, botocore)

        return cls(Gateway.at(url, region, session), Patience(patience))

    @classmethod
    def from_function(
        cls,
        functions: str | Mapping[str, str],
        *,
        session: "boto3.Session | None" = None,
        patience: float = SECONDS,
    ) -> "Broker":
        """Return the broker whose *functions* are invoked directly.

        They are named by a pattern (``token-broker-prod-{flow}:live``, or an ARN), by the name or
        ARN of one of them, by what their names begin with, or one by one.
        """
        from token_broker_client.functions import Functions, names  # noqa: PLC0415 (same reason)

        return cls(Functions(names(functions), session, patience), Patience(patience))

    def vntana(
        self,
        connection: str,
        *,
        organization: str | None = None,
        workspace: str | None = None,
        **options: Unpack[Options],
    ) -> Answer:
        """Return a token for VNTANA; *organization* and *workspace* are uuids or slugs."""
        access = self.access("vntana", connection, organization=organization, workspace=workspace)
        return access.answer(**options)

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
        """Return a token, and with it an address, for the editor with these *parameters*."""
        return self.access("editor", connection, parameters=parameters).answer(**options)

    def access(self, flow: Flow, connection: str, **variant: Any) -> Access:
        """Return access to the tokens of a connection; the broker is not asked yet."""
        key = Key(self._entrance, flow, checked(connection), canonical(variant))
        return Access(key, self._cache, self._patience)

    def status(self, flow: Flow, connection: str) -> Mapping[str, Any]:
        """Return the state of each variant of a connection. It holds no token."""
        return self._told(flow, connection, "status", {})

    def forget(self, flow: Flow, connection: str) -> int:
        """Have the broker forget the tokens of a connection; return how many there were."""
        forgotten = self._told(flow, connection, "forget", {})["forgotten"]
        self._cache.clear()  # rare, and what was not forgotten is quickly had again
        return int(forgotten)

    def verify(self, connection: str, token: str) -> Mapping[str, Any] | None:
        """Return the parameters that an editor's *token* stands for; None if it is not valid."""
        told = self._told("editor", connection, "verify", {"token": token})
        return told["parameters"] if told["valid"] else None

    def _told(
        self, flow: Flow, connection: str, action: Action, body: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        order = Order(flow, checked(connection), action, body)
        return self._patience.spend(lambda seconds: self._entrance.call(order, seconds))


def checked(connection: str) -> str:
    """Return *connection*, which becomes part of a path."""
    if not CONNECTION.fullmatch(connection):
        raise InvalidRequest(f"connection: must match {CONNECTION.pattern}")
    return connection
