"""Secrets that change, told to the functions as EventBridge tells them.

In AWS, CloudTrail records the call and EventBridge hands the record to the function. Here the call
is seen as it passes, so the function learns of it at once.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/monitoring-eventbridge.html
"""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from token_broker_local.functions import Function
from token_broker_local.places import ACCOUNT, FLOWS, REGION, STAGE

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

CHANGES = {"PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage"}
"""Operations that the rule of the template listens to, as far as moto has them."""

SILENT = {"SecretString", "SecretBinary", "ClientRequestToken"}
"""Parameters that CloudTrail never shows, and one that nobody needs."""

SECRET = re.compile(rf"token-broker/{STAGE}/({'|'.join(FLOWS)})/.")

Event: TypeAlias = Mapping[str, Any]
Deliver: TypeAlias = Callable[[Event], object]


class Watched:
    """A WSGI application in front of the services that sees secrets change."""

    def __init__(self, application: "WSGIApplication", deliver: Deliver) -> None:
        self.application = application
        self.deliver = deliver

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request, and tell of it if it changed a secret."""
        service, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
        if service != "secretsmanager" or operation not in CHANGES:
            return self.application(environ, start_response)
        statuses: list[str] = []

        def noting(status: str, *rest: Any) -> Any:
            statuses.append(status)
            return start_response(status, *rest)

        asked = environ["wsgi.input"].getvalue()
        answered = b"".join(self.application(environ, noting))
        if statuses[0].startswith("200"):
            self.deliver(event_of(operation, json.loads(asked), json.loads(answered)))
        return [answered]


def event_of(operation: str, asked: Mapping[str, Any], answered: Mapping[str, Any]) -> Event:
    """Return the event of a call that changed a secret."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.secretsmanager",
        "account": ACCOUNT,
        "time": now,
        "region": REGION,
        "resources": [],
        "detail": {
            "eventVersion": "1.11",
            "eventTime": now,
            "eventSource": "secretsmanager.amazonaws.com",
            "eventName": operation,
            "awsRegion": REGION,
            "sourceIPAddress": "127.0.0.1",
            "requestParameters": lowered(asked),
            "responseElements": lowered(answered),
            "eventID": str(uuid.uuid4()),
            "readOnly": False,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "recipientAccountId": ACCOUNT,
            "eventCategory": "Management",
        },
    }


def lowered(members: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *members* as CloudTrail writes them: ``secretId``, ``arn``; values are left out."""
    return {
        "arn" if name == "ARN" else name[:1].lower() + name[1:]: value
        for name, value in members.items()
        if name not in SILENT
    }


def router(functions: Mapping[str, Function]) -> Deliver:
    """Return what hands an event to the function whose secret it is about."""

    def deliver(event: Event) -> None:
        detail = event["detail"]
        name = detail["responseElements"].get("name") or detail["requestParameters"]["secretId"]
        if found := SECRET.search(name):
            functions[found[1]].invoke_later(json.dumps(event).encode())

    return deliver
