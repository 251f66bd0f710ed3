"""Condition key `events:source`: the sources of the events that a request puts.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
"""

import json
from typing import Any

from ministack.core import iam_actions

from stack.emulator.patching import Function, patch


@patch(iam_actions, "request_tag_context")
def context(
    original: Function, service: str, action: str, body: bytes, *rest: Any
) -> dict[str, Any]:
    """Return a request's condition keys."""
    keys: dict[str, Any] = original(service, action, body, *rest)
    if action != "events:PutEvents":
        return keys
    sources = {entry.get("Source", "") for entry in json.loads(body or b"{}").get("Entries", [])}
    return keys | {"events:source": sources.pop() if len(sources) == 1 else sorted(sources)}
