"""Condition key `dynamodb:LeadingKeys`: the partition keys of a request.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ministack.core import iam_actions

from stack.emulator.patching import Function, patch

PARTITION_KEY = "connection"
"""The partition key of the only table."""

EQUALS = re.compile(r"\(?\s*([#\w]+)\s*=\s*(:\w+)\s*\)?")


@patch(iam_actions, "dynamodb_service_context")
def context(original: Function, body: bytes) -> dict[str, Any]:
    """Return a request's condition keys of DynamoDB."""
    keys = list(leading_keys(json.loads(body or b"{}")))
    others: dict[str, Any] = original(body)
    return others | ({"dynamodb:LeadingKeys": keys} if keys else {})


def leading_keys(request: Mapping[str, Any]) -> Iterator[str]:
    """Yield the partition key of each item of *request*, and of a query's items."""
    items = [request.get("Key"), request.get("Item")]
    for table in (request.get("RequestItems") or {}).values():
        items += table.get("Keys", [])
    yield from (key[PARTITION_KEY]["S"] for key in items if key and PARTITION_KEY in key)
    names = request.get("ExpressionAttributeNames") or {}
    for name, value in EQUALS.findall(request.get("KeyConditionExpression") or ""):
        if names.get(name, name) == PARTITION_KEY:
            yield request["ExpressionAttributeValues"][value]["S"]
