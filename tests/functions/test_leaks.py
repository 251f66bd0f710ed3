"""Secrets and tokens appear only where they belong: searched for in every encoding."""

import json
import logging
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functions.canaries import forms, traces
from tests.functions.leaks import LEAKS, Leak
from tests.functions.watching import CANARIES, Watch
from tests.functions.world import World
from tests.subjects import canaries
from token_broker.exchange import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

CHATTY = ("", "botocore", "urllib3", "requests", "boto3")


@pytest.fixture
def loud(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> pytest.LogCaptureFixture:
    """Let every library log at DEBUG, and Powertools with its debug variables."""
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "DEBUG")
    monkeypatch.setenv("POWERTOOLS_LOGGER_LOG_EVENT", "true")
    for name in CHATTY:
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


DETAILS: dict[str, dict[str, Any]] = {"status": {"status": 503}}
NO_KEY = dict.fromkeys(("Encrypt", "Decrypt"), ("400 Bad", "NotFoundException"))
NO_TABLE = {"UpdateItem": ("400 Bad", "AccessDeniedException")}

ACTIONS = ("status", "forget", "renew", "rotate", "probe")
OTHERS = ("token", "force", "report", "verify", "nonsense", "wrong", "right", "age", "cold")
TROUBLES = ("fault", "no key", "no table", "heal")
STEPS = st.lists(st.sampled_from((*ACTIONS, *OTHERS, *TROUBLES)), min_size=2, max_size=6)


@pytest.mark.parametrize("flow", list(CANARIES))
@settings(
    max_examples=max(4, settings().max_examples // 25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, fault=st.sampled_from(["status", "html", "cut", "drop", "echo"]))
def test_no_secret_is_written_to_log_table_or_response(
    world: World,
    loud: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    *,
    flow: str,
    steps: list[str],
    fault: str,
) -> None:
    """For random sequences of calls, with every library at DEBUG."""
    watch = Watch(world, flow)
    for step in steps:
        take(watch, step, fault)
    heal(watch)
    written = capfd.readouterr()
    assert watch.found(written.out, written.err, loud.text) == []


def take(watch: Watch, step: str, fault: str) -> None:
    """Let one thing happen."""
    world, flow = watch.world, watch.flow
    token = next(iter(watch.tokens), "a-token-of-nobody")
    acts: dict[str, Callable[[], object]] = {
        "token": watch.call,
        "force": lambda: watch.call(force=True),
        "report": lambda: watch.call(rejected=watch.fingerprint or "0" * 16),
        "verify": lambda: watch.call(action="verify", token=token),
        "nonsense": lambda: watch.call(min_ttl=token, rejected=token, force=token),
        "fault": lambda: break_vendor(watch, fault),
        "no key": lambda: world.aws.broken.update(NO_KEY),
        "no table": lambda: world.aws.broken.update(NO_TABLE),
        "heal": lambda: heal(watch),
        "age": lambda: world.advance(3300),
        "cold": world.service(flow).deps.cache.clear,
        "wrong": lambda: watch.rotate(tail="x"),
        "right": watch.rotate,
    }
    acts.get(step, lambda: watch.call(action=step))()


def break_vendor(watch: Watch, fault: Any) -> None:
    """Let the vendor fail, or refuse a request with a message that quotes it."""
    if fault != "echo":
        watch.world.fakes[watch.flow].fail(fault, times=2, **DETAILS.get(fault, {}))
        return
    watch.world.use(watch.flow, send=lambda request, _: echo(request))


def echo(request: Request) -> Response:
    """Return a refusal that quotes all of *request*: plain, and as a URL has it."""
    sent = [*request.headers.values(), *texts(request.json)]
    quoted = " ".join([*sent, *(quote(text, safe="") for text in sent)])
    return Response(403, {}, json.dumps({"message": f"no {quoted}!"}).encode())


def texts(value: object) -> list[str]:
    """Return the texts of a JSON value."""
    if isinstance(value, dict):
        return [text for member in value.values() for text in texts(member)]
    return [value] if isinstance(value, str) else []


def heal(watch: Watch) -> None:
    """Let vendor and AWS work again."""
    watch.world.use(watch.flow, send=watch.send)
    watch.world.fakes[watch.flow].heal()
    watch.world.aws.broken.clear()


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.name)
def test_a_planted_leak_is_found(
    world: World,
    loud: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    leak: Leak,
) -> None:
    """A program that leaks one secret does not pass the search."""
    watch = Watch(world, leak.flow)
    leak.plant(monkeypatch)
    for step in leak.steps:
        take(watch, step, leak.fault)
    heal(watch)
    written = capfd.readouterr()
    assert watch.found(written.out, written.err, loud.text)


@pytest.mark.parametrize("secret", ["Qx7~vnt/PAT+canary==", "abcdefghij", 'a"b\\c/d+e f'])
def test_the_search_finds_a_secret_in_every_encoding(secret: str) -> None:
    """Each encoding is found within other text; other text is not."""
    for form in forms(secret):
        assert traces([secret], b"before " + form + b" after")
    assert traces([secret], b"nothing of the kind is said here, at any length") == []


def test_the_search_finds_basic_credentials() -> None:
    """RFC 6749 (2.3.1) has both parts encoded as in a form before base64 is made of them."""
    canary = canaries("vendorlink")["password"]
    pair = f"{quote_plus('a user')}:{quote_plus(canary)}"
    header = b"Basic " + b64encode(pair.encode())
    assert traces([canary], header) == [canary[:4]]
