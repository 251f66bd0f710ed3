"""Access to a token: what asks the broker, and what it asks."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.client.desks import NOW, Once, answer, document
from tests.client.systems import refused
from tests.waiting import PATIENCE_SECONDS, SOON_SECONDS, wait_until
from token_broker_client import Broker, Unreachable
from token_broker_client.cache import Cache
from token_broker_client.deadline import Deadline, Patience
from token_broker_client.httpx_auth import HttpxBrokerAuth
from token_broker_client.request import FLOWS, Command, Flow, TokenRequest
from token_broker_client.requests_auth import BrokerAuth
from token_broker_client.transport import Reply, Request

OPENAPI = Path(__file__).parents[2] / "openapi.yaml"


def broker(channel: Any, clock: Callable[[], float] = NOW.timestamp) -> Broker:
    return Broker(channel, Patience(17), Cache(clock=clock))


SCHEMAS = yaml.safe_load(OPENAPI.read_text())["components"]["schemas"]
VALUES: dict[str, Any] = {
    "min_ttl": 0,
    "rejected": "0" * 16,
    "force": True,
    "organization": "studio",
    "workspace": "chairs",
    "parameters": {"n": 1, "x": 1.5, "yes": True, "none": None, "deep": [{}]},
}


@pytest.mark.parametrize("flow", FLOWS)
def test_only_what_is_named_is_asked(flow: Flow) -> None:
    """Each member of a request alone, and all; of a thread and of a task; with its JSON type."""
    names = SCHEMAS[f"{flow.title()}Request"]["properties"]
    for asked in ([], *([name] for name in names), names):
        given = {name: VALUES[name] for name in asked}
        conditions = {name: given.pop(name) for name in TokenRequest._fields if name in given}
        once = Once()
        getattr(broker(once), flow)("zero", **given, **conditions)
        access = broker(once).access(flow, "zero", **given)
        asyncio.run(access.answer_async(**conditions))
        command = Command(flow, "zero", "token", given | conditions)
        assert once.asked == [(command, 17)] * 2


def test_what_is_sent_and_answered_shows_nothing_private() -> None:
    """A token to verify, an editor's parameters, a signature."""
    secret = {"token": "s3cret"}
    for one, shown in (
        (Command("editor", "acme", "verify", secret), "Command(editor, acme, verify)"),
        (Request("POST", "https://s3cret", secret, b"s3cret"), "Request(POST)"),
        (Reply(200, secret, b"s3cret"), "Reply(200)"),
    ):
        assert repr(one) == shown


def test_a_look_for_the_next_token_is_short() -> None:
    """No caller waits long for the renewal of a token that still works, nor for another try."""
    once = Once(refresh_after="2026-11-22T10:00:05Z")
    now = [NOW.timestamp()]
    access = broker(once, lambda: now[0]).access("vntana", "acme")
    assert access.kept() is None
    assert access.answer().generation == 1
    assert access.kept() == access.answer()
    now[0] += 11
    assert access.kept() is None
    assert access.answer().generation == 2
    now[0] += 11
    once.error = Unreachable("gone")
    assert access.answer().generation == 2
    assert [(command.body, left) for command, left in once.asked] == [({}, 17), ({}, 5), ({}, 5)]
    now[0] = NOW.timestamp() + 3565
    assert access.answer().generation == 2
    now[0] += 6  # it is asked about no sooner than in ten seconds, but ends before
    assert access.kept() is None


def test_an_answer_signs_by_what_it_came_from() -> None:
    """So that what it hands out lives on."""
    found = answer()
    requests, httpx = found.auth(), found.httpx_auth()
    assert isinstance(requests, BrokerAuth)
    assert isinstance(httpx, HttpxBrokerAuth)
    assert requests._access is httpx._access is found.access
    assert found.access.auth() is not requests


