"""The controls of `/_dashboard`, which pages of other origins cannot use."""

import json
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import pytest

from tests.subjects import CHECKED
from token_broker_fakes import registry
from token_broker_fakes.fake import Fake
from token_broker_local import controls, routes
from token_broker_local.addresses import FLOWS
from token_broker_local.controls import ACTIONS, RESPONSE_MEMBERS, STATE_MEMBERS, Controls
from token_broker_local.dashboard import CALL, FILES, MAX_COMMAND_BYTES, SWITCH, Dashboard
from token_broker_local.gateway import INTEGRATION_TIMEOUT, Gateway
from token_broker_local.messages import GatewayError, HttpRequest, HttpResponse
from token_broker_local.metrics import Metrics

FLOW = FLOWS[0]
HOST = "127.0.0.1:8080"
JSON = "application/json"
NOWHERE = "http://127.0.0.1:1"
"""An API that does not answer: no server listens on port 1."""
OWN = {"Host": HOST, "Origin": f"http://{HOST}", "Content-Type": JSON}
"""The headers by which the page itself posts."""
OUTAGE = {"kind": "status", "status": 503, "times": None}
COMMAND = {"flow": FLOW, "switch": {"faults": [OUTAGE]}}


@pytest.fixture(scope="module")
def served() -> Iterator[Fake[Any]]:
    fake = registry.new(FLOW)
    with fake.serve():
        yield fake


@pytest.fixture
def fake(served: Fake[Any]) -> Fake[Any]:
    served.heal()
    return served


def posted(
    fake: Fake[Any],
    command: object = COMMAND,
    headers: Mapping[str, str] = OWN,
    *more: tuple[str, str],
    method: str = "POST",
    path: str = SWITCH,
) -> HttpResponse:
    """Return the response to a POST of the page, while the fake of the first flow is served."""
    page = Dashboard(Metrics(), list, controls=Controls(NOWHERE, {FLOW: fake.url}))
    body = command if isinstance(command, bytes) else json.dumps(command).encode()
    sent = HttpRequest(method, path, "", [*headers.items(), *more], body)
    return Gateway({}, dashboard=page).answer(sent)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": f"{JSON}; charset=utf-8", "Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost:9", "Origin": "http://localhost:9"},
    ],
)
def test_a_request_of_the_page_switches_a_fake(fake: Fake[Any], headers: Mapping[str, str]) -> None:
    """From each origin of this machine that serves the page."""
    assert posted(fake, headers={**OWN, **headers}).status == 200
    assert [fault.status for fault in fake.faults.set] == [503]
    assert posted(fake, {"flow": FLOW, "switch": {}, "reset": "no"}).status == 200
    assert fake.faults.set
    assert posted(fake, {"flow": FLOW, "switch": {}, "reset": True}).status == 200
    assert not fake.faults.set


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *(("Origin", values) for values in ([], ["null"], ["http://evil.example"])),
        ("Origin", ["http://127.0.0.1:8081"]),
        ("Origin", ["http://localhost:8080"]),
        ("Origin", [f"https://{HOST}"]),
        ("Origin", [f"http://{HOST}.evil.example"]),
        ("Origin", [f"http://{HOST}"] * 2),
        *(("Content-Type", values) for values in ([], ["text/plain"], [JSON, "text/plain"])),
        ("Content-Type", [f"text/plain; {JSON}"]),
        *(("Sec-Fetch-Site", [site]) for site in ("cross-site", "same-site", "none")),
        ("Sec-Fetch-Site", ["same-origin", "cross-site"]),
        *(("Host", values) for values in ([], ["evil.example"])),
    ],
)
@pytest.mark.parametrize("path", [CALL, SWITCH])
def test_a_request_of_another_origin_is_refused(
    fake: Fake[Any], path: str, name: str, values: list[str]
) -> None:
    """Another port of this machine is another origin, too. A repeated header is ambiguous."""
    headers = {key: value for key, value in OWN.items() if key != name}
    more = [(name, value) for value in values]
    assert posted(fake, COMMAND, headers, *more, path=path).status == 403
    assert not fake.faults.set


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", [CALL, SWITCH])
def test_only_post_changes_something(fake: Fake[Any], path: str, method: str) -> None:
    """A CORS preflight is not granted."""
    answer = posted(fake, path=path, method=method)
    assert answer.status == 405
    assert not any(name.lower().startswith("access-control") for name, _ in answer.headers)
    assert not fake.faults.set


