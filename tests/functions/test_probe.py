"""A probe by the function: it takes the connection's leases, and loses no token."""

import json
from typing import Any

import pytest

from tests.functions.canaries import handed_out
from tests.functions.world import World
from tests.subjects import PROBED

GUEST = {"organization": "studio", "workspace": "chairs"}


def connect(world: World, flow: str, **changes: Any) -> str:
    return world.connect(flow, **(GUEST if flow == "vntana" else {}), **changes)


def works(world: World, flow: str, connection: str) -> dict[str, Any]:
    """Return a token that the vendor's fake takes; one that it refuses is reported, once."""
    answer = world.call(flow, connection)
    if not is_live(world, flow, answer):
        answer = world.call(flow, connection, rejected=answer["fingerprint"])
    assert is_live(world, flow, answer)
    return answer


def is_live(world: World, flow: str, answer: dict[str, Any]) -> bool:
    """Say whether the token of *answer* is one of those that live at the vendor's fake."""
    return handed_out(answer)[0] in json.dumps(world.fakes[flow].describe())


@pytest.mark.parametrize("flow", PROBED)
def test_the_token_of_a_probe_is_stored_and_handed_out(world: World, flow: str) -> None:
    """The next caller gets it without a request to the vendor."""
    connection = connect(world, flow)
    before = works(world, flow, connection)
    world.advance(60)
    report = world.http(flow, connection, {}, rest="/probe")["body"]
    assert (report["works"], report["options"]) == (True, {})
    requests = len(world.fakes[flow].log)
    after = works(world, flow, connection)
    assert len(world.fakes[flow].log) == requests
    assert after["generation"] == before["generation"] + 1
    assert after["headers"] != before["headers"]
