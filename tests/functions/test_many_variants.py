"""A connection may have thousands of variants: an editor's has one for each set of parameters."""

from typing import Any

from tests.functions.world import World, client
from token_broker_local.addresses import TABLE

MANY = 1_010
"""More than one page of a Query."""


def test_status_lists_every_variant(world: World) -> None:
    """Also beyond one page of the table's query."""
    connection = world.connect_and_call("editor")
    copy_items(connection, MANY)
    status = world.http("editor", connection, method="GET", rest="")["body"]
    assert (len(status["variants"]), status["complete"]) == (MANY + 1, True)


def copy_items(connection: str, number: int) -> None:
    """Put copies of the connection's token beside it, under other keys."""
    [item] = live_items(connection)
    table = client("dynamodb")
    requests = [
        {"PutRequest": {"Item": item | {"variant": {"S": f"{key:064x}"}}}} for key in range(number)
    ]
    for start in range(0, number, 25):
        table.batch_write_item(RequestItems={TABLE: requests[start : start + 25]})


def live_items(connection: str) -> list[dict[str, Any]]:
    """Return the items of a connection that keep a token."""
    pages = (
        client("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=TABLE,
            KeyConditionExpression="#c = :c",
            ExpressionAttributeNames={"#c": "connection"},
            ExpressionAttributeValues={":c": {"S": f"editor#{connection}"}},
        )
    )
    items = [item for page in pages for item in page["Items"]]
    return [item for item in items if item.get("kind", {}).get("S") == "parameters"]
