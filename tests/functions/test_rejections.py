"""What a vendor's rejection means for its caller, and for other callers of the connection."""

from typing import Any

import pytest

from tests.functions.test_tokens import assert_problem
from tests.functions.world import World
from tests.subjects import FLOWS, clear_refusal, proof, renewal_step

LOGIN_STEPS = {flow: proof(flow).step for flow in FLOWS}


def break_login(world: World, flow: str) -> None:
    """Let the vendor reject the credentials that it accepted before.

    It rejects renewal tokens, too.
    """
    if step := renewal_step(flow):
        world.fakes[flow].fail("answer", step=step, times=None, status=400, headers={}, body="")
    world.fakes[flow].fail("answer", step=LOGIN_STEPS[flow], times=None, **clear_refusal(flow))


@pytest.mark.parametrize("flow", FLOWS)
def test_an_accepted_secret_version_latches_after_two_rejections(world: World, flow: str) -> None:
    """I7: the second login is sent a minute after the first, and no third."""
    connection = world.connect_and_call(flow)
    break_login(world, flow)
    world.advance(40 * 86_400)
    logins = world.logins(flow)
    first = world.http(flow, connection)
    assert_problem(first, "credential_rejected", 502)
    sent = len(world.steps(flow))
    assert world.logins(flow) == logins + 1
    assert {f["count"] for f in failures(world, flow, connection)} == {1}
    for body in ({}, {"force": True}, {"min_ttl": 60}):
        response = world.http(flow, connection, body)
        assert_problem(response, "credential_rejected", 502)
        assert 0 < response["body"]["retry_after"] <= 60
    assert len(world.steps(flow)) == sent
    assert world.announced == []
    world.advance(60)
    assert_problem(world.http(flow, connection), "credential_rejected", 502)
    assert world.logins(flow) == logins + 2
    sent = len(world.steps(flow))
    world.advance(600)
    assert_problem(world.http(flow, connection, {"force": True}), "credential_latched", 502)
    assert len(world.steps(flow)) == sent
    assert [what for what, _ in world.announced] == ["Connection Latched"]


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("status", [401, 403, 200])
def test_an_html_response_is_not_taken_for_a_rejection(
    world: World, flow: str, status: int
) -> None:
    """A proxy's HTML does not concern the credentials: the connection works after it."""
    connection = world.connect(flow)
    world.fakes[flow].fail("html", step=LOGIN_STEPS[flow], status=status)
    response = world.http(flow, connection)
    assert_problem(response, "upstream_contract_changed", 502)
    assert response["body"]["detail"].startswith(LOGIN_STEPS[flow])
    world.advance(30)
    assert world.call(flow, connection)["source"] == "exchange"


def failures(world: World, flow: str, connection: str) -> list[dict[str, Any]]:
    """Return the failures in the status of a connection."""
    rows = world.call(flow, connection, action="status")["variants"]
    return [row["failure"] for row in rows if row["failure"]]
