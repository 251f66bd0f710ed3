"""A secret that changes is told of on EventBridge, as CloudTrail records it.

A call of the API: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
A rotation: https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import eventbridge, secretsmanager

from stack.emulator.replacing import Wrapper, around

CALLS = ("PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage")
ROTATION = "RotateSecret"
SECRET = ("SecretString", "SecretBinary")


@around(secretsmanager, "handle_request")
async def handle(
    original: Wrapper, method: str, path: str, headers: Mapping[str, str], body: bytes, *rest: Any
) -> Any:
    """Answer a request to Secrets Manager, and tell of what it has changed."""
    answer = await original(method, path, headers, body, *rest)
    status, _, content = answer
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if status == 200 and action in (*CALLS, ROTATION):
        tell(detail(action, json.loads(body), json.loads(content)["ARN"]))
    return answer


def detail(action: str, request: Mapping[str, Any], arn: str) -> Mapping[str, Any]:
    """Return what CloudTrail records of *action*; never the secret."""
    if action == ROTATION:
        return {"eventName": "RotationSucceeded", "additionalEventData": {"SecretId": arn}}
    shown = {name[0].lower() + name[1:]: request[name] for name in request if name not in SECRET}
    return {
        "eventName": action,
        "requestParameters": shown,
        "responseElements": {"arn": arn},
        "additionalEventData": None,
    }


def tell(recorded: Mapping[str, Any]) -> None:
    """Put an event of Secrets Manager's on the default bus."""
    kind = "API Call" if "requestParameters" in recorded else "Service Event"
    common = {"eventVersion": "1.11", "eventSource": "secretsmanager.amazonaws.com"}
    eventbridge._dispatch_event(
        {
            "EventId": new_uuid(),
            "Source": "aws.secretsmanager",
            "DetailType": f"AWS {kind} via CloudTrail",
            "Detail": json.dumps(common | dict(recorded)),
            "EventBusName": "default",
            "Time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "Resources": [],
            "Account": get_account_id(),
            "Region": get_region(),
        }
    )
