"""One run: the shipped service in many processes, over services and a vendor in memory."""

import json
from collections.abc import Mapping
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.protocol.simulation.clients import Secrets
from tests.protocol.simulation.entrances import route_of, served
from tests.protocol.simulation.fleet import PREFIX, Container, Context, Fleet
from tests.protocol.simulation.invocations import Invocation
from tests.protocol.simulation.judge import Judge
from tests.protocol.simulation.plans import Change, Plan, Visit
from tests.protocol.simulation.scheduler import EPOCH, Scheduler, Task
from tests.protocol.simulation.table import Table
from tests.protocol.simulation.vendors import VENDORS
from tests.protocol.simulation.wire import Wire
from token_broker.store import unavailable

if TYPE_CHECKING:
    from tests.protocol.simulation.vendor import Vendor

NEVER = 0
"""The step of a fault that keeps an asynchronous invocation from ever beginning."""


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
        self._passwords = 0
        self._is_other = False
        self._fleet = Fleet(plan, self.judge, self.wire, self._invoke_itself)

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
        container = self._fleet.container(is_cold=is_cold)
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
        name = f"{PREFIX}{self.plan.flow}/acme"
        detail = {"eventName": "PutSecretValue", "requestParameters": {"secretId": name}}
        number = sum(known.startswith("event") for known in self.invocations) + 1
        self.invoke(f"event{number}", {"source": "aws.secretsmanager", "detail": detail})

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
        route = route_of(invocation.name, invocation.event, self.plan.flow)
        end, answer = served(container.service, invocation.event, context, route)
        invocation.end, invocation.answer = end, answer
        invocation.ended = self.scheduler.now
        container.is_busy = False
        self.judge.ended(invocation)

    def _time_out(self, invocation: Invocation, task: Task) -> None:
        """End an invocation that took all its time."""
        if invocation.ended is None:
            invocation.end, invocation.ended = "timed out", self.scheduler.now
            task.is_dead = True
            self.judge.ended(invocation)
