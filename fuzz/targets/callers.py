"""Callers' input: events of API Gateway and EventBridge, and payloads of direct invocations."""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from fuzz.targets.inputs import document
from fuzz.targets.properties import expect
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

ALLOWED_ERRORS = {"invalid_request": 400, "store_unavailable": 503}
"""The errors that callers may get while no service answers: never a defect."""


@dataclass(frozen=True)
class Context:
    """Lambda's context object."""

    aws_request_id: str = "1"
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:broker:live"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the deadline."""
        return 20_000


class Unavailable:
    """AWS without any service that answers."""

    def __getattr__(self, name: str) -> Any:
        """Return a method that raises."""

        def fail(*_: object, **__: object) -> NoReturn:
            raise StoreUnavailable("no service answers", retry_after=1)

        return fail


class CheckedTelemetry(Telemetry):
    """Discards events, but checks that each is serialisable."""

    def emit(self, event: str, **facts: Any) -> None:
        """Check that the event is serialisable."""
        json.dumps([event, facts]).encode()

    def defect(self, error: Exception, request_id: str) -> None:
        """Fail on a defect."""
        del request_id
        raise error


def isolated(flow: Flow, telemetry: Telemetry) -> Service:
    """Return the function of *flow* without any service that answers."""
    unavailable: Any = Unavailable()
    dependencies = Dependencies(
        flow=flow,
        clock=Clock(now=lambda: 1_900_000_000, monotonic=lambda: 0.0, sleep=unavailable.sleep),
        cache=TokenCache(60, 10),
        store=unavailable,
        sealer=unavailable,
        secrets=unavailable,
        send=unavailable.send,
        invoke=unavailable.invoke,
        announce=unavailable.announce,
        emit=telemetry.emit,
        random=lambda: 0.5,
        owner=lambda: "me",
        skew=30,
        single_flight=SingleFlight(),
    )
    return Service(Broker(dependencies), telemetry, f"token-broker/local/{flow.name}/")


SERVICES = {name: isolated(flow, CheckedTelemetry(name)) for name, flow in FLOWS.items()}


def events(data: bytes) -> None:
    """Call the function that the first byte names with an event: in JSON, as Lambda takes it."""
    event = document(data[1:])
    service = SERVICES[LETTERS.get(data[:1], "vntana")]
    is_http = isinstance(event, dict) and "requestContext" in event
    try:
        response = service(event, Context())
    except Exception as error:  # noqa: BLE001 (the error that a caller gets)
        expect(not is_http, "an HTTP request gets a response")
        problem = json.loads(str(error))
    else:
        expect(is_http, "a direct invocation raises its error")
        problem = json.loads(response["body"])
        expect(response["statusCode"] == problem["status"], "the statuses are equal")
    expect(
        ALLOWED_ERRORS.get(problem["code"]) == problem["status"], f"no defect: {problem['code']}"
    )