def test_an_address_at_the_vendor() -> None:
    """With one slash, wherever it comes from."""
    access = broker(Once(base_url="https://vendor.example/XX/")).access("vntana", "acme")
    assert access.url("/XX") == access.url("XX") == "https://vendor.example/XX/XX"


def test_a_broker_says_how_old_a_token_may_become() -> None:
    """Before it is asked about; by default five minutes."""
    now = [NOW.timestamp()]
    for seconds, options in ((300, {}), (60, {"max_age": 60})):
        once = Once()
        access = Broker(once, Patience(20), Cache(clock=lambda: now[0]), **options)
        generations = []
        for ahead in (0, seconds - 1, 1):
            now[0] += ahead
            generations.append(access.vntana("acme").generation)
        assert generations == [1, 1, 2]


def test_a_look_takes_no_longer_than_patience() -> None:
    once, now = Once(refresh_after="2026-11-22T10:00:05Z"), [NOW.timestamp()]
    access = Broker(once, Patience(2), Cache(clock=lambda: now[0])).access("vntana", "acme")
    access.answer()
    now[0] += 11
    access.answer()
    assert [seconds for _, seconds in once.asked] == [2, 2]


ASKS: dict[str, Callable[[Broker], Any]] = {
    "answer": lambda broker: broker.vntana("acme"),
    "answer_async": lambda broker: asyncio.run(broker.access("vntana", "acme").answer_async()),
    "status": lambda broker: broker.status("vntana", "acme"),
    "forget": lambda broker: broker.forget("vntana", "acme"),
    "verify": lambda broker: broker.verify("acme", "token"),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS.keys())
def test_each_try_has_the_time_that_is_left(ask: Callable[[Broker], Any]) -> None:
    now, left = [0.0], []

    class Failing:
        def call(self, _: Command, deadline: Deadline) -> dict[str, Any]:
            left.append(deadline.left)
            now[0] += 1
            raise Unreachable("gone", retry_after=2)

    def sleep(seconds: float) -> None:
        now[0] += seconds

    patience = Patience(10, lambda: now[0], sleep, lambda: 0.0)
    with pytest.raises(Unreachable):
        ask(Broker(Failing(), patience, Cache()))
    wait_until(lambda: now[0] == 10)
    assert left == [10, 7, 4, 1]


def test_to_forget_on_takes_no_more_time_than_patience() -> None:
    """Whatever the second of its calls hangs in."""
    now, hanging = [0.0], Hanging()

    class Slow:
        def call(self, command: Command, deadline: Deadline) -> dict[str, Any]:
            if now[0]:
                return hanging.call(command, deadline)
            now[0] = PATIENCE_SECONDS - 0.05
            return {"forgotten": 1, "complete": False}

    began = time.monotonic()
    with refused(Unreachable, "the broker did not answer in time"):
        Broker(Slow(), Patience(PATIENCE_SECONDS, lambda: now[0]), Cache()).forget("vntana", "a")
    assert time.monotonic() - began < SOON_SECONDS
    hanging.go.set()


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS.keys())
def test_whatever_is_asked_ends_with_patience(ask: Callable[[Broker], Any]) -> None:
    """However stuck the way to the broker is: in a lock, or in looking up a name."""
    hanging = Hanging()
    began = time.monotonic()
    with refused(Unreachable, "the broker did not answer in time"):
        ask(Broker(hanging, Patience(0.1), Cache()))
    assert time.monotonic() - began < SOON_SECONDS
    hanging.go.set()


class Hanging:
    """A channel whose calls end when they are let go."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def call(self, command: Command, deadline: Deadline) -> dict[str, Any]:
        """Answer, at last."""
        assert deadline
        assert self.go.wait(PATIENCE_SECONDS)
        return document(flow=command.flow)


@pytest.mark.parametrize(
    "said", [{}, {"forgotten": None}, {"valid": True}, {"valid": True, "parameters": 5}]
)
def test_what_is_no_answer_to_a_question_is_no_answer(said: dict[str, Any]) -> None:
    """It is an error of ours, not one of Python's."""

    class Saying:
        def call(self, *_: object) -> dict[str, Any]:
            return said

    broker = Broker(Saying(), Patience(20), Cache())
    with refused(Unreachable, "what answered is not the broker, or has another version") as caught:
        broker.verify("acme", "token") if "valid" in said else broker.forget("vntana", "acme")
    assert caught.value.retryable is False


