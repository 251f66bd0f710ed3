"""`dynamodb:LeadingKeys`: the partition keys that a request names.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ministack.core import iam_actions

from stack.emulator.replacing import Wrapper, around

PARTITION_KEY = "connection"
"""Of the one table that there is."""

EQUALS = re.compile(r"\(?\s*([#\w]+)\s*=\s*(:\w+)\s*\)?")


@around(iam_actions, "dynamodb_service_context")
def context(original: Wrapper, body: bytes) -> dict[str, Any]:
    """Return the condition keys of DynamoDB that a request carries."""
    keys = list(leading_keys(json.loads(body or b"{}")))
    found: dict[str, Any] = original(body)
    return found | ({"dynamodb:LeadingKeys": keys} if keys else {})


def leading_keys(request: Mapping[str, Any]) -> Iterator[str]:
    """Yield the partition key of each item that *request* names, and of a query's items."""
    named = [request.get("Key"), request.get("Item")]
    for table in (request.get("RequestItems") or {}).values():
        named += table.get("Keys", [])
    yield from (key[PARTITION_KEY]["S"] for key in named if key and PARTITION_KEY in key)
    names = request.get("ExpressionAttributeNames") or {}
    for name, value in EQUALS.findall(request.get("KeyConditionExpression") or ""):
        if names.get(name, name) == PARTITION_KEY:
            yield request["ExpressionAttributeValues"][value]["S"]
