"""Two versions of the program on one table: neither a deployment nor a rollback loses a token."""

from typing import Any

import pytest

from tests.functions.world import World, client
from token_broker.item_codec import SCHEMA
from token_broker_local.addresses import TABLE


def rewritten(world: World, connection: str, changes: dict[str, Any]) -> None:
    """Let another version of the program have written a connection's item."""
    item = world.item("vendorlink", connection) | changes
    client("dynamodb").put_item(TableName=TABLE, Item=item)
    world.service("vendorlink").deps.cache.clear()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"schema": {"N": str(SCHEMA - 1)}}, id="the schema before"),
        pytest.param({"of_the_next_version": {"S": "x"}}, id="an attribute that is new"),
    ],
)
def test_items_of_the_previous_and_next_version_are_handed_out(
    world: World, changes: dict[str, Any]
) -> None:
    """Readers accept this schema and the previous one, and ignore unknown attributes."""
    connection = world.connect_and_call("vendorlink")
    rewritten(world, connection, changes)
    assert world.call("vendorlink", connection)["source"] == "table"


def test_an_attribute_of_a_newer_version_survives_an_exchange(world: World) -> None:
    """A rollback does not lose what the newer version stored."""
    connection = world.connect_and_call("vendorlink")
    rewritten(world, connection, {"of_the_next_version": {"S": "x"}})
    world.call("vendorlink", connection, force=True)
    assert world.item("vendorlink", connection)["of_the_next_version"] == {"S": "x"}
