"""Lambdas in separate processes, which race, or are killed at a step of an exchange."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.waiting import CALL_SECONDS, wait_for_aws
from token_broker.app import CLOCK, Environment
from token_broker.aws import clients
from token_broker.dependencies import Clock
from token_broker.flows import every
from token_broker.handler import Service
from token_broker.records import replace
from token_broker_local.addresses import TIMEOUT
from token_broker_local.functions import LambdaContext

FLOWS = every()

START = multiprocessing.get_context("forkserver")
START.set_forkserver_preload(["tests.races.preload"])


@dataclass(frozen=True, slots=True)
class Job:
    """The calls that one process makes."""

    flow: str
    payload: Mapping[str, Any]
    environment: Mapping[str, str]
    ahead: int = 0
    """Seconds by which its clock is ahead."""
    threads: int = 1
    kill_at: int = 0
    """The step at which it is killed; 0 for never."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one caller: source and generation, or the type of the error; with its time."""

    source: str
    generation: int
    seconds: float


def service_of(job: Job) -> Service:
    """Return the function of a job, as a Lambda of its own has it."""
    os.environ.clear()  # the fork server's environment
    os.environ.update(job.environment)
    wait_for_aws()
    service = Environment(os.environ).service(FLOWS[job.flow])
    clock = Clock(lambda: CLOCK.now() + job.ahead, CLOCK.monotonic, CLOCK.sleep)
    service.use(replace(service.deps, clock=clock))
    return service


def called(service: Service, job: Job, timeout: float = TIMEOUT) -> Result:
    """Call once, and return the result."""
    began = time.monotonic()
    try:
        answer = service(dict(job.payload), LambdaContext(f"token-broker-{job.flow}", timeout))
    except Exception as error:  # noqa: BLE001 (the test compares its type)
        return Result(type(error).__name__, 0, time.monotonic() - began)
    return Result(answer["source"], answer["generation"], time.monotonic() - began)


def race(job: Job, start: Any, results: Any) -> None:
    """Call in several threads at once, together with other processes."""
    silence()
    service = service_of(job)
    threads = [
        threading.Thread(
            target=lambda: (start.wait(), results.put(called(service, job, CALL_SECONDS)))
        )
        for _ in range(job.threads)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def die(job: Job, results: Any) -> None:
    """Call once, and be killed at a step: before or after a request or a write."""
    silence()
    service = service_of(job)
    steps = Steps(job.kill_at)
    tools = service.deps
    shipped = vars(tools.store)["_client"]
    stepping: Any = Stepping(shipped.fast, steps)
    vars(tools.store)["_client"] = clients.FastFirst(shipped, stepping)
    service.use(replace(tools, send=steps.around("request", tools.send)))
    result = called(service, job)
    results.put((result, steps.taken))


class Steps:
    """Counts the steps of one process, and kills it at one of them."""

    def __init__(self, kill_at: int) -> None:
        self.taken: list[str] = []
        self._kill_at = kill_at

    def step(self, name: str) -> None:
        """Take a step, perhaps the last one."""
        self.taken.append(name)
        if len(self.taken) == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return *call* with a step before and after it."""

        def stepping(*arguments: Any, **named: Any) -> Any:
            self.step(f"before {name}")
            answer = call(*arguments, **named)
            self.step(f"after {name}")
            return answer

        return stepping


class Stepping:
    """A client whose writes are steps."""

    def __init__(self, client: Any, steps: Steps) -> None:
        self._client = client
        self._write = steps.around("write", client.call)

    def call(self, operation: str, parameters: Any) -> Any:
        """Return the answer to *operation*."""
        call = self._write if operation == "update_item" else self._client.call
        return call(operation, parameters)


def silence() -> None:
    """Discard output: the log lines of a hundred processes do not help in a test report."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
