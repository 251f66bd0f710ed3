"""Callers' input: events of API Gateway and EventBridge, and payloads of direct invocations."""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from fuzz.targets.promises import expect
from fuzz.targets.words import document
from token_broker.broker import Broker
from token_broker.cache import SingleFlight, TokenCache
from token_broker.dependencies import Clock, Dependencies
from token_broker.errors import StoreUnavailable
from token_broker.flows import Flow, every
from token_broker.handler import Service
from token_broker.telemetry import Telemetry
from token_broker_descriptors import every as descriptors

FLOWS = every()
LETTERS = {b"v": "vntana", b"l": "vendorlink", b"e": "editor"} | {
    str(one.position).encode(): one.name for one in descriptors().values()
}
"""The functions by the first byte of an input; VNTANA's for any other byte."""

BLAMELESS = {"invalid_request": 400, "store_unavailable": 503}
"""The errors that callers may get while no service answers: never a defect."""


@dataclass(frozen=True)
class Context:
    """Lambda's context object."""

    aws_request_id: str = "1"
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:broker:live"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the deadline."""
        return 20_000


class Nothing:
    """AWS without any service that answers."""

    def __getattr__(self, name: str) -> Any:
        """Return a method that raises."""

        def unavailable(*_: object, **__: object) -> NoReturn:
            raise StoreUnavailable("nothing answers", retry_after=1)

        return unavailable


class Silent(Telemetry):
    """Discards events, but checks that each is serialisable."""

    def emit(self, event: str, **facts: Any) -> None:
        """Check that the event is serialisable."""
        json.dumps([event, facts]).encode()

    def defect(self, error: Exception, request_id: str) -> None:
        """Fail on a defect."""
        del request_id
        raise error


def idle(flow: Flow, telemetry: Telemetry) -> Service:
    """Return the function of *flow* without any service that answers."""
    nothing: Any = Nothing()
    tools = Dependencies(
        flow=flow,
        clock=Clock(now=lambda: 1_900_000_000, monotonic=lambda: 0.0, sleep=nothing.sleep),
        cache=TokenCache(60, 10),
        store=nothing,
        sealer=nothing,
        secrets=nothing,
        send=nothing.send,
        invoke=nothing.invoke,
        announce=nothing.announce,
        emit=telemetry.emit,
        random=lambda: 0.5,
        owner=lambda: "me",
        skew=30,
        single_flight=SingleFlight(),
    )
    return Service(Broker(tools), telemetry, f"token-broker/local/{flow.name}/")


SERVICES = {name: idle(flow, Silent(name)) for name, flow in FLOWS.items()}


def events(data: bytes) -> None:
    """Call the function that the first byte names with an event: in JSON, as Lambda takes it."""
    event = document(data[1:])
    service = SERVICES[LETTERS.get(data[:1], "vntana")]
    is_http = isinstance(event, dict) and "requestContext" in event
    try:
        answer = service(event, Context())
    except Exception as error:  # noqa: BLE001 (the error that a caller gets)
        expect(not is_http, "HTTP is answered")
        told = json.loads(str(error))
    else:
        expect(is_http, "there was no token to return")
        told = json.loads(answer["body"])
        expect(answer["statusCode"] == told["status"], "one status")
    expect(BLAMELESS.get(told["code"]) == told["status"], f"no defect: {told['code']}")