def test_a_token_that_was_refused_is_no_replacement_for_itself() -> None:
    access = broker(Once(fingerprint="f" * 16)).access("vntana", "acme")
    assert access.replacement(access.answer()) is None
    assert asyncio.run(access.replacement_async(access.answer())) is None
    once = Once()
    access = broker(once).access("vntana", "acme")
    first = access.answer()
    found = access.replacement(first)
    assert once.asked[-1][0].body == {"rejected": first.fingerprint}
    assert found is not None
    assert found.generation == 2


@pytest.mark.parametrize("valid", [True, False, "true", 1, None])
def test_each_question_is_sent_as_it_is(valid: Any) -> None:
    """And only of a valid token are there parameters."""
    asked: list[Command] = []

    class Saying:
        def call(self, command: Command, _: Deadline) -> dict[str, Any]:
            asked.append(command)
            return {"valid": valid, "parameters": {"a": 1}, "forgotten": 3}

    asks = Broker(Saying(), Patience(20), Cache())
    parameters = {"a": 1} if valid is True else None
    assert asks.verify("acme", "token") == asks.verify("zero", "other", "vntana") == parameters
    assert asks.status("vendorlink", "zero")["forgotten"] == asks.forget("vntana", "acme") == 3
    assert asked == [
        Command("editor", "acme", "verify", {"token": "token"}),
        Command("vntana", "zero", "verify", {"token": "other"}),
        Command("vendorlink", "zero", "status", {}),
        Command("vntana", "acme", "forget", {}),
    ]


def test_what_is_asked_of_one_token_is_not_answered_by_another() -> None:
    """However alike the questions are, and though they are asked at the same moment."""
    together = threading.Barrier(2)

    class Saying:
        def call(self, command: Command, _: Deadline) -> dict[str, Any]:
            together.wait(PATIENCE_SECONDS)
            return {"valid": True, "parameters": dict(command.body)}

    asks = Broker(Saying(), Patience(PATIENCE_SECONDS), Cache())
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda token: asks.verify("acme", token), ("a", "b")))
    assert said == [{"token": "a"}, {"token": "b"}]


@pytest.mark.parametrize("said", [{"forgotten": 1}, {}], ids=["done", "unknown"])
def test_what_was_forgotten_is_kept_here_no_longer(said: dict[str, Any]) -> None:
    """Nor what was got meanwhile, even where it is not known whether the broker did it."""

    class Busy(Once):
        def call(self, command: Command, deadline: Deadline) -> dict[str, Any]:
            if command.action == "forget":
                asks.vntana("acme")  # by another caller
                return said
            return super().call(command, deadline)

    once = Busy()
    asks = broker(once)
    asks.vntana("acme")
    with nullcontext() if said else pytest.raises(Unreachable):
        asks.forget("vntana", "acme")
    asked = len(once.asked)
    asks.vntana("acme")
    assert len(once.asked) == asked + 1


@pytest.mark.parametrize(
    ("made", "where"),
    [
        (Broker.from_url, "https://a.execute-api.eu-west-1.amazonaws.com/prod"),
        (Broker.from_function, "token-broker"),
    ],
)
@pytest.mark.usefixtures("fake_broker")
def test_the_process_keeps_tokens_for_all_its_brokers(made: Any, where: str) -> None:
    """Two that are made alike are one."""
    one, other = made(where), made(where, patience=10)
    assert one.vendorlink("acme") is other.vendorlink("acme")
    assert one.forget("vendorlink", "acme") == 1
    assert other.vendorlink("acme").generation == 2
