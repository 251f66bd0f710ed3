"""One run: the shipped service in many processes, over services and a vendor in memory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from tests.protocol.simulation.clients import DynamoDB, Kms, Secrets
from tests.protocol.simulation.invocations import Invocation, Sent, problem_of
from tests.protocol.simulation.judge import Judge
from tests.protocol.simulation.plans import Change, Plan, Visit
from tests.protocol.simulation.scheduler import EPOCH, Scheduler, Task
from tests.protocol.simulation.table import Table
from tests.protocol.simulation.vendors import VENDORS, Vendor
from tests.protocol.simulation.wire import Wire
from token_broker import secret_versions
from token_broker.broker import Broker
from token_broker.entry import Service
from token_broker.exchange import Request, Response
from token_broker.memory import Memory
from token_broker.reading import Reader
from token_broker.sealing import Sealer
from token_broker.store import Store, unavailable
from token_broker.telemetry import Telemetry
from token_broker.tools import Clock, Tools

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

SKEW = 30
"""The setting LEASE_SKEW_SECONDS."""

NEVER = 0
"""The step of a fault that keeps an asynchronous invocation from ever beginning."""

MEMORY_SECONDS = 60
PREFIX = "token-broker/test/"
CONNECTION = "acme"


class Quiet(Telemetry):
    """Tells the judge of defects, and nobody of anything else."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def note(self, event: str, **facts: Any) -> None:
        """Write nothing."""

    def defect(self, error: Exception, request_id: str) -> None:
        """Have a defect judged."""
        self._judge.defect(error, request_id)


