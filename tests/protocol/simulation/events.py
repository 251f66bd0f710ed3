"""Events of the function: EventBridge's for a new version of the secret, and callers' requests.

A caller uses API Gateway or a direct invocation. Both get the same answer.
"""

import json
from collections.abc import Mapping
from typing import Any

from tests.protocol.simulation.plans import NoticeKind
from token_broker.handler import Context, Service

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:"


def event_of(kind: NoticeKind, name: str, version: str) -> Mapping[str, Any]:
    """Return the event for a *version* of the secret *name*."""
    if kind == "trail":
        return {
            "source": "aws.secretsmanager",
            "detail-type": "AWS API Call via CloudTrail",
            "detail": {
                "eventSource": "secretsmanager.amazonaws.com",
                "eventName": "PutSecretValue",
                "requestParameters": {"secretId": name},
            },
        }
    return {
        "source": "aws.secretsmanager",
        "detail-type": "Secret Label Updated",
        "resources": [f"{ARN}{name}-AbCdEf"],
        "detail": {"name": name, "labelUpdated": "AWSCURRENT", "versionId": version},
    }


ROUTES = {
    "token": ("POST", "/token"),
    "forget": ("DELETE", "/token"),
    "status": ("GET", ""),
    "check": ("POST", "/check"),
    "hold": ("PUT", "/hold"),
    "lift": ("DELETE", "/hold"),
}
OK = 200


def served(
    service: Service, event: Mapping[str, Any], context: Context, route: str | None
) -> tuple[str, dict[str, Any]]:
    """Return the outcome of *event*, and its answer or problem; over HTTP if *route* is set."""
    if route:
        return over_http(service, event, context, route)
    try:
        return "answered", dict(service(event, context))
    except Exception as error:  # noqa: BLE001 (the platform returns it to the invoker)
        return "failed", problem_of(error)


def route_of(name: str, event: Mapping[str, Any], flow: str) -> str | None:
    """Return the route of an invocation, or None for a direct one; half of them are direct."""
    is_direct = ord(name[-1]) % 2 or event.get("action", "token") not in ROUTES
    return None if is_direct or "detail" in event else f"/v1/{flow}/{{connection}}"


def over_http(
    service: Service, event: Mapping[str, Any], context: Context, route: str
) -> tuple[str, dict[str, Any]]:
    """Send *event* as an API Gateway request."""
    method, rest = ROUTES[event.get("action", "token")]
    body = {name: value for name, value in event.items() if name not in ("action", "connection")}
    request = {
        "httpMethod": method,
        "resource": route + rest,
        "pathParameters": {"connection": event["connection"]},
        "requestContext": {"identity": {"userArn": "arn:caller"}},
        "body": json.dumps(body) if body else None,
    }
    response = service(request, context)
    end = "answered" if response["statusCode"] == OK else "failed"
    return end, json.loads(response["body"])


def problem_of(error: Exception) -> dict[str, Any]:
    """Return the problem in the error of a direct invocation."""
    try:
        return dict(json.loads(str(error)))
    except ValueError:
        return {"code": "internal", "detail": f"{type(error).__name__}: {error}"}
