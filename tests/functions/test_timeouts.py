"""AWS that takes a connection and never answers: whatever is asked, its end comes in time."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.functions.world import World, proxy_event
from token_broker import clients
from token_broker.entry import Service
from token_broker.errors import StoreUnavailable
from token_broker_local.context import LambdaContext

SECONDS = 7.5
"""Of an invocation: hardly enough to begin an exchange, so that the test is soon over."""

COMMIT = ("UpdateItem", "#fingerprint")


@dataclass(frozen=True)
class Silence:
    """What is never answered, and what the caller is told instead."""

    name: str
    flow: str
    asked: tuple[tuple[str, ...], ...]
    told: str = "store_unavailable"
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
        told="memory",
        is_kept=True,
        is_remembered=True,
    ),
    Silence("secret", "vendorlink", (("GetSecretValue",),)),
    Silence("lease", "vendorlink", (("UpdateItem",),)),
    Silence(
        "lease of a forced one", "editor", (("UpdateItem",),), body={"force": True}, is_kept=True
    ),
    Silence("seal in the commit", "vendorlink", (("Encrypt",),), told="exchange"),
    Silence("commit", "vendorlink", (COMMIT,), told="exchange"),
    Silence("whole commit", "vendorlink", (("Encrypt",), COMMIT), told="exchange"),
    Silence("seal in a nested commit", "vntana", (("Encrypt",),)),
]


@pytest.fixture
def told(world: World) -> dict[str, tuple[str, float]]:
    """Return what callers are told in all the cases at once, and after how long."""
    made = [prepared(world, case) for case in CASES]
    world.advance(61)
    silent = [
        (operation, connection, *parts)
        for case, (connection, _) in zip(CASES, made, strict=True)
        for operation, *parts in case.asked
    ]
    with world.aws.silent(*silent), ThreadPoolExecutor(len(CASES)) as callers:
        answers = list(callers.map(asked, CASES, made))
    return {case.name: answer for case, answer in zip(CASES, answers, strict=True)}


def prepared(world: World, case: Silence) -> tuple[str, Service]:
    """Return a connection, and a process that is about to be asked for its token."""
    connection = world.connect(case.flow)
    service = world.cold(case.flow)
    if case.is_kept:
        service(proxy_event(case.flow, connection, {}), LambdaContext("before"))
    if not case.is_remembered:
        service.tools.memory.clear()
    return connection, service


def asked(case: Silence, made: tuple[str, Service]) -> tuple[str, float]:
    """Return what the caller is told in *case*, and after how many seconds."""
    connection, service = made
    began = time.monotonic()
    event = proxy_event(case.flow, connection, case.body)
    response = service(event, LambdaContext("broker", timeout=SECONDS))
    body = json.loads(response["body"])
    return body.get("code") or body["source"], time.monotonic() - began


def test_silence_of_aws_has_a_name_in_time(told: dict[str, tuple[str, float]]) -> None:
    """Wherever it strikes, the invocation answers before it is ended."""
    assert {n: code for n, (code, _) in told.items()} == {case.name: case.told for case in CASES}
    assert max(seconds for _, seconds in told.values()) < SECONDS


@pytest.mark.parametrize(
    ("left", "patience"),
    [(20.0, clients.USUAL), (7.1, clients.USUAL), (6.9, clients.LAST), (1.6, clients.LAST)],
)
def test_what_is_asked_late_is_waited_for_less(left: float, patience: clients.Patience) -> None:
    """No call of AWS is begun that may not be over in time."""
    with clients.until(left):
        assert clients._patience("kms") == patience


def test_what_cannot_be_answered_in_time_is_not_asked() -> None:
    """The caller is told so while it still can be."""
    with clients.until(1.4), pytest.raises(StoreUnavailable, match="too little time"):
        clients.kms()


def test_a_farewell_is_not_said_when_time_is_short(world: World) -> None:
    """Tokens are forgotten in time, whether or not their sessions could be ended."""
    connection = world.connect("vntana")
    world.call("vntana", connection)
    steps = len(world.steps("vntana"))
    event = {"connection": connection, "action": "forget"}
    hurried = LambdaContext("broker", timeout=6)
    assert world.service("vntana")(event, hurried) == {"forgotten": 1}
    assert len(world.steps("vntana")) == steps