@dataclass(slots=True, eq=False)
class Container:
    """A process that serves one invocation at a time, and remembers."""

    name: str
    offset: float
    service: Service
    is_busy: bool = False
    """Serves an invocation now, or was killed amid one: then nothing ever comes to it again."""


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda tells an invocation of itself."""

    aws_request_id: str
    invoked_function_arn: str
    scheduler: Scheduler
    deadline: float

    def get_remaining_time_in_millis(self) -> int:
        """Return how long this invocation may still take."""
        return int((self.deadline - self.scheduler.now) * 1000)


class World:
    """Everything that there is in a run."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.scheduler = Scheduler()
        self.vendor: Vendor = VENDORS[plan.flow](plan, lambda: self.scheduler.now)
        self.judge = Judge(plan, self.scheduler, self.vendor)
        self.wire = Wire(self.scheduler, plan.outages, self.judge)
        self.judge.wire = self.wire
        self.table = self.judge.table = Table(self.judge.written)
        self.secrets = self.judge.secrets = Secrets(self.wire)
        self.invocations: dict[str, Invocation] = {}
        self._containers: list[Container] = []
        self._passwords = 0
        self._is_other = False
        self._make_parts()

    def run(self) -> None:
        """Let the plan happen, until nothing does any more."""
        self._renew_password()
        self._put_secret()
        for visit in self.plan.visits:
            self.scheduler.at(EPOCH + visit.at, partial(self.receive, visit))
        for change in self.plan.changes:
            self.scheduler.at(EPOCH + change.at, partial(self.change, change))
        self.scheduler.run()

    def receive(self, visit: Visit) -> None:
        """Begin the invocation that a visit asks for."""
        event = dict(visit.event)
        if visit.rejects:
            seen = self.invocations.get(visit.rejects)
            if seen and "fingerprint" in seen.answer:
                event["rejected"] = seen.answer["fingerprint"]
        self.invoke(visit.name, event, is_cold=visit.is_cold)

    def invoke(self, name: str, event: Mapping[str, Any], *, is_cold: bool = False) -> Invocation:
        """Begin an invocation now."""
        idle = [container for container in self._containers if not container.is_busy]
        container = self._start() if is_cold or not idle else idle[-1]
        container.is_busy = True
        invocation = Invocation(
            name,
            event,
            container.name,
            self.scheduler.now,
            container.offset,
            Random(f"{self.plan.seed}/{name}"),
            {fault.step: fault for fault in self.plan.faults if fault.visit == name},
        )
        self.invocations[name] = invocation
        self.judge.began(invocation)
        task = self.scheduler.start(lambda: self._serve(container, invocation))
        self.wire.running[task] = invocation
        self.scheduler.at(invocation.deadline, lambda: self._time_out(invocation, task))
        return invocation

    def change(self, change: Change) -> None:
        """Let somebody do something to the secret, or at the vendor's."""
        self.judge.changed(change)
        match change.kind:
            case "good secret":
                self._renew_password()
                self._put_secret()
            case "bad secret":
                self._put_secret(is_bad=True)
            case "new password":
                self._renew_password()
            case "other defaults":
                self._is_other = not self._is_other
                self._put_secret()
            case "revoked":
                self.vendor.revoke()
        for delay in change.events:
            self.scheduler.at(self.scheduler.now + delay, self._tell_of_rotation)

    @property
    def is_secret_good(self) -> bool:
        """Say whether the vendor accepts the current version of the secret."""
        credential = self.judge.credentials.get(self.judge.password)
        return credential is not None and self.secrets.versions[-1].id in credential.versions

    def _renew_password(self) -> None:
        self._passwords += 1
        self.judge.password = f"password-{self._passwords}"
        self.vendor.set_password(self.judge.password)

    def _put_secret(self, *, is_bad: bool = False) -> None:
        """Set a new version, with the vendor's password or one that it never had."""
        number = len(self.secrets.versions) + 1
        password = f"bad-{number}" if is_bad else f"password-{self._passwords}"
        content = self.vendor.secret(password, is_other=self._is_other)
        version = self.secrets.put(content)
        self.judge.put(version.id, password, is_other=self._is_other)

    def _tell_of_rotation(self) -> None:
        name = f"{PREFIX}{self.plan.flow}/{CONNECTION}"
        detail = {"eventName": "PutSecretValue", "requestParameters": {"secretId": name}}
        number = sum(known.startswith("event") for known in self.invocations) + 1
        self.invoke(f"event{number}", {"source": "aws.secretsmanager", "detail": detail})

    def _make_parts(self) -> None:
        dynamodb = cast("DynamoDBClient", DynamoDB(self.wire, self.table))
        kms = cast("KMSClient", Kms(self.wire))
        manager = cast("SecretsManagerClient", self.secrets)
        reader = Reader("table", "key", lambda: dynamodb, lambda: kms)
        self.store = Store("table", reader, lambda: dynamodb)
        self.sealer = Sealer("table", "key", reader, lambda: kms)
        self._prefix = f"{PREFIX}{self.plan.flow}/"
        self._read = secret_versions.Secrets(self._prefix, lambda: manager)

    def _start(self) -> Container:
        """Start a process, with a clock and a memory of its own."""
        number = len(self._containers)
        offset = self.plan.offsets[number % len(self.plan.offsets)]
        telemetry = Quiet(self.judge)
        service = Service(Broker(self._tools(offset)), telemetry, self._prefix)
        container = Container(f"λ{number + 1}", offset, service)
        self._containers.append(container)
        return container

    def _tools(self, offset: float) -> Tools:
        scheduler = self.scheduler
        clock = Clock(
            now=lambda: int(scheduler.now + offset),
            monotonic=lambda: scheduler.now,
            sleep=self.wire.sleep,
        )
        return Tools(
            flow=self.vendor.flow,
            clock=clock,
            memory=Memory(MEMORY_SECONDS, 100),
            store=self.store,
            sealer=self.sealer,
            secrets=self._read,
            send=self._send,
            invoke=self._invoke_itself,
            announce=say_nothing,
            note=say_nothing,
            dice=self._roll,
            owner=self._owner,
            skew=SKEW,
        )

    def _roll(self) -> float:
        return self.wire.current.rng.random()

    def _owner(self) -> str:
        invocation = self.wire.current
        invocation.owners += 1
        return f"{invocation.name}.{invocation.owners}"

    def _send(self, request: Request, seconds: float) -> Response:
        sent = Sent(request, self.vendor.key(request), self.vendor.password(request))
        return self.wire.send(sent, seconds, lambda: self.vendor.answer(request))

    def _invoke_itself(self, payload: Mapping[str, Any]) -> None:
        invocation = self.wire.current
        invocation.children += 1
        name = f"{invocation.name}>{invocation.children}"
        delay = 0.02 + invocation.latency() * 3
        self.judge.nudged(invocation, payload)

        event = json.loads(json.dumps(payload))
        copies = iter([name, f"{name}'"])

        def deliver() -> None:
            copy = next(copies)
            if not any(f.visit == copy and f.step == NEVER for f in self.plan.faults):
                at = self.scheduler.now + delay
                self.scheduler.at(at, partial(self.invoke, copy, event))

        try:
            self.wire.carry("function", "Invoke", deliver, name)
        except (BotoCoreError, ClientError) as error:
            raise unavailable(error, "the function itself", "its permission") from None

    def _serve(self, container: Container, invocation: Invocation) -> None:
        context = Context(invocation.name, "arn:function", self.scheduler, invocation.deadline)
        try:
            invocation.answer = container.service(invocation.event, context)
            invocation.end = "answered"
        except Exception as error:  # noqa: BLE001 (what the platform would tell an invoker)
            invocation.answer, invocation.end = problem_of(error), "failed"
        invocation.ended = self.scheduler.now
        container.is_busy = False
        self.judge.ended(invocation)

    def _time_out(self, invocation: Invocation, task: Task) -> None:
        """End an invocation that took all its time."""
        if invocation.ended is None:
            invocation.end, invocation.ended = "timed out", self.scheduler.now
            task.is_dead = True
            self.judge.ended(invocation)


def say_nothing(*_: object, **__: object) -> None:
    """Write no log, and tell no bus."""
