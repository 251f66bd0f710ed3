"""A check: one harmless request with the token that any caller gets, and no more logins."""

import dataclasses
import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.functions.test_failures import WRONG_LOGIN
from tests.functions.test_tokens import assert_problem
from tests.functions.world import World, client
from tests.subjects import FLOWS
from token_broker.check import Check
from token_broker.errors import InvalidRequest
from token_broker.records import replace
from token_broker_local.addresses import secret_name

CHECKS = {
    "vntana": "/v1/organizations/current",
    "vendorlink": "/API/Queries/List",
    "editor": "/verify",
}
CHECK_EVENTS = ("check", "check failed")
STEPS = {"vntana": "current", "vendorlink": "data", "editor": "verify"}


def checked(world: World, flow: str, connection: str, body: object = None) -> dict[str, Any]:
    """Return the response to a check by HTTP."""
    return world.http(flow, connection, body, rest="/check")


def told(output: str) -> list[str]:
    """Return the outcome of each check in the log, and the code of each that failed."""
    lines = [json.loads(line) for line in output.splitlines()]
    return [x.get("outcome") or x["code"] for x in lines if x["event"] in CHECK_EVENTS]


@pytest.mark.parametrize("flow", FLOWS)
def test_a_check_is_one_request_with_the_token_that_callers_get(
    world: World, flow: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It makes the token that is not there, and uses the one that is."""
    connection = world.connect(flow)
    answer = checked(world, flow, connection)["body"]
    first = world.call(flow, connection)
    assert first["source"] == "memory"
    assert answer == {"ok": True, "milliseconds": answer["milliseconds"]} | {
        "context": first["context"]
    }
    sent = len(world.steps(flow))
    assert world.call(flow, connection, action="check")["ok"]
    assert world.steps(flow)[sent:] == [CHECKS[flow]]
    assert told(capsys.readouterr().out) == ["success"] * 2


@pytest.mark.parametrize("flow", FLOWS)
def test_a_token_that_the_vendor_ended_is_replaced(world: World, flow: str) -> None:
    """The check finds what a caller would have met, and mends it: the next caller does not."""
    connection = world.connect(flow)
    first = world.call(flow, connection)
    getattr(world, flow).revoke()
    assert checked(world, flow, connection)["statusCode"] == 200
    second = world.call(flow, connection)
    assert (second["source"], second["generation"]) == ("memory", first["generation"] + 1)


@pytest.mark.parametrize("flow", FLOWS)
def test_a_vendor_that_refuses_each_token_is_told_as_refusing(
    world: World, flow: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """After one new token, and within the limits of reports: checking shuts nobody out."""
    connection = world.connect(flow)
    world.call(flow, connection)
    body, headers = '{"message": "this token is dead"}', {"content-type": "application/json"}
    getattr(world, flow).fail(
        "answer", step=STEPS[flow], times=None, status=401, headers=headers, body=body
    )
    response = checked(world, flow, connection)
    assert_problem(response, "upstream_refused", 502)
    assert response["body"]["upstream_status"] == 401
    assert response["body"]["upstream_message"] == "this token is dead"
    for _ in range(2):
        assert_problem(checked(world, flow, connection), "upstream_refused", 502)
    made = len(world.steps(flow))
    assert_problem(checked(world, flow, connection), "too_many_requests", 429)
    assert world.steps(flow)[made:] == [CHECKS[flow]]
    assert told(capsys.readouterr().out)[:2] == ["upstream_refused"] * 2


@pytest.mark.parametrize("flow", FLOWS)
def test_what_says_nothing_of_the_token_replaces_none(world: World, flow: str) -> None:
    """An outage of the vendor is told as one, while the token that lives is kept."""
    connection = world.connect(flow)
    first = world.call(flow, connection)
    getattr(world, flow).fail("status", step=STEPS[flow], times=None, status=503)
    assert_problem(checked(world, flow, connection), "upstream_unavailable", 503)
    assert world.call(flow, connection)["fingerprint"] == first["fingerprint"]


@pytest.mark.parametrize("flow", FLOWS)
def test_a_check_logs_in_no_more_than_a_call(world: World, flow: str) -> None:
    """Wrong credentials cost one login, however often they are checked."""
    connection = world.connect(flow, **WRONG_LOGIN[flow])
    codes = [checked(world, flow, connection)["body"]["code"] for _ in range(3)]
    assert codes == ["credential_rejected", "credential_latched", "credential_latched"]
    assert len(world.steps(flow)) == 1


def test_a_token_is_checked_where_it_was_made(world: World) -> None:
    """No token of one version of the secret is sent to an address of another."""
    connection = world.connect("editor")
    world.call("editor", connection)
    elsewhere = world.secret("editor") | {"token_url": "http://127.0.0.1:9"}
    world.put_secret("editor", connection, elsewhere)
    assert world.call("editor", connection, action="check")["ok"]
    assert world.steps("editor") == ["/generate", "/verify"]


def test_a_token_whose_version_is_gone_is_replaced(world: World) -> None:
    """For where to send it is not known any more."""
    connection = world.connect("editor")
    world.call("editor", connection)
    name = secret_name("editor", connection)
    client("secretsmanager").delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    world.put_secret("editor", connection, world.secret("editor"))
    assert world.call("editor", connection, action="check")["ok"]
    assert world.steps("editor") == ["/generate", "/generate", "/verify"]


@pytest.mark.parametrize("flow", FLOWS)
def test_a_secret_that_is_wrong_is_told_while_the_token_lives(world: World, flow: str) -> None:
    """And not on the day on which that token ends."""
    connection = world.connect(flow)
    world.call(flow, connection)
    world.put_secret(flow, connection, world.secret(flow) | {"odd": 1})
    assert_problem(checked(world, flow, connection), "not_configured", 500)


def test_a_flow_whose_vendor_has_no_harmless_request_has_no_check(world: World) -> None:
    """It says so before it makes a token."""
    deps = world.service("vendorlink").deps
    flow: Any = SimpleNamespace(
        name="sales", vendor=dataclasses.replace(deps.flow.vendor, check=None)
    )
    with pytest.raises(InvalidRequest, match="action: connections of sales cannot be checked"):
        Check(replace(deps, flow=flow), "acme", 1.0)


def test_a_check_is_of_what_a_call_names(world: World) -> None:
    """The variant's fields are those of a token call; others are unknown."""
    connection = world.connect("vntana")
    body = {"organization": "studio", "workspace": "chairs"}
    context = checked(world, "vntana", connection, body)["body"]["context"]
    assert context == world.call("vntana", connection, **body)["context"]
    assert_problem(checked(world, "vntana", connection, {"force": True}), "invalid_request", 400)