@pytest.mark.parametrize(
    ("path", "command"),
    [
        *((path, command) for path in (CALL, SWITCH) for command in (b"", b"[1]", b"{", b"{}")),
        (SWITCH, json.dumps(COMMAND).encode() + b" " * MAX_COMMAND_BYTES),
        (SWITCH, {"flow": "nobody", "switch": {}}),
        (SWITCH, {"flow": [], "switch": {}}),
        (SWITCH, {"flow": FLOW, "switch": []}),
        (CALL, {"flow": FLOW, "connection": "demo", "action": "rotate"}),
        (CALL, {"flow": FLOW, "connection": "demo", "action": []}),
        (CALL, {"flow": "nobody", "connection": "demo", "action": "token"}),
        *(
            (CALL, {"flow": FLOW, "connection": name, "action": "token"})
            for name in ("../demo", "demo/../other", "demo?x", "demo\n", "Demo", "")
        ),
        (CALL, {"flow": FLOW, "action": "token"}),
    ],
)
def test_an_invalid_command_is_refused(fake: Fake[Any], path: str, command: Any) -> None:
    """Before any request to the API."""
    assert posted(fake, command, path=path).status == 400
    assert not fake.faults.set


def test_the_error_of_the_fake_is_passed_on(fake: Fake[Any]) -> None:
    result = json.loads(posted(fake, {"flow": FLOW, "switch": {"modes": {"x": 1}}}).body)
    assert result["status"] == 400
    assert "there is no mode 'x'" in result["error"]


def test_an_unreachable_api_is_a_502(fake: Fake[Any]) -> None:
    """So is one that ends its response early; here a fake stands for it."""
    command = {"flow": FLOW, "connection": "demo", "action": "token"}
    assert posted(fake, command, path=CALL).status == 502
    fake.fail("cut")
    with pytest.raises(GatewayError, match="No response"):
        Controls(fake.url, {}).call(command)


def test_an_unreachable_fake_is_listed_with_its_error(fake: Fake[Any]) -> None:
    """The other fakes are listed with their switches alone."""
    gone, there = Controls(NOWHERE, {"gone": NOWHERE, FLOW: fake.url}).states()
    assert gone.keys() == {"flow", "error"}
    assert there.keys() == {"flow", "kinds", *STATE_MEMBERS}


@pytest.mark.parametrize("path", [CALL, SWITCH])
def test_without_controls_the_page_is_read_only(path: str) -> None:
    page = Dashboard(Metrics(), list)
    sent = HttpRequest("POST", path, "", [*OWN.items()], json.dumps(COMMAND).encode())
    assert Gateway({}, dashboard=page).answer(sent).status == 405
    assert (page.content(None)["actions"], page.content(None)["fakes"]) == ({}, [])


def test_each_flow_offers_the_actions_that_have_a_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow without a check has no button for it."""
    unchecked = [action for action in ACTIONS if action != "check"]
    assert Controls(NOWHERE, {}).actions() == {
        flow: [*ACTIONS] if flow in CHECKED else unchecked for flow in FLOWS
    }
    checks = [one for one in routes.ROUTES if one.resource.endswith("/check")]
    rest = [one for one in routes.ROUTES if one.flow != FLOW or one not in checks]
    monkeypatch.setattr(controls, "ROUTES", rest)
    actions = Controls(NOWHERE, {}).actions()
    assert {flow for flow in CHECKED if "check" not in actions[flow]} == {FLOW}


def test_a_response_is_shown_without_its_token() -> None:
    assert not {"headers", "url", "base_url", "context"} & {*RESPONSE_MEMBERS}
    body = {"headers": {"Authorization": "Bearer t0ken"}, "url": "x?token=t0ken", "generation": 1}
    assert controls.selected(body, RESPONSE_MEMBERS) == {"generation": 1}
    assert controls.selected(["t0ken"], RESPONSE_MEMBERS) == {}


@pytest.mark.parametrize("name", [name for name, _ in FILES.values()])
def test_the_page_contains_no_flow_name(name: str) -> None:
    text = resources.files("token_broker_local").joinpath(name).read_text("utf-8")
    assert not [flow for flow in FLOWS if flow in text.lower()]


def test_the_page_waits_as_long_as_the_gateway_for_a_function() -> None:
    assert controls.TIMEOUT_SECONDS > INTEGRATION_TIMEOUT
