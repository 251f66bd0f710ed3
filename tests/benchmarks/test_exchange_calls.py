"""What an exchange reads of the table: counted, for clocks differ from machine to machine."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.functions.world import World

ORGANIZATION = {"organization": "ac3e0000-0000-4000-8000-00000000000a"}
DRAWING = {"parameters": {"userId": "7", "file": "a.dwg"}}


@pytest.mark.parametrize(
    ("flow", "body", "first", "renewal"),
    [("vendorlink", {}, 1, 1), ("vntana", ORGANIZATION, 4, 2), ("editor", DRAWING, 2, 2)],
)
def test_what_was_read_is_handed_on(
    world: World, flow: str, body: Mapping[str, Any], first: int, renewal: int
) -> None:
    """A call's first read has the gate too and serves the exchange; a login reads the gate anew."""
    connection = world.connect(flow)

    assert reads(world, flow, connection, **body) == first
    assert reads(world, flow, connection, **body, force=True) == renewal


def reads(world: World, flow: str, connection: str, **body: Any) -> int:
    """Return how often the table is read for a token that is made."""
    world.aws.asked.clear()
    assert world.call(flow, connection, **body)["source"] == "exchange"
    return world.aws.asked["GetItem"] + world.aws.asked["BatchGetItem"]
