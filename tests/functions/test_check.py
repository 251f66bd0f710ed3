"""A check by the function, through AWS: tests/unit/test_check.py has its rules."""

import pytest

from tests.functions.world import World
from tests.subjects import CHECKED, check


@pytest.mark.parametrize("flow", CHECKED)
def test_a_check_uses_the_cached_token_or_obtains_one(world: World, flow: str) -> None:
    """The next caller gets this token from memory; a second check sends one request."""
    connection = world.connect(flow)
    answer = world.http(flow, connection, rest="/check")["body"]
    first = world.call(flow, connection)
    assert first["source"] == "memory"
    assert (answer["ok"], answer["context"]) == (True, first["context"])
    sent = len(world.steps(flow))
    assert world.call(flow, connection, action="check")["ok"]
    assert world.steps(flow)[sent:] == [check(flow)[0].path]
