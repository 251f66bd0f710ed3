"""No secret and no token is written anywhere but where it belongs: searched for, in every form."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functions.canaries import forms, traces
from tests.functions.world import World
from token_broker.exchange import Request, Response
from token_broker_fakes.vendorlink.sessions import User
from token_broker_local.places import TABLE

CANARIES = {
    "vntana": {"personal_access_token": "Qx7~vnt/PAT+canary=="},
    "vendorlink": {"username": "Zk9~user/canary", "password": 'Wj4"pass\\word/canary+'},
    "editor": {"api_key": "Hf3~key/canary=="},
}
SESSION = "Vb8~session/canary&x=1"
"""An editor's parameter, of those that are secret themselves: sessionId."""

CHATTY = ("", "botocore", "urllib3", "requests", "boto3")


@pytest.fixture
def loud(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Let every library say whatever it can."""
    for name in CHATTY:
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


class Watch:
    """Everything that was written, said or answered, but for tokens that callers were given."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.said: list[str] = []
        self.tokens: set[str] = set()
        self.calls = 0

    def call(self, flow: str, connection: str, **payload: Any) -> None:
        """Call by both entrances, and keep what is answered."""
        body = {name: value for name, value in payload.items() if name != "action"}
        self.calls += 1
        if "action" not in payload and self.calls % 2:
            self._keep(self.world.http(flow, connection, body))
            return
        try:
            self._keep({"body": self.world.call(flow, connection, **payload)})
        except Exception as error:  # noqa: BLE001 (whatever a caller sees of it)
            self.said.extend(chain(error))

    def _keep(self, response: dict[str, Any]) -> None:
        body = response["body"]
        for value in body.pop("headers", {}).values():
            self.tokens.add(value.removeprefix("Bearer "))
        body.pop("url", None)
        self.said.append(json.dumps(response))

    def everything(self, *more: str) -> bytes:
        """Return all of it, with the table's items and the events on the bus."""
        items = boto3.client("dynamodb").scan(TableName=TABLE)["Items"]
        told = [repr(items), repr(self.world.announced), repr(self.world.invoked)]
        return "\n".join([*self.said, *told, *more]).encode()


def chain(error: BaseException | None) -> Iterator[str]:
    """Yield what an error and those behind it say, the locals of their frames included."""
    while error:
        yield repr(error) + str(error)
        trace = error.__traceback__
        while trace:
            if "/token_broker/" in trace.tb_frame.f_code.co_filename:
                yield repr({k: v for k, v in trace.tb_frame.f_locals.items() if k != "event"})
            trace = trace.tb_next
        error = error.__cause__ or error.__context__


def secrets_of(watch: Watch) -> list[str]:
    """Return every secret that was there to be leaked."""
    passwords = [value for secret in CANARIES.values() for value in secret.values()]
    return [*passwords, SESSION, *watch.tokens]


STEPS = st.lists(
    st.sampled_from(
        ["token", "force", "status", "forget", "fault", "heal", "wrong", "right", "age"]
    ),
    min_size=2,
    max_size=5,
)


@pytest.mark.parametrize("flow", list(CANARIES))
@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, fault=st.sampled_from(["status", "html", "cut", "drop"]))
def test_no_secret_is_written_anywhere(
    world: World,
    loud: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    *,
    flow: str,
    steps: list[str],
    fault: str,
) -> None:
    """Whatever is called in whatever order, with every library at DEBUG."""
    watch = Watch(world)
    world.service(
        flow
    )  # from here on nothing chatty is let through, of the test's own calls either
    prepare(world, flow)
    connection = world.connect(flow, **CANARIES[flow])
    fake = getattr(world, flow)
    more: dict[str, Any] = {"parameters": {"userId": "1", "sessionId": SESSION}}
    for step in steps:
        match step:
            case "token" | "force":
                extra = more if flow == "editor" else {}
                watch.call(
                    flow, connection, **extra, **({"force": True} if step == "force" else {})
                )
            case "status" | "forget":
                watch.call(flow, connection, action=step)
            case "fault":
                details = {"status": 503} if fault == "status" else {}
                fake.fail(fault, times=2, **details)
            case "heal":
                fake.heal()
            case "age":
                world.advance(3300)
            case "wrong" | "right":
                changes = dict(CANARIES[flow])
                last = list(changes)[-1]
                changes[last] += "x" if step == "wrong" else ""
                world.put_secret(flow, connection, world.secret(flow) | changes)
    fake.heal()
    written = capfd.readouterr()
    assert traces(secrets_of(watch), watch.everything(written.out, written.err, loud.text)) == []


def prepare(world: World, flow: str) -> None:
    """Let the vendor of *flow* know the canary credentials."""
    canary = CANARIES[flow]
    if flow == "vntana":
        world.vntana.accounts[0] = replace(
            world.vntana.accounts[0], key=canary["personal_access_token"]
        )
    elif flow == "vendorlink":
        world.vendorlink.users.append(User(canary["username"], canary["password"]))
    else:
        world.editor.keys[canary["api_key"]] = "canary"


def test_a_leak_of_one_header_is_found(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """The search bites: a program that logs one header does not pass it."""
    watch = Watch(world)
    connection = world.connect("vntana")
    service = world.service("vntana")
    send = service.tools.send

    def leaking(request: Request, seconds: float) -> Response:
        response = send(request, seconds)
        token = response.headers.get("x-auth-token", "")
        service.tools.note("upstream", step=token[2:40], status=200, milliseconds=1)
        watch.tokens.add(token[2:40])
        return response

    service.use(replace(service.tools, send=leaking))
    watch.call("vntana", connection)
    assert traces(watch.tokens, watch.everything(capfd.readouterr().out))


@pytest.mark.parametrize("secret", ["Qx7~vnt/PAT+canary==", "abcdefghij", 'a"b\\c/d+e f'])
def test_the_search_knows_a_secret_in_every_form(secret: str) -> None:
    """Each form, in the midst of other text, is found; other text is not."""
    for form in forms(secret):
        assert traces([secret], b"before " + form + b" after")
    assert traces([secret], b"nothing of the kind is said here, at any length") == []
