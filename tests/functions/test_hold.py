"""An operator's hold: until it is lifted, no token is handed out and the vendor is not called."""

from typing import Any

import pytest

from tests.functions.world import CALLER, World
from tests.subjects import FLOWS
from tests.waiting import CALL_SECONDS
from token_broker_local.functions import LambdaContext

REASON = "laptop stolen"


def hold(world: World, flow: str, connection: str, reason: object = REASON) -> dict[str, Any]:
    return world.http(flow, connection, {"reason": reason}, method="PUT", rest="/hold")


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
