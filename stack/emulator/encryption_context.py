"""Condition keys `kms:EncryptionContext:…` of requests to encrypt or decrypt.

https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-encryption-context
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
    if service != "kms":
        return keys
    pairs = json.loads(body or b"{}").get("EncryptionContext") or {}
    return keys | {f"kms:EncryptionContext:{name}": value for name, value in pairs.items()}
