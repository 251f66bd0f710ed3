"""`events:source`: what the events that a request puts say of who they are from.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
"""

import json
from typing import Any

from ministack.core import iam_actions

from stack.emulator.replacing import Wrapper, around


@around(iam_actions, "request_tag_context")
def context(
    original: Wrapper, service: str, action: str, body: bytes, *rest: Any
) -> dict[str, Any]:
    """Return the condition keys that a request carries."""
    keys: dict[str, Any] = original(service, action, body, *rest)
    if action != "events:PutEvents":
        return keys
    sources = {entry.get("Source", "") for entry in json.loads(body or b"{}").get("Entries", [])}
    return keys | {"events:source": sources.pop() if len(sources) == 1 else sorted(sources)}
