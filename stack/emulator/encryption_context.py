"""`kms:EncryptionContext:…`: what a request to encrypt or decrypt is bound to.

https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-encryption-context
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
    if service != "kms":
        return keys
    bound = json.loads(body or b"{}").get("EncryptionContext") or {}
    return keys | {f"kms:EncryptionContext:{name}": value for name, value in bound.items()}
