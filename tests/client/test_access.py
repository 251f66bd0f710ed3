"""Access to a token: the commands to the broker, their time limits and their results."""

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

from tests.client.channels import NOW, Answering, HangingChannel, RecordingChannel, answer
from tests.client.systems import refused
from tests.waiting import PATIENCE_SECONDS, SOON_SECONDS
from token_broker_client import Broker, InvalidRequest, Unreachable
from token_broker_client.cache import Cache
from token_broker_client.deadline import Deadline, Patience
from token_broker_client.httpx_auth import HttpxBrokerAuth
from token_broker_client.request import FLOWS, Command, Flow, TokenRequest
from token_broker_client.requests_auth import BrokerAuth
from token_broker_client.transport import Reply
from token_broker_descriptors import every as descriptors

OPENAPI = Path(__file__).parents[2] / "openapi.yaml"


def broker(channel: Any, clock: Callable[[], float] = NOW.timestamp) -> Broker:
    return Broker(channel, Patience(17), Cache(clock=clock))


SCHEMAS = yaml.safe_load(OPENAPI.read_text())["components"]["schemas"]
VALUES: dict[str, Any] = {
    "min_ttl": 0,
    "rejected": "0" * 16,
    "force": True,
    "parameters": {"n": 1, "x": 1.5, "yes": True, "none": None, "deep": [{}]},
}


@pytest.mark.parametrize("flow", FLOWS)
def test_a_command_holds_only_the_arguments_that_were_given(flow: Flow) -> None:
    """Each argument alone, and all of them; sync and async; with their JSON types."""
    names = SCHEMAS[f"{flow.title()}Request"]["properties"]
    values = {field.name: field.example for field in descriptors()[flow].fields} | VALUES
    for chosen in ([], *([name] for name in names), names):
        given = {name: values[name] for name in chosen}
        conditions = {name: given.pop(name) for name in TokenRequest._fields if name in given}
        channel = RecordingChannel()
        getattr(broker(channel), flow)("zero", **given, **conditions)
        access = broker(channel).access(flow, "zero", **given)
        asyncio.run(access.answer_async(**conditions))
        command = Command(flow, "zero", "token", given | conditions)
        assert channel.calls == [(command, 17)] * 2


def test_the_repr_of_commands_and_replies_shows_no_secret() -> None:
    """A token to verify, an editor's parameters."""
    secret = {"token": "s3cret"}
    for one, shown in (
        (Command("editor", "acme", "verify", secret), "Command(editor, acme, verify)"),
        (
            broker(RecordingChannel()).access("editor", "acme", parameters=secret).key,
            "Key(editor, acme)",
        ),
        (Reply(200, secret, b"s3cret"), "Reply(200)"),
    ):
        assert repr(one) == shown


def test_an_early_refresh_of_a_live_token_is_limited_to_five_seconds() -> None:
    """A caller does not wait long for a refresh of a token that still works; it is not retried."""
    channel = RecordingChannel(refresh_after="2026-11-22T10:00:05Z")
    now = [NOW.timestamp()]
    access = broker(channel, lambda: now[0]).access("vntana", "acme")
    assert access.kept() is None
    assert access.answer().generation == 1
    assert access.kept() == access.answer()
    now[0] += 11
    assert access.kept() is None
    assert access.answer().generation == 2
    now[0] += 11
    channel.error = Unreachable("gone")
    assert access.answer().generation == 2
    assert [(command.body, left) for command, left in channel.calls] == [({}, 17), ({}, 5), ({}, 5)]
    now[0] = NOW.timestamp() + 3565
    assert access.answer().generation == 2
    now[0] += 6  # it is asked about no sooner than in ten seconds, but ends before
    assert access.kept() is None


def test_an_answer_signs_with_the_access_that_returned_it() -> None:
    """So that the signer may outlive the token of the answer."""
    found = answer()
    requests, httpx = found.auth(), found.httpx_auth()
    assert isinstance(requests, BrokerAuth)
    assert isinstance(httpx, HttpxBrokerAuth)
    assert requests._access is httpx._access is found.access
    assert found.access.auth() is not requests


def test_access_url_joins_base_url_and_path_with_one_slash() -> None:
    """Whether or not the path begins with a slash."""
    access = broker(RecordingChannel(base_url="https://vendor.example/XX/")).access(
        "vntana", "acme"
    )
    assert access.url("/XX") == access.url("XX") == "https://vendor.example/XX/XX"


@pytest.mark.parametrize(
    ("options", "seconds"), [({}, 300), ({"max_age": 60}, 60), ({"max_age": 2}, 2)]
)
def test_max_age_limits_how_long_a_token_is_cached(options: Any, seconds: int) -> None:
    """The default is five minutes."""
    now = [0.0]
    cache = Cache(clock=lambda: NOW.timestamp() + now[0])
    asks = Broker(RecordingChannel(), Patience(20), cache, **options)
    generations = []
    for now[0] in (0, seconds - 1, seconds):
        generations.append(asks.vntana("acme").generation)
    assert generations == [1, 1, 2]


