"""An operator's hold: until it is lifted, no token is handed out and the vendor is not called."""

from typing import Any

import pytest

from tests.functions.test_tokens import assert_problem
from tests.functions.world import CALLER, World
from tests.subjects import FLOWS

REASON = "laptop stolen"


@pytest.mark.parametrize("flow", FLOWS)
def test_a_held_connection_hands_out_no_token_and_calls_no_vendor(world: World, flow: str) -> None:
    """I16: for every kind of call; the error has the hold's time and reason."""
    connection = world.connect(flow)
    first = world.call(flow, connection)
    answer = world.http(flow, connection, {"reason": REASON}, method="PUT", rest="/hold")
    held = answer["body"]["held"]
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
        assert_problem(response, "connection_held", 409)
        assert response["body"]["retryable"] is False
        assert REASON in response["body"]["detail"]
        assert held["since"] in response["body"]["detail"]
    world.advance(3400)  # the token is due
    for action in ("renew", "rotate"):
        assert world.call(flow, connection, action=action) == {"started": 0}
    for variant in world.call(flow, connection, action="status")["variants"]:
        key = variant["variant"]
        assert world.call(flow, connection, action="renew", variant=key) == {"renewed": 0}
        assert (variant["next"], REASON in variant["because"]) == ("refuse", True)
    assert world.call(flow, connection, action="forget")["forgotten"] >= 1
    assert world.steps(flow) == steps
    assert world.http(flow, connection)["statusCode"] == 409
