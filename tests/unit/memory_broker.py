"""The whole broker of a flow in memory: AWS by `memory_aws`, the vendor's fake, a settable clock.

Nothing takes time unless a test says so, and everything that the broker tells is written down.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, NoReturn

from tests.functions.world import proxy_event
from tests.unit.memory_aws import PREFIX, MemoryAws
from token_broker.broker import Broker
from token_broker.cache import TokenCache
from token_broker.dependencies import Clock, Dependencies
from token_broker.exchange import Request, Response
from token_broker.flows import every
from token_broker.handler import Service
from token_broker.item import Item
from token_broker.item_codec import attribute
from token_broker.telemetry import Telemetry
from token_broker_fakes import registry

NOW = 1_900_000_000
SKEW = 30
MEMORY_SECONDS = 60
INVOKED = "arn:aws:lambda:eu-west-1:123456789012:function:token-broker:live"


class Recorder(Telemetry):
    """Stores the emitted events, and writes nothing."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.defects: list[tuple[Exception, str]] = []

    def emit(self, event: str, **facts: Any) -> None:
        """Keep an event."""
        self.events.append((event, facts))

    def defect(self, error: Exception, request_id: str) -> None:
        """Keep a defect."""
        self.defects.append((error, request_id))

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return the facts of each event of this name."""
        return [facts for name, facts in self.events if name == event]


def around(owner: object, operation: str, change: Callable[..., Any]) -> None:
    """Replace a method: *change* is called with the method and its arguments."""
    setattr(owner, operation, partial(change, getattr(owner, operation)))


def raising(error: Exception) -> Callable[..., NoReturn]:
    """Return what raises *error*, however it is called."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


@dataclass
class Context:
    """Lambda's context of an invocation."""

    milliseconds: int = 29_500
    aws_request_id: str = "r-1"
    invoked_function_arn: str = INVOKED

    def get_remaining_time_in_millis(self) -> int:
        """Return how long this invocation may still take."""
        return self.milliseconds


@dataclass
class MemoryBroker:
    """A function of *flow* with one connection, ``acme``."""

    flow: str = "vendorlink"
    page: int = 1000
    secret: dict[str, Any] = field(default_factory=dict)
    """What its secret says besides what works."""
    now: int = NOW
    monotonic: float = 500.0
    roll: float = 0.5
    vendor_seconds: float = 0.0
    """How long the vendor takes for an answer."""
    invoked: list[Mapping[str, Any]] = field(default_factory=list)
    announced: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """What the bus was told, but for the tokens that were replaced."""
    replaced: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    """How long an answer of the vendor would have been waited for."""
    telemetry: Recorder = field(default_factory=Recorder)

    def __post_init__(self) -> None:
        self.aws = MemoryAws(self.page)
        self.fake = registry.new(self.flow, clock=lambda: float(self.now), rng=Random(1))
        base = "app.vendorlink.nl" if self.flow == "vendorlink" else self.fake.home
        self.working: dict[str, Any] = dict(self.fake.demo_secret(base))
        self.put_secret(**self.secret)
        self.deps = self._deps()
        self.service = Service(Broker(self.deps), self.telemetry, PREFIX)

    def put_secret(self, connection: str = "acme", **changes: Any) -> str:
        """Set a new version of a connection's secret, and return its id."""
        return self.aws.manager.put(connection, self.working | changes)

    def restart(self) -> None:
        """Go on in a new process."""
        self.deps = self._deps()
        self.service = Service(Broker(self.deps), self.telemetry, PREFIX)

    def call(self, connection: str = "acme", **payload: Any) -> dict[str, Any]:
        """Invoke the function directly."""
        answer: dict[str, Any] = self.service({"connection": connection} | payload, Context())
        return answer

    def http(self, body: object = None, **more: Any) -> dict[str, Any]:
        """Send a request through the gateway, and return the response with its body read."""
        event = proxy_event(self.flow, "acme", body, **more)
        response: dict[str, Any] = self.service(event, Context())
        return response | {"body": json.loads(response["body"])}

    def item(self, variant: str = "-") -> Item:
        """Return the item of a variant in the table."""
        return self.aws.store.read(f"{self.flow}#acme", variant)

    def write(self, variant: str = "-", **attributes: Any) -> None:
        """Change attributes of a record of the table; None removes one."""
        key = (f"{self.flow}#acme", variant)
        record = dict(self.aws.table.records.get(key, {}))
        record |= {"connection": {"S": key[0]}, "variant": {"S": key[1]}} | attributes
        self.aws.table.records[key] = {n: value for n, value in record.items() if value}

    def put(self, variant: str = "-", **values: Any) -> None:
        """Change attributes of a record of the table to plain values; None removes one."""
        self.write(variant, **{n: v if v is None else attribute(v) for n, v in values.items()})

    @property
    def steps(self) -> list[str]:
        """The steps that the vendor was asked for."""
        return list(self.fake.log.steps)

    def _deps(self) -> Dependencies:
        owners = iter(f"owner-{number}" for number in range(1000))

        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.monotonic += seconds

        return Dependencies(
            flow=every()[self.flow],
            clock=Clock(lambda: self.now, lambda: self.monotonic, sleep),
            cache=TokenCache(MEMORY_SECONDS, 100),
            store=self.aws.store,
            sealer=self.aws.sealer,
            secrets=self.aws.secrets,
            send=self._send,
            invoke=self.invoked.append,
            announce=self._announce,
            emit=self.telemetry.emit,
            random=lambda: self.roll,
            owner=lambda: next(owners),
            skew=SKEW,
        )

    def _announce(self, what: str, detail: Mapping[str, Any]) -> bool:
        events = self.replaced if what == "Token Replaced" else self.announced
        events.append((what, detail))
        return True

    def _send(self, request: Request, seconds: float) -> Response:
        self.waited.append(seconds)
        self.monotonic += self.vendor_seconds
        self.now += int(self.vendor_seconds)
        return self.fake(request)


def with_token(flow: str = "vendorlink", *, after: int = 0, **known: Any) -> MemoryBroker:
    """Return a broker whose table and cache have a token, made *after* seconds ago."""
    broker = MemoryBroker(flow, **known)
    broker.call()
    broker.now += after
    return broker
