"""A changed secret causes an event on EventBridge, as CloudTrail records it.

A call of the API: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
A rotation: https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import eventbridge, secretsmanager

from stack.emulator.patching import Function, patch

CALLS = ("PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage")
ROTATION = "RotateSecret"
SECRET = ("SecretString", "SecretBinary")


@patch(secretsmanager, "handle_request")
async def handle(
    original: Function, method: str, path: str, headers: Mapping[str, str], body: bytes, *rest: Any
) -> Any:
    """Answer a request to Secrets Manager, and put an event if it changed a secret."""
    response = await original(method, path, headers, body, *rest)
    status, _, content = response
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if status == 200 and action in (*CALLS, ROTATION):
        put_event(detail(action, json.loads(body), json.loads(content)["ARN"]))
    return response


def detail(action: str, request: Mapping[str, Any], arn: str) -> Mapping[str, Any]:
    """Return CloudTrail's record of *action*, without the secret."""
    if action == ROTATION:
        return {"eventName": "RotationSucceeded", "additionalEventData": {"SecretId": arn}}
    parameters = {
        name[0].lower() + name[1:]: request[name] for name in request if name not in SECRET
    }
    return {
        "eventName": action,
        "requestParameters": parameters,
        "responseElements": {"arn": arn},
        "additionalEventData": None,
    }


def put_event(record: Mapping[str, Any]) -> None:
    """Put an event of Secrets Manager on the default bus."""
    kind = "API Call" if "requestParameters" in record else "Service Event"
    common = {"eventVersion": "1.11", "eventSource": "secretsmanager.amazonaws.com"}
    eventbridge._dispatch_event(
        {
            "EventId": new_uuid(),
            "Source": "aws.secretsmanager",
            "DetailType": f"AWS {kind} via CloudTrail",
            "Detail": json.dumps(common | dict(record)),
            "EventBusName": "default",
            "Time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "Resources": [],
            "Account": get_account_id(),
            "Region": get_region(),
        }
    )
