"""Events of changed secrets, sent to the functions as EventBridge sends them.

In AWS, Secrets Manager sends an event itself, and CloudTrail records the call, which EventBridge
passes on, too. Here a WSGI application watches the calls, so a function gets both events at once.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/monitoring-eventbridge.html
"""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from token_broker_local.addresses import ACCOUNT, FLOWS, REGION, STAGE
from token_broker_local.functions import Function

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

CHANGES = {"PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage"}
"""Operations in the rule of the template, as far as moto supports them."""

OMITTED = {"SecretString", "SecretBinary", "ClientRequestToken"}
"""Parameters that CloudTrail's record omits, and one that is not needed."""

CURRENT = "AWSCURRENT"
SECRET = re.compile(rf"token-broker/{STAGE}/({'|'.join(FLOWS)})/.")

Event: TypeAlias = Mapping[str, Any]
Deliver: TypeAlias = Callable[[Event], object]


def watched(application: "WSGIApplication", deliver: Deliver) -> "WSGIApplication":
    """Return *application*, the services, with an event to *deliver* for each changed secret."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        service, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if service != "secretsmanager" or operation not in CHANGES:
            return application(environ, start_response)
        statuses: list[str] = []

        def record_status(status: str, *rest: Any) -> Any:
            statuses.append(status)
            return start_response(status, *rest)

        body = environ["wsgi.input"].getvalue()
        content = b"".join(application(environ, record_status))
        if statuses[0].startswith("200"):
            request, response = json.loads(body), json.loads(content)
            if label := label_event(request, response):
                deliver(label)
            deliver(event_of(operation, request, response))
        return [content]

    return answer


def label_event(request: Mapping[str, Any], response: Mapping[str, Any]) -> Event | None:
    """Return Secrets Manager's own event, if a call gave a version the label ``AWSCURRENT``."""
    version = response.get("VersionId") or request.get("MoveToVersionId")
    stages = request.get("VersionStages") or [request.get("VersionStage", CURRENT)]
    if not version or CURRENT not in stages:
        return None
    detail = {"name": response["Name"], "labelUpdated": CURRENT, "versionId": version}
    return envelope("Secret Label Updated", detail, [response["ARN"]])


def envelope(kind: str, detail: Event, resources: Sequence[str] = ()) -> Event:
    """Return *detail* as EventBridge hands it on."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": "aws.secretsmanager",
        "account": ACCOUNT,
        "time": timestamp(),
        "region": REGION,
        "resources": list(resources),
        "detail": detail,
    }


def timestamp() -> str:
    """Return the current second in AWS's format."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def event_of(operation: str, request: Mapping[str, Any], response: Mapping[str, Any]) -> Event:
    """Return the event that CloudTrail makes of a call that changed a secret."""
    return envelope(
        "AWS API Call via CloudTrail",
        {
            "eventVersion": "1.11",
            "eventTime": timestamp(),
            "eventSource": "secretsmanager.amazonaws.com",
            "eventName": operation,
            "awsRegion": REGION,
            "sourceIPAddress": "127.0.0.1",
            "requestParameters": camel_case(request),
            "responseElements": camel_case(response),
            "eventID": str(uuid.uuid4()),
            "readOnly": False,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": ACCOUNT,
            "eventCategory": "Management",
        },
    )


def camel_case(members: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *members* as CloudTrail writes them: ``secretId``, ``arn``; values are left out."""
    return {
        "arn" if name == "ARN" else name[:1].lower() + name[1:]: value
        for name, value in members.items()
        if name not in OMITTED
    }


def router(functions: Mapping[str, Function]) -> Deliver:
    """Return a function that passes an event to the function of its secret."""

    def deliver(event: Event) -> None:
        detail = event["detail"]
        name = detail.get("name") or detail["responseElements"].get("name")
        if found := SECRET.search(name or detail["requestParameters"]["secretId"]):
            functions[found[1]].invoke_later(json.dumps(event).encode())

    return deliver
