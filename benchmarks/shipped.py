"""The shipped broker in the simulation of `peers`: its own code, in virtual time.

Each invocation is a greenlet that pauses at each request to AWS or the vendor, so that others run
meanwhile. A process serves one at a time. DynamoDB, KMS, Secrets Manager and the vendor are
the tests' fakes: they enforce the services' rules, and a new session ends the one before it.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, cast

from greenlet import getcurrent, greenlet

from tests.unit.memory_aws import KEY_ID, PREFIX, TABLE_NAME, MemoryAws
from tests.unit.memory_broker import SKEW, Context, Recorder
from token_broker.broker import Broker
from token_broker.cache import TokenCache
from token_broker.dependencies import Clock, Dependencies
from token_broker.exchange import Request, Response
from token_broker.flows import every
from token_broker.handler import Service
from token_broker.sealing import Sealer
from token_broker.secrets_manager import Secrets
from token_broker.store import Store
from token_broker_fakes.vendorlink import FakeVendorlink, VendorlinkModes

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from benchmarks.peers import Steps

CONNECTION = "acme"
OPERATIONS = {
    "get_item": "read",
    "batch_get_item": "read",
    "update_item": "write",
    "encrypt": "kms",
    "decrypt": "kms",
    "get_secret_value": "secret",
    "describe_secret": "secret",
}


class Costs(Protocol):
    """Counts each request, and returns its duration."""

    now: float
    logins: int
    background: "list[Steps]"

    def pay(self, what: str) -> float:
        """Count one request of a kind, and return its seconds."""


def pause(seconds: float) -> None:
    """Let others run for *seconds*."""
    parent = getcurrent().parent
    assert parent
    parent.switch(seconds)


class Paced:
    """A client whose operations take time and are counted."""

    def __init__(self, client: Any, costs: Costs) -> None:
        self._client = client
        self._costs = costs

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation, what = getattr(self._client, name), OPERATIONS[name]

        def ask(**request: Any) -> Any:
            pause(self._costs.pay(what))
            return operation(**request)

        return ask


class Fleet:
    """The function of Vendorlink in as many processes as calls run at once."""

    def __init__(
        self,
        costs: Costs,
        memory_seconds: int,
        modes: VendorlinkModes = VendorlinkModes(),  # noqa: B008 (frozen)
    ) -> None:
        self._costs = costs
        self._memory_seconds = memory_seconds
        self._dice = Random(7)
        self._idle: dict[int, list[Service]] = {}
        self._fake = FakeVendorlink(
            modes=replace(modes, older_sessions="killed"),
            clock=lambda: costs.now,
            rng=Random(7),
        )
        aws = MemoryAws()
        aws.manager.put(CONNECTION, self._fake.demo_secret("app.vendorlink.nl"))
        dynamodb = cast("DynamoDBClient", Paced(aws.dynamodb, costs))
        kms = cast("KMSClient", Paced(aws.kms, costs))
        self._store = Store(TABLE_NAME, lambda: dynamodb)
        self._sealer = Sealer(TABLE_NAME, KEY_ID, lambda: kms)
        manager = cast("SecretsManagerClient", Paced(aws.manager, costs))
        self._secrets = Secrets(PREFIX, lambda: manager)

    def steps(self, place: int, **payload: Any) -> "Steps":
        """Yield the seconds that each step of an invocation takes; return its answer.

        *place* is the process that serves it. While it is busy, another one does, which then stays.
        """
        idle = self._idle.setdefault(place, [])
        service = idle.pop() if idle else self._process()
        event = {"connection": CONNECTION} | payload
        work = greenlet(lambda: service(event, Context()))
        found = work.switch()
        while not work.dead:
            yield found
            found = work.switch()
        idle.append(service)
        return found

    def is_alive(self, answer: Mapping[str, Any]) -> bool:
        """Return whether the vendor would accept the token of *answer*."""
        token = answer["headers"]["Authorization"].removeprefix("Bearer ")
        return not self._fake.tokens.access[token].is_dead(self._costs.now)

    def _process(self) -> Service:
        costs = self._costs
        deps = Dependencies(
            flow=every()["vendorlink"],
            clock=Clock(lambda: int(costs.now), lambda: costs.now, pause),
            cache=TokenCache(self._memory_seconds, 100),
            store=self._store,
            sealer=self._sealer,
            secrets=self._secrets,
            send=self._send,
            invoke=self._invoke,
            announce=lambda *_: True,
            emit=lambda *_, **__: None,
            random=self._dice.random,
            owner=lambda: uuid.UUID(int=self._dice.getrandbits(128)).hex,
            skew=SKEW,
        )
        return Service(Broker(deps), Recorder(), PREFIX)

    def _send(self, request: Request, seconds: float) -> Response:
        del seconds
        pause(self._costs.pay("vendor"))
        self._costs.logins += 1
        return self._fake(request)

    def _invoke(self, payload: Mapping[str, Any]) -> None:
        pause(self._costs.pay("invocation"))
        event = {name: value for name, value in payload.items() if name != "connection"}
        self._costs.background.append(self.steps(-1, **event))
