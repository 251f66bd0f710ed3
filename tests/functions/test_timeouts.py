"""AWS accepts a connection and never responds: each invocation returns before its timeout.

Time is simulated by the timeouts of the sockets, so that it does not depend on this machine, and
no test really waits.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from tests.functions.world import World, proxy_event
from tests.sharing import new_clients
from tests.waiting import wait_for_aws_as_ever
from token_broker.aws import clients, fast_client, http1
from token_broker.dependencies import Clock
from token_broker.records import replace
from token_broker_local.functions import LambdaContext

SECONDS = 7.5
"""Of an invocation: hardly enough to begin an exchange."""

COMMIT = ("UpdateItem", "#fingerprint")


@dataclass(frozen=True)
class Silence:
    """An operation of AWS that never responds, and the error that the caller gets."""

    name: str
    flow: str
    calls: tuple[tuple[str, ...], ...]
    result: str = "store_unavailable"
    body: dict[str, Any] = field(default_factory=dict)
    is_kept: bool = False
    """Whether a token is kept, which is read again now."""
    is_remembered: bool = False
    """Whether this process read it before, too long ago."""


CASES = [
    Silence("read on a hit", "vendorlink", (("GetItem",),), is_kept=True),
    Silence("open on a hit", "vendorlink", (("Decrypt",),), is_kept=True),
    Silence("all on a hit", "editor", (("GetItem",), ("Decrypt",)), is_kept=True),
    Silence(
        "both items on a hit",
        "editor",
        (("BatchGetItem",),),
        result="memory",
        is_kept=True,
        is_remembered=True,
    ),
    Silence("secret", "vendorlink", (("GetSecretValue",),)),
    Silence("lease", "vendorlink", (("UpdateItem",),)),
    Silence(
        "lease of a forced one", "editor", (("UpdateItem",),), body={"force": True}, is_kept=True
    ),
    Silence("seal in the commit", "vendorlink", (("Encrypt",),), result="exchange"),
    Silence("commit", "vendorlink", (COMMIT,), result="exchange"),
    Silence("whole commit", "vendorlink", (("Encrypt",), COMMIT), result="exchange"),
    Silence("seal in a nested commit", "vntana", (("Encrypt",),)),
]


class Time:
    """The simulated time of waiting for AWS."""

    ANSWER_SECONDS = 0.01

    def __init__(self) -> None:
        self.seconds = 0.0
        self.silent: list[tuple[str, list[bytes]]] = []
        """What is never answered: an operation, and texts in its body."""

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def is_spent(self, target: str, body: bytes, timeout: float) -> bool:
        """Let the time pass that *target* takes, and say whether it was all that there was."""
        operation = target.rpartition(".")[2]
        is_spent = any(operation == o and all(p in body for p in ps) for o, ps in self.silent)
        self.sleep(timeout if is_spent else self.ANSWER_SECONDS)
        return is_spent


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Iterator[Time]:
    """Return the time by which all clocks go, and by which sockets wait."""
    time = Time()

    class Connection(http1.Connection):
        def post(self, path: str, headers: Mapping[str, str], body: bytes) -> http1.AwsAnswer:
            if time.is_spent(headers["x-amz-target"], body, self._socket.gettimeout() or 0):
                raise TimeoutError
            return super().post(path, headers, body)

    wait_for_aws_as_ever(monkeypatch.setattr)
    new = clients._new

    def made(service: str, timeouts: clients.Timeouts) -> Any:
        client = new(service, timeouts)

        def send(request: Any, **_: Any) -> None:
            target = request.headers["X-Amz-Target"].decode()
            if time.is_spent(target, request.body, client.meta.config.read_timeout):
                raise ReadTimeoutError(endpoint_url=request.url)

        client.meta.events.register("before-send", send)
        return client

    monkeypatch.setattr(clients, "_new", made)
    monkeypatch.setattr(clients, "monotonic", time.now)
    monkeypatch.setattr(fast_client, "Connection", Connection)
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=time.sleep))
    with new_clients():
        yield time


@dataclass(frozen=True, slots=True)
class Context(LambdaContext):
    """An invocation whose time runs down as *time* passes."""

    time: Time = field(default_factory=Time)

    def get_remaining_time_in_millis(self) -> int:
        return int((self.timeout - self.time.seconds) * 1000)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_unresponsive_aws_service_is_an_error_before_the_deadline(
    world: World, time: Time, case: Silence
) -> None:
    """For each operation that does not respond."""
    connection, service = world.connect(case.flow), world.cold(case.flow)
    if case.is_kept:
        service(proxy_event(case.flow, connection, {}), LambdaContext("before"))
    if not case.is_remembered:
        service.deps.cache.clear()
    world.advance(61)
    clock = Clock(lambda: world.now, time.now, time.sleep)
    service.use(replace(service.deps, clock=clock))
    time.seconds = 0.0
    time.silent = [(operation, [p.encode() for p in parts]) for operation, *parts in case.calls]
    event = proxy_event(case.flow, connection, case.body)
    response = service(event, Context("broker", timeout=SECONDS, time=time))
    body = json.loads(response["body"])
    assert (body.get("code") or body["source"]) == case.result
    assert time.seconds < SECONDS
