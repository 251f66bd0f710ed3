"""The broker over the fakes, for tests of its users: one fixture, without AWS."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.client.systems import tries
from tests.waiting import wait_until
from token_broker_client import (
    Broker,
    CredentialLatched,
    CredentialRejected,
    InvalidRequest,
    TooManyRequests,
    UnknownConnection,
    UpstreamUnavailable,
    refusals,
)
from token_broker_client.cache import Cache
from token_broker_client.request import FLOWS
from token_broker_fakes import FakeEditor, FakeVendorlink
from token_broker_fakes.broker import over


def test_each_flow_hands_out_tokens(fake_broker: Broker) -> None:
    """The same one twice, for both connections."""
    for name in ("acme", "demo"):
        for flow in FLOWS:
            ask = getattr(fake_broker, flow)
            first, second = ask(name), ask(name, min_ttl=60)
            assert first.fingerprint == second.fingerprint
            assert first.source == "exchange"


def test_another_broker_is_the_fake_one(fake_broker: Broker) -> None:
    """Code that creates its own, without AWS credentials, is tested unchanged."""
    other, fake = Broker.from_function("prod").vendorlink("acme"), fake_broker.vendorlink("acme")
    assert other.fingerprint == fake.fingerprint


def test_the_fake_broker_raises_the_errors_of_the_broker(
    fake_broker: Broker, fake_secrets: Any, fake_vendorlink: FakeVendorlink
) -> None:
    hasty = Broker(fake_broker._channel, tries(1))
    with pytest.raises(UnknownConnection):
        fake_broker.vntana("nobody")
    with pytest.raises(InvalidRequest, match="min_ttl"):
        fake_broker.vntana("acme", min_ttl=-1)
    fake_broker.vntana("acme", force=True)
    with pytest.raises(TooManyRequests):
        hasty.vntana("acme", force=True)
    fake_secrets["vendorlink", "wrong"] = fake_secrets["vendorlink", "acme"] | {"password": "no"}
    for error in (CredentialRejected, CredentialLatched):
        with pytest.raises(error):
            fake_broker.vendorlink("wrong")
    fake_vendorlink.fail("status", times=None, status=503)
    with pytest.raises(UpstreamUnavailable):
        hasty.vendorlink("acme")


def test_a_changed_secret_is_used_by_the_next_call(fake_broker: Broker, fake_secrets: Any) -> None:
    right = fake_secrets["vendorlink", "acme"]
    fake_secrets["vendorlink", "own"] = right | {"password": "no"}
    with pytest.raises(CredentialRejected):
        fake_broker.vendorlink("own")
    fake_secrets["vendorlink", "own"] = right
    assert fake_broker.vendorlink("own").generation == 1
    fake_secrets["vendorlink", "own"] = right | {"options": {}}
    assert Broker(fake_broker._channel, cache=Cache()).vendorlink("own").generation == 2


def test_a_secret_that_was_read_refuses_a_change_that_the_broker_would_not_see(
    fake_broker: Broker, fake_secrets: Any
) -> None:
    """It is changed as a whole. What was given to it, or read of it, is a copy."""
    place, given = ("vendorlink", "own"), dict(fake_secrets["vendorlink", "acme"])
    fake_secrets[place] = given
    given["password"] = "no"
    for change in ("update", "setdefault", "pop", "__setitem__"):
        with pytest.raises(TypeError, match="a secret is changed as a whole"):
            getattr(fake_secrets[place], change)("password", "no")
    fake_secrets[place]["allowed_hosts"].clear()
    assert fake_secrets[place] == fake_secrets["vendorlink", "acme"]
    assert fake_broker.vendorlink("own").generation == 1
    fake_secrets[place] |= {"password": "no"}
    assert fake_secrets[place]["password"] == "no"
    with pytest.raises(CredentialLatched):  # the rotation has tried it
        Broker(fake_broker._channel, cache=Cache()).vendorlink("own", force=True)


def test_status_forget_and_verify_work(fake_broker: Broker, fake_editor: FakeEditor) -> None:
    """Forty variants, which are more than a page of the table."""
    for number in range(40):
        fake_broker.editor("acme", parameters={"userId": str(number), "file": "a.dwg"})
    assert len(fake_broker.status("editor", "acme")["variants"]) == 40
    assert fake_broker.forget("editor", "acme") == 40
    token = fake_broker.editor("acme").headers["x-api-token"]
    parameters = fake_broker.verify("acme", token)
    assert parameters is not None
    assert parameters["userId"] == "demo-user"
    assert fake_editor.log.unknown == []


def test_its_connections_end_with_it(
    fake_secrets: Any, fake_vendorlink: FakeVendorlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suite has thousands of tests."""
    broker, handlers = over(fake_secrets, monkeypatch)
    broker.vendorlink("acme")
    connections = fake_vendorlink.servers[0].connections
    assert connections
    handlers.close()
    wait_until(lambda: not connections)


def test_functions_may_be_invoked_at_the_same_time(fake_broker: Broker) -> None:
    """Each invocation runs once, whatever other one begins meanwhile."""
    handlers: Any = fake_broker._channel

    class Later(list[threading.Thread]):
        def append(self, one: threading.Thread) -> None:
            super().append(one)
            if len(self) == 1:
                handlers.invoke(FunctionName="f-editor", Payload='{"connection": "acme"}')

    handlers._later = Later()
    handlers.invoke(FunctionName="f-vntana", Payload='{"connection": "acme"}')
    assert len(handlers._later) == 2
    handlers._wait()
    assert fake_broker.status("vntana", "acme")["variants"]
    assert fake_broker.status("editor", "acme")["variants"]


def test_refused_requests_of_another_test_are_dropped(
    fake_secrets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its vendor may have had the same address."""
    refusal: list[Any] = [("key", "GET", "http://127.0.0.1:1/v1/products")]
    refusals.SHARED.add(refusal)
    assert refusals.SHARED.has(refusal)
    over(fake_secrets, monkeypatch)[1].close()
    assert not refusals.SHARED.has(refusal)


PLUGIN = "token_broker_fakes.pytest_plugin"
USERS = """
import sys
for name in ("moto", "flask", "httpx", "anyio", "typer", "rich", "hypothesis"):
    sys.modules[name] = None
"""
TEST = """
import os
from token_broker_client import Broker
from token_broker_client.cache import SHARED

broker = Broker.from_url("https://abc.execute-api.eu-west-1.amazonaws.com/prod")

def test_one(fake_broker, fake_vendorlink):
    assert broker.vendorlink("acme").generation == 1
    assert len(fake_vendorlink.log.of("login")) == 1

test_two = test_one

def test_nothing_is_left():
    assert "TOKEN_BROKER_URL" not in os.environ
    assert len(SHARED) == 0
"""


def test_the_extra_fakes_is_sufficient(tmp_path: Path) -> None:
    """Without AWS credentials; tests are isolated from each other."""
    (tmp_path / "conftest.py").write_text(USERS)
    (tmp_path / "test_it.py").write_text(TEST)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-s", "-p", PLUGIN],
        cwd=tmp_path,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed" in ended.stdout, ended.stdout + ended.stderr
    assert "Logging error" not in ended.stderr
