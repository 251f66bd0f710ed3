"""A handler that makes one boto3 client and reads one item with it: the floor of a usual stack."""

import os
from typing import Any

import boto3

table = boto3.client("dynamodb")


def handler(event: Any, context: object) -> dict[str, object]:
    del context
    key = {name: {"S": event[name]} for name in ("connection", "variant")}
    answer = table.get_item(TableName=os.environ["TABLE_NAME"], Key=key, ConsistentRead=True)
    return {"found": "Item" in answer}
