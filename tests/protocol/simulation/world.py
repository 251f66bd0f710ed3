"""One run: the shipped service in many processes, with services and a vendor in memory."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tests.protocol.replay.replay import Replay
from tests.protocol.simulation.clients import Secrets
from tests.protocol.simulation.fleet import (
    PREFIX,
    Container,
    Fleet,
    LambdaContext,
    event_of,
    route_of,
    served,
)
from tests.protocol.simulation.invocations import Invocation
from tests.protocol.simulation.judge import Judge
from tests.protocol.simulation.plans import Change, ChangeKind, Notice, Plan, Setting, Visit
from tests.protocol.simulation.scheduler import EPOCH, Scheduler, Task
from tests.protocol.simulation.table import Table, client_error
from tests.protocol.simulation.vendors import VENDORS
from tests.protocol.simulation.wire import Wire
from token_broker.aws.clients import call

if TYPE_CHECKING:
    from tests.protocol.simulation.vendor import Vendor

NEVER = 0
"""The step of a fault that loses an asynchronous invocation."""

RETRIES = (60.0, 120.0)
"""Seconds after which Lambda retries a failed asynchronous invocation: twice."""

LONGEST_CHAIN = 16
"""The length of a chain of self-invocations after which Lambda refuses the next one."""

LIFETIME_FACTOR = 10

SETTINGS: Mapping[ChangeKind, Callable[[Setting], Setting]] = {
    "good secret": lambda setting: setting,
    "bad secret": lambda setting: setting,
    "other defaults": lambda setting: replace(setting, is_other=not setting.is_other),
    "other user": lambda setting: replace(setting, user=1 - setting.user),
    "other host": lambda setting: replace(setting, host=(setting.host + 1) % 3),
    "other pins": lambda setting: replace(setting, is_pinned=not setting.is_pinned),
    "other sharing": lambda setting: replace(setting, is_shared=not setting.is_shared),
}
"""The content of a new version of the secret, without the password."""


class World:
    """The services, processes, vendor and judge of a run."""

    def __init__(self, plan: Plan, *, has_model: bool = False) -> None:
        self.plan = plan
        self.scheduler = Scheduler()
        self.vendor: Vendor = VENDORS[plan.flow](plan, lambda: self.scheduler.now)
        self.judge = Judge(plan, self.scheduler, self.vendor)
        self.judge.replay = Replay.beside(self.judge) if has_model else None
        self.wire = Wire(self.scheduler, plan.outages, self.judge)
        self.judge.wire, self.wire.repeat = self.wire, self.repeat
        self.table = self.judge.table = Table(
            self.judge.written, self.judge.dropped, lambda: self.scheduler.now, plan.lag, plan.page
        )
        self.table.watch_reads = self.judge.looked
        self.table.watch_refusals = self.judge.refused
        self.secrets = self.judge.secrets = Secrets(self.wire)
        self.invocations: dict[str, Invocation] = {}
        self.setting = plan.setting
        """The content of the secret, with the right password."""
        self._passwords = 0
        self._accepted = ["", ""]
        """The password of each user."""
        self._fleet = Fleet(plan, self.judge, self.wire, self._invoke_itself)

    def run(self) -> None:
        """Run the plan until nothing is due."""
        self.begin()
        self.scheduler.run()

    def begin(self) -> None:
        """Schedule all parts of the plan."""
        for user in range(2):
            self._renew_password(user)
        self._put_secret()
        for visit in self.plan.visits:
            self.scheduler.at(EPOCH + visit.at, partial(self.receive, visit))
        for change in self.plan.changes:
            self.scheduler.at(EPOCH + change.at, partial(self.change, change))
        for shift in self.plan.shifts:
            self.scheduler.at(EPOCH + shift.at, partial(self._fleet.shift, shift))

    def receive(self, visit: Visit) -> None:
        event = dict(visit.event)
        if visit.rejects:
            seen = self.invocations.get(visit.rejects)
            if seen and "fingerprint" in seen.answer:
                event["rejected"] = seen.answer["fingerprint"]
        self.invoke(visit.name, event, is_cold=visit.is_cold, is_bad=visit.is_bad)

    def invoke(
        self,
        name: str,
        event: Mapping[str, Any],
        *,
        is_cold: bool = False,
        is_bad: bool = False,
        depth: int = 0,
    ) -> Invocation:
        container = self._fleet.container(is_cold=is_cold)
        invocation = Invocation(
            name,
            event,
            container.name,
            self.scheduler.now,
            container.offset,
            Random(f"{self.plan.seed}/{name}"),
            {fault.step: fault for fault in self.plan.faults if fault.visit == name},
            is_bad=is_bad,
            depth=depth,
        )
        container.serving = invocation
        self.invocations[name] = invocation
        self.judge.began(invocation)
        task = self.scheduler.start(lambda: self._serve(container, invocation))
        self.wire.running[task] = invocation
        self.scheduler.at(invocation.deadline, lambda: self._time_out(invocation, task))
        return invocation

    def change(self, change: Change) -> None:
        self.judge.changed(change)
        if change.kind in SETTINGS:
            self.setting = SETTINGS[change.kind](self.setting)
            self._put_secret(is_bad=change.kind == "bad secret")
        match change.kind:
            case "new password":
                self._renew_password(self.setting.user)
            case "other role":
                self.vendor.change_roles()
            case "other lifetime":
                factor = 1 if self.judge.lifetime > self.plan.lifetime else LIFETIME_FACTOR
                self.judge.lifetime = self.vendor.set_lifetime(self.plan.lifetime * factor)
            case "revoked":
                self.vendor.revoke()
        version = self.secrets.versions[-1].id
        for notice in change.notices:
            at = self.scheduler.now + notice.after
            self.scheduler.at(at, partial(self._tell_of_rotation, notice, version))

    @property
    def is_secret_good(self) -> bool:
        """Return whether the vendor accepts the current version of the secret."""
        current = self.judge.settings[self.secrets.versions[-1].id]
        return current.credential in self.judge.valid

    def _renew_password(self, user: int) -> None:
        self._passwords += 1
        password = f"password-{self._passwords}"
        self.judge.valid = {c for c in self.judge.valid if not c.startswith(f"{user}/")}
        self.judge.valid.add(f"{user}/{password}")
        self._accepted[user] = password
        self.vendor.set_password(user, password)

    def _put_secret(self, *, is_bad: bool = False) -> None:
        """Put a new version, with the vendor's password or a wrong one."""
        number = len(self.secrets.versions) + 1
        password = f"bad-{number}" if is_bad else self._accepted[self.setting.user]
        setting = replace(self.setting, password=password)
        version = self.secrets.put(self.vendor.secret(setting))
        self.judge.put(version.id, setting)

    def _tell_of_rotation(self, notice: Notice, version: str) -> None:
        number = sum(known.startswith("event") for known in self.invocations) + 1
        name = f"{PREFIX}{self.plan.flow}/acme"
        self.invoke(f"event{number}", event_of(notice.kind, name, version))

    def _invoke_itself(self, payload: Mapping[str, Any]) -> None:
        invocation = self.wire.current
        invocation.children += 1
        name = f"{invocation.name}>{invocation.children}"
        delay = 0.02 + invocation.latency() * 3
        self.judge.refresh_started(invocation, payload)

        event = json.loads(json.dumps(payload))
        copies = iter([name, f"{name}'"])

        def deliver() -> None:
            if invocation.depth >= LONGEST_CHAIN:
                raise client_error("RecursiveInvocationException", "Invoke")
            copy = next(copies)
            if not any(f.visit == copy and f.step == NEVER for f in self.plan.faults):
                at, depth = self.scheduler.now + delay, invocation.depth + 1
                self.scheduler.at(at, partial(self.invoke, copy, event, depth=depth))

        functions = SimpleNamespace(
            invoke=lambda: self.wire.carry("function", "Invoke", deliver, name)
        )
        call(lambda: functions, "invoke")

    def _serve(self, container: Container, invocation: Invocation) -> None:
        context = LambdaContext(invocation.name, self.scheduler, invocation.deadline)
        route = route_of(invocation.name, invocation.event, self.plan.flow)
        end, answer = served(container.service, invocation.event, context, route)
        invocation.end, invocation.answer = end, answer
        container.is_busy, container.serving = False, None
        self._end(invocation)

    def _time_out(self, invocation: Invocation, task: Task) -> None:
        if invocation.ended is None:
            invocation.end = "timed out"
            task.is_dead = True
            self._end(invocation)

    def _end(self, invocation: Invocation) -> None:
        invocation.ended = self.scheduler.now
        self.judge.ended(invocation)
        self.repeat(invocation)

    def repeat(self, invocation: Invocation) -> None:
        """Let the platform retry a failed asynchronous invocation."""
        if not invocation.is_asynchronous or invocation.end == "answered":
            return
        if invocation.tries < len(RETRIES):
            at = self.scheduler.now + RETRIES[invocation.tries]
            self.scheduler.at(at, partial(self._try_again, invocation))

    def _try_again(self, invocation: Invocation) -> None:
        tries = invocation.tries + 1
        name = f"{invocation.name.partition('~')[0]}~{tries}"
        again = self.invoke(name, invocation.event, depth=invocation.depth)
        again.tries = tries
