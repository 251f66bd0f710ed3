"""The control endpoint of a served fake, for use with curl."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.unit.fakes.entrances import ByHttp, by_call
from tests.unit.fakes.vntana_client import NOW, Client, client
from token_broker_fakes.control import control

Endpoint = Callable[..., tuple[int, Any]]


@pytest.fixture
def visitor() -> Iterator[Client]:
    """A client of a served fake."""
    with closing(ByHttp()) as by_http:
        yield client(by_http)


@pytest.fixture
def endpoint(visitor: Client) -> Endpoint:
    """A call to the control endpoint of the same fake."""
    assert isinstance(visitor.ask, ByHttp)
    connection = visitor.ask.connection(visitor.fake)

    def call(method: str, path: str = "/_control", body: Any = None) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, None if body is None else content)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    return call


def test_get_shows_modes_faults_counts_and_tokens(visitor: Client, endpoint: Endpoint) -> None:
    """Modes with their choices, faults, steps, counts, and the live tokens."""
    visitor.fake.fail("drop", step="logout", times=None)
    token = visitor.login_token()
    visitor.call("GET", "/v1/clients")
    status, shown = endpoint("GET")
    assert status == 200
    assert (shown["vendor"], shown["now"], shown["clock_offset"]) == ("vntana", NOW, 0)
    assert shown["modes"]["dead_token"]["choices"] == ["403", "401", "403_bad_credentials"]
    assert shown["faults"][0]["kind"] == "drop"
    assert "enter workspace" in shown["steps"]
    assert shown["counts"] == {"login": 1, "unknown": 1}
    assert shown["unknown"] == ["GET /v1/clients"]
    assert shown["state"]["tokens"][0]["token"] == token
    assert len(visitor.fake.log) == 2, "looking is not logged"


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_patch_keeps_what_the_body_does_not_name_and_put_resets_it(
    visitor: Client, endpoint: Endpoint, method: str
) -> None:
    """Modes, faults and clock; by either, tokens stay valid."""
    token = visitor.organization_token()
    visitor.fake.modes.dead_token = "401"
    visitor.fake.fail("status", step="logout")
    visitor.fake.advance(5)
    shown = endpoint(method, body={"modes": {"grid": "empty"}})[1]
    assert shown["modes"]["grid"]["value"] == "empty"
    found = shown["modes"]["dead_token"]["value"], len(shown["faults"]), shown["clock_offset"]
    assert found == (("401", 1, 5) if method == "PATCH" else ("403", 0, 0))
    assert visitor.current(token).is_success


def test_faults_of_the_body_replace_the_current_ones(visitor: Client, endpoint: Endpoint) -> None:
    """An empty list removes all."""
    endpoint("PATCH", body={"faults": [{"kind": "status", "step": "login", "times": None}]})
    assert [visitor.login().status for _ in range(2)] == [503, 503]
    endpoint("PATCH", body={"faults": []})
    assert visitor.login().is_success


def test_the_clock_is_moved_and_tokens_are_revoked(visitor: Client, endpoint: Endpoint) -> None:
    """``clock_offset`` is absolute, ``advance`` is relative."""
    token = visitor.organization_token()
    endpoint("PATCH", body={"advance": 86_400})
    assert endpoint("PATCH", body={"advance": 29 * 86_400})[1]["clock_offset"] == 30 * 86_400
    assert visitor.current(token).status == 403
    endpoint("PATCH", body={"clock_offset": 0})
    assert visitor.current(token).is_success
    endpoint("PATCH", body={"revoke": True})
    assert visitor.current(token).status == 403


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"no json", "the body is not JSON"),
        ([], "the body is not an object"),
        ({"mode": {}}, "unknown: mode; known: advance, clock_offset, faults, modes, revoke"),
        ({"modes": []}, "modes is a JSON object"),
        ({"modes": {"a": "b"}}, "there is no mode 'a'"),
        ({"faults": {}}, "faults is a list"),
        ({"faults": ["drop"]}, "a fault is an object"),
        ({"faults": [{"step": "login"}]}, "a fault has a kind and may have: kind, step"),
        ({"faults": [{"kind": "drop", "step": "logn"}]}, "there is no step 'logn'"),
        ({"clock_offset": "1"}, "clock_offset is a number of seconds"),
        ({"advance": True}, "advance is a number of seconds"),
        (b'{"advance": Infinity}', "a clock is moved by a century at most"),
        ({"advance": 10**400}, "a clock is moved by a century at most"),
        ({"clock_offset": 10**400}, "a clock is moved by a century at most"),
        ({"clock_offset": -1e10}, "a clock is moved by a century at most"),
        ({"revoke": 1}, "revoke is a truth value"),
    ],
)
def test_an_invalid_body_is_explained_and_changes_nothing(
    visitor: Client, endpoint: Endpoint, body: Any, message: str
) -> None:
    """Also the valid members of the body change nothing."""
    visitor.fake.modes.dead_token = "401"
    visitor.organization_token()
    if isinstance(body, dict):
        others = {"modes": {"grid": "empty"}, "faults": [{"kind": "drop"}]}
        body = others | {"advance": 5, "revoke": True} | body
    before = endpoint("GET")
    for method in ("PATCH", "PUT"):
        status, answer = endpoint(method, body=body)
        assert status == 400
        assert message in answer["error"]
    assert endpoint("GET") == before


def test_the_log_has_raw_headers_and_masked_bodies(visitor: Client, endpoint: Endpoint) -> None:
    """It can be limited to the last entries, and deleted."""
    visitor.organization_token()
    status, entries = endpoint("GET", "/_control/log")
    assert (status, len(entries)) == (200, 2)
    assert entries[0]["led_to"] == "login token of a@example.com"
    assert entries[0]["body"] == '{"email":"a@example.com","password":"…"}'
    assert ["Host", "api-platform.vntana.com"] in entries[0]["headers"]

    assert endpoint("GET", "/_control/log?last=1") == (200, entries[1:])
    for last in ("2", "02", "9" * 5_000):
        assert endpoint("GET", f"/_control/log?last={last}") == (200, entries)
    for last in ("0", "-1", "x", ""):
        refused = (400, {"error": "last is a number from 1"})
        assert endpoint("GET", f"/_control/log?last={last}") == refused

    assert endpoint("DELETE", "/_control/log") == (200, [])
    assert endpoint("GET", "/_control/log/") == (200, [])


def test_the_state_is_formatted_with_one_mode_a_line(visitor: Client) -> None:
    """Also if texts contain brackets and line breaks."""
    visitor.fake.fail("answer", body='{"a": [\n1,\n2]}')
    text = control(visitor.fake, "GET", "/_control", b"").content.decode()
    line = '    "failure_body": { "value": "absent", "choices": [ "absent", "null" ] },'
    assert line in text.splitlines()
    assert json.loads(text)["faults"][0]["body"] == '{"a": [\n1,\n2]}'


def test_the_state_shows_the_last_50_tokens(visitor: Client, endpoint: Endpoint) -> None:
    for _ in range(60):
        latest = visitor.login_token()
    tokens = endpoint("GET")[1]["state"]["tokens"]
    assert (len(tokens), tokens[-1]["token"]) == (50, latest)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/_control"), ("GET", "/_control/logs"), ("PUT", "/_control/log")]
)
def test_an_unknown_route_of_the_control_endpoint_is_a_404(
    endpoint: Endpoint, method: str, path: str
) -> None:
    """By call there is none at all: a test has the fake itself."""
    assert client(by_call).call("GET", "/_control").status == 404
    status, answer = endpoint(method, path)
    assert (status, answer["error"]) == (404, f"the control endpoint has no {method} {path}")
