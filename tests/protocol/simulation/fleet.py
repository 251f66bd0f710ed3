"""The processes of the function, and their events: each has its clock and its cache."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from tests.protocol.simulation.clients import DynamoDB, Kms
from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.judge import Judge
from tests.protocol.simulation.plans import NoticeKind, Plan, Shift
from tests.protocol.simulation.scheduler import Scheduler
from tests.protocol.simulation.wire import Wire
from token_broker import secrets_manager
from token_broker.broker import Broker
from token_broker.cache import TokenCache
from token_broker.dependencies import Clock, Dependencies
from token_broker.exchange import Request, Response
from token_broker.handler import Context, Service
from token_broker.sealing import Sealer
from token_broker.store import Store
from token_broker.telemetry import Telemetry

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"


def event_of(kind: NoticeKind, name: str, version: str) -> Mapping[str, Any]:
    if kind == "trail":
        return {
            "source": "aws.secretsmanager",
            "detail-type": "AWS API Call via CloudTrail",
            "detail": {
                "eventSource": "secretsmanager.amazonaws.com",
                "eventName": "PutSecretValue",
                "requestParameters": {"secretId": name},
            },
        }
    return {
        "source": "aws.secretsmanager",
        "detail-type": "Secret Label Updated",
        "resources": [f"{ARN}{name}-AbCdEf"],
        "detail": {"name": name, "labelUpdated": "AWSCURRENT", "versionId": version},
    }


ROUTES = {
    "token": ("POST", "/token"),
    "forget": ("DELETE", "/token"),
    "status": ("GET", ""),
    "check": ("POST", "/check"),
    "hold": ("PUT", "/hold"),
    "lift": ("DELETE", "/hold"),
}
OK = 200


def served(
    service: Service, event: Mapping[str, Any], context: Context, route: str | None
) -> tuple[str, dict[str, Any]]:
    """Return the outcome of *event*, and its answer or problem; over HTTP if *route* is set."""
    if route:
        return over_http(service, event, context, route)
    try:
        return "answered", dict(service(event, context))
    except Exception as error:  # noqa: BLE001 (the platform returns it to the invoker)
        with suppress(ValueError):
            return "failed", dict(json.loads(str(error)))
        return "failed", {"code": "internal", "detail": f"{type(error).__name__}: {error}"}


def route_of(name: str, event: Mapping[str, Any], flow: str) -> str | None:
    """Return the route of an invocation, or None for a direct one; half of them are direct."""
    is_direct = ord(name[-1]) % 2 or event.get("action", "token") not in ROUTES
    return None if is_direct or "detail" in event else f"/v1/{flow}/{{connection}}"


def over_http(
    service: Service, event: Mapping[str, Any], context: Context, route: str
) -> tuple[str, dict[str, Any]]:
    """Send *event* as an API Gateway request."""
    method, rest = ROUTES[event.get("action", "token")]
    body = {name: value for name, value in event.items() if name not in ("action", "connection")}
    request = {
        "httpMethod": method,
        "resource": route + rest,
        "pathParameters": {"connection": event["connection"]},
        "requestContext": {"identity": {"userArn": "arn:caller"}},
        "body": json.dumps(body) if body else None,
    }
    response = service(request, context)
    end = "answered" if response["statusCode"] == OK else "failed"
    return end, json.loads(response["body"])


SKEW = 30
"""The setting LEASE_SKEW_SECONDS."""

MEMORY_SECONDS = 60
PREFIX = "token-broker/test/"


class DefectRecorder(Telemetry):
    """Passes defects to the judge, and discards all other events."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def emit(self, event: str, **facts: Any) -> None:
        """Write nothing."""

    def defect(self, error: Exception, request_id: str) -> None:
        self._judge.defect(error, request_id)


@dataclass(slots=True, eq=False)
class Container:
    """A process that serves one invocation at a time, with a cache."""

    name: str
    offset: float
    """The seconds by which its clock is ahead now."""
    service: Service = field(init=False)
    is_busy: bool = False
    """Whether it serves an invocation, or was killed: a killed process is not reused."""
    serving: Invocation | None = None


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """Lambda's context object."""

    aws_request_id: str
    scheduler: Scheduler
    deadline: float
    invoked_function_arn: str = "arn:function"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the platform ends this invocation."""
        return int((self.deadline - self.scheduler.now) * 1000)


class Fleet:
    """Assigns invocations to processes; starts one when all others are busy."""

    def __init__(
        self,
        plan: Plan,
        judge: Judge,
        wire: Wire,
        invoke_itself: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._plan = plan
        self._judge = judge
        self._wire = wire
        self._invoke_itself = invoke_itself
        self._prefix = f"{PREFIX}{plan.flow}/"
        self._containers: list[Container] = []
        dynamodb = cast("DynamoDBClient", DynamoDB(wire, judge.table))
        kms = cast("KMSClient", Kms(wire))
        manager = cast("SecretsManagerClient", judge.secrets)
        self._store = Store("table", lambda: dynamodb)
        self._sealer = Sealer("table", "key", lambda: kms)
        self._secrets = secrets_manager.Secrets(self._prefix, lambda: manager)

    def container(self, *, is_cold: bool) -> Container:
        """Return an idle process, or a new one."""
        idle = [container for container in self._containers if not container.is_busy]
        container = self._start() if is_cold or not idle else idle[-1]
        container.is_busy = True
        return container

    def shift(self, shift: Shift) -> None:
        if shift.process < len(self._containers):
            container = self._containers[shift.process]
            container.offset = shift.offset
            if container.serving:
                container.serving.offsets.append(shift.offset)

    def _start(self) -> Container:
        number = len(self._containers)
        offset = self._plan.offsets[number % len(self._plan.offsets)]
        telemetry = DefectRecorder(self._judge)
        container = Container(f"λ{number + 1}", offset)
        tools = self._tools(container)
        container.service = Service(Broker(tools), telemetry, self._prefix)
        self._containers.append(container)
        return container

    def _tools(self, container: Container) -> Dependencies:
        return Dependencies(
            flow=self._judge.vendor.flow,
            clock=self._clock(container),
            cache=TokenCache(MEMORY_SECONDS, 100),
            store=self._store,
            sealer=self._sealer,
            secrets=self._secrets,
            send=self._send,
            invoke=self._invoke_itself,
            announce=self._judge.announced,
            emit=self._emit,
            random=self._random,
            owner=self._owner,
            skew=SKEW,
        )

    def _clock(self, container: Container) -> Clock:
        scheduler = self._wire.scheduler
        return Clock(
            now=lambda: int(scheduler.now + container.offset),
            monotonic=lambda: scheduler.now,
            sleep=self._wire.sleep,
        )

    def _emit(self, event: str, **_: Any) -> None:
        self._wire.current.unended += event == "log out failed"

    def _random(self) -> float:
        return self._wire.current.rng.random()

    def _owner(self) -> str:
        invocation = self._wire.current
        invocation.owners += 1
        return f"{invocation.name}.{invocation.owners}"

    def _send(self, request: Request, seconds: float) -> Response:
        vendor = self._judge.vendor
        sent = Sent(
            request, vendor.key(request), vendor.credential(request), vendor.bearer(request)
        )
        return self._wire.send(sent, seconds, lambda: vendor.answer(request))