ASKS: dict[str, Callable[[Broker], Any]] = {
    "answer": lambda broker: broker.vntana("acme"),
    "answer_async": lambda broker: asyncio.run(broker.access("vntana", "acme").answer_async()),
    "status": lambda broker: broker.status("vntana", "acme"),
    "forget": lambda broker: broker.forget("vntana", "acme"),
    "verify": lambda broker: broker.verify("acme", "token"),
}


def test_repeated_forget_calls_end_with_patience() -> None:
    """Also if the second call hangs."""
    now, hanging = [0.0], HangingChannel()

    def slow(command: Command, deadline: Deadline) -> dict[str, Any]:
        if now[0]:
            return hanging.call(command, deadline)
        now[0] = PATIENCE_SECONDS - 0.05
        return {"forgotten": 1, "complete": False}

    patience = Patience(PATIENCE_SECONDS, lambda: now[0])
    began = time.monotonic()
    with refused(Unreachable, "the broker did not answer in time"):
        Broker(Answering(slow), patience, Cache()).forget("vntana", "a")
    assert time.monotonic() - began < SOON_SECONDS
    hanging.go.set()


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS.keys())
def test_each_method_ends_with_patience_if_the_call_hangs(ask: Callable[[Broker], Any]) -> None:
    """For example in a lock, or in a look-up of a host name."""
    hanging = HangingChannel()
    began = time.monotonic()
    with refused(Unreachable, "the broker did not answer in time"):
        ask(Broker(hanging, Patience(0.1), Cache()))
    assert time.monotonic() - began < SOON_SECONDS
    hanging.go.set()


@pytest.mark.parametrize(
    "response", [{}, {"forgotten": None}, {"valid": True}, {"valid": True, "parameters": 5}]
)
def test_an_invalid_answer_to_forget_or_verify_is_unreachable(response: dict[str, Any]) -> None:
    """Not an exception of Python's, such as KeyError."""
    broker = Broker(Answering(lambda *_: response), Patience(20), Cache())
    with refused(Unreachable, "what answered is not the broker, or has another version") as caught:
        broker.verify("acme", "token") if "valid" in response else broker.forget("vntana", "acme")
    assert caught.value.retryable is False


@pytest.mark.parametrize("valid", [True, False, "true", 1, None])
def test_verify_status_and_forget_send_their_commands(
    valid: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verify returns parameters only for a valid token, and sends one of no other flow."""
    commands: list[Command] = []

    def call(command: Command, _: Deadline) -> dict[str, Any]:
        commands.append(command)
        return {"valid": valid, "parameters": {"a": 1}, "forgotten": 3}

    asks = Broker(Answering(call), Patience(20), Cache())
    monkeypatch.setattr("token_broker_client.broker.VERIFYING", ("editor", "vntana"))
    with refused(InvalidRequest, "flow: must be one of editor, vntana"):
        asks.verify("zero", "other", "vendorlink")
    assert commands == []
    parameters = {"a": 1} if valid is True else None
    assert asks.verify("acme", "token") == asks.verify("zero", "other", "vntana") == parameters
    assert asks.status("vendorlink", "zero")["forgotten"] == asks.forget("vntana", "acme") == 3
    assert commands == [
        Command("editor", "acme", "verify", {"token": "token"}),
        Command("vntana", "zero", "verify", {"token": "other"}),
        Command("vendorlink", "zero", "status", {}),
        Command("vntana", "acme", "forget", {}),
    ]


def test_concurrent_verify_calls_of_two_tokens_get_their_own_answers() -> None:
    """Both calls are in flight at the same time."""
    together = threading.Barrier(2)

    def call(command: Command, _: Deadline) -> dict[str, Any]:
        together.wait(PATIENCE_SECONDS)
        return {"valid": True, "parameters": dict(command.body)}

    asks = Broker(Answering(call), Patience(PATIENCE_SECONDS), Cache())
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda token: asks.verify("acme", token), ("a", "b")))
    assert results == [{"token": "a"}, {"token": "b"}]


@pytest.mark.parametrize("response", [{"forgotten": 1}, {}], ids=["done", "unknown"])
def test_forget_clears_the_local_cache(response: dict[str, Any]) -> None:
    """Also of a token that was fetched meanwhile, and if the answer of the broker is invalid."""
    channel = RecordingChannel()

    def call(command: Command, deadline: Deadline) -> dict[str, Any]:
        if command.action == "forget":
            asks.vntana("acme")  # by another caller
            return response
        return channel.call(command, deadline)

    asks = broker(Answering(call))
    asks.vntana("acme")
    with nullcontext() if response else pytest.raises(Unreachable):
        asks.forget("vntana", "acme")
    before = len(channel.calls)
    asks.vntana("acme")
    assert len(channel.calls) == before + 1


@pytest.mark.parametrize(
    ("made", "where"),
    [
        (Broker.from_url, "https://a.execute-api.eu-west-1.amazonaws.com/prod"),
        (Broker.from_function, "token-broker"),
    ],
)
@pytest.mark.usefixtures("fake_broker")
def test_brokers_of_one_process_share_a_cache(made: Any, where: str) -> None:
    """Two brokers with different patience have the same answers."""
    one, other = made(where), made(where, patience=10)
    assert one.vendorlink("acme") is other.vendorlink("acme")
    assert one.forget("vendorlink", "acme") == 1
    assert other.vendorlink("acme").generation == 2
