"""An operator's hold: until it is lifted, no token is handed out and the vendor is not called."""

from typing import Any

import pytest

from tests.functions.world import CALLER, World
from tests.subjects import CHECKED, FLOWS
from tests.waiting import CALL_SECONDS
from token_broker_local.functions import LambdaContext

REASON = "laptop stolen"


def hold(world: World, flow: str, connection: str, reason: object = REASON) -> dict[str, Any]:
    return world.http(flow, connection, {"reason": reason}, method="PUT", rest="/hold")


def lift(world: World, flow: str, connection: str) -> dict[str, Any]:
    return world.http(flow, connection, method="DELETE", rest="/hold")


def event(connection: str, **body: Any) -> dict[str, Any]:
    return {"connection": connection, **body}


@pytest.mark.parametrize("flow", FLOWS)
def test_a_held_connection_hands_out_no_token_and_calls_no_vendor(world: World, flow: str) -> None:
    """I16: for every kind of call; the error has the hold's time and reason."""
    connection = world.connect(flow)
    first = world.call(flow, connection)
    held = hold(world, flow, connection)["body"]["held"]
    assert (held["by"], held["reason"]) == (CALLER, REASON)
    steps = world.steps(flow)
    bodies: list[dict[str, Any]] = [
        {},
        {"force": True},
        {"rejected": first["fingerprint"]},
        {"min_ttl": 3000},
    ]
    for body in bodies:
        response = world.http(flow, connection, body)
        assert (response["statusCode"], response["body"]["code"]) == (409, "connection_held")
        assert response["body"]["retryable"] is False
        assert REASON in response["body"]["detail"]
        assert held["since"] in response["body"]["detail"]
    if flow == "editor":
        with pytest.raises(Exception, match="connection_held"):
            world.call(flow, connection, action="verify", token="t")
    assert world.call(flow, connection, action="renew") == {"started": 0}
    assert world.call(flow, connection, action="rotate") == {"started": 0}
    world.advance(3400)  # the token is due
    for variant in world.call(flow, connection, action="status")["variants"]:
        key = variant["variant"]
        assert world.call(flow, connection, action="renew", variant=key) == {"renewed": 0}
        assert (variant["next"], REASON in variant["because"]) == ("refuse", True)
    calls = [event(connection), event("other")]
    assert world.service(flow)(
        {"action": "warm", "calls": calls}, LambdaContext("f", CALL_SECONDS)
    ) == {"invoked": 1}
    assert world.call(flow, connection, action="forget")["forgotten"] >= 1
    assert world.steps(flow) == steps
    assert world.http(flow, connection)["statusCode"] == 409


@pytest.mark.parametrize("flow", CHECKED)
def test_a_hold_applies_in_other_processes_after_their_next_table_read(
    world: World, flow: str
) -> None:
    """A token obtained before the hold is cached as of the read of the gate.

    A check calls the vendor, so it reads the table first, regardless of the cache. The cached
    token counts from this read on.
    """
    connection = world.connect(flow)
    services = [world.cold(flow) for _ in range(2)]
    world.stands_at = world.now
    for service in services:
        service(event(connection), LambdaContext("f", CALL_SECONDS))
    hold(world, flow, connection)
    world.advance(59)
    for service in services:
        assert service(event(connection), LambdaContext("f", CALL_SECONDS))["source"] == "memory"
    sent = world.steps(flow)
    with pytest.raises(Exception, match="connection_held"):
        services[0](event(connection, action="check"), LambdaContext("f", CALL_SECONDS))
    assert world.steps(flow) == sent
    with pytest.raises(Exception, match=REASON):
        services[0](event(connection), LambdaContext("f", CALL_SECONDS))
    assert services[1](event(connection), LambdaContext("f", CALL_SECONDS))["source"] == "memory"
    world.advance(1)
    for service in services:
        with pytest.raises(Exception, match=REASON):
            service(event(connection), LambdaContext("f", CALL_SECONDS))
    with pytest.raises(Exception, match=REASON):
        world.cold(flow)(event(connection), LambdaContext("f", CALL_SECONDS))
