"""The event that API Gateway makes of a request for a Lambda function: a REST API's, in full.

The shape is that of events recorded at AWS, for a caller with an IAM identity. For headers see
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html:
`Authorization` is dropped where IAM has used it.
"""

import secrets
import time
import uuid
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from token_broker_local.addresses import ACCESS_KEY, ACCOUNT, STAGE
from token_broker_local.messages import HttpRequest
from token_broker_local.routes import Route

API = "localapi01"
USER = "AIDALOCALLOCALLOCAL01"
USER_ARN = f"arn:aws:iam::{ACCOUNT}:user/{ACCESS_KEY}"

DROPPED = {
    "authorization",
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
"""Headers that are not passed to a function."""


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids that API Gateway gives one request."""

    request: str = field(default_factory=lambda: str(uuid.uuid4()))
    extended: str = field(default_factory=lambda: f"{secrets.token_urlsafe(11)}=")
    trace: str = field(
        default_factory=lambda: f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    )


def proxy_event(
    request: HttpRequest, route: Route, parameters: Mapping[str, str], ids: Ids, now: datetime
) -> Mapping[str, Any]:
    """Return the event for *request*, which came by *route*."""
    headers = grouped([*passed(request), *added(request, ids)])
    query = grouped(parse_qsl(request.query, keep_blank_values=True))
    return {
        "resource": route.resource,
        "path": request.path,
        "httpMethod": request.method,
        "headers": last(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": last(query) or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": dict(parameters) or None,
        "stageVariables": None,
        "requestContext": request_context(request, route, ids, now),
        "body": request.body.decode("utf-8", "replace") or None,
        "isBase64Encoded": False,
    }


def request_context(
    request: HttpRequest, route: Route, ids: Ids, now: datetime
) -> Mapping[str, Any]:
    """Return API Gateway's request context."""
    host = request.header("host") or ""
    return {
        "accountId": ACCOUNT,
        "apiId": API,
        "deploymentId": "local1",
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "extendedRequestId": ids.extended,
        "httpMethod": request.method,
        "identity": identity(request),
        "path": request.path,
        "protocol": "HTTP/1.1",
        "requestId": ids.request,
        "requestTime": f"{now.astimezone(UTC):%d/%b/%Y:%H:%M:%S +0000}",
        "requestTimeEpoch": int(now.timestamp() * 1000),
        "resourceId": f"{zlib.crc32(route.resource.encode()):08x}",
        "resourcePath": route.resource,
        "stage": STAGE,
    }


def identity(request: HttpRequest) -> Mapping[str, str | None]:
    """Return the caller's identity: an IAM user, by the only access key."""
    return {
        "accessKey": ACCESS_KEY,
        "accountId": ACCOUNT,
        "caller": USER,
        "cognitoAuthenticationProvider": None,
        "cognitoAuthenticationType": None,
        "cognitoIdentityId": None,
        "cognitoIdentityPoolId": None,
        "principalOrgId": None,
        "sourceIp": request.source_ip,
        "user": USER,
        "userAgent": request.header("user-agent"),
        "userArn": USER_ARN,
    }


def passed(request: HttpRequest) -> Iterable[tuple[str, str]]:
    """Yield the headers that are passed to the function, with their original names."""
    return (
        ("User-Agent" if name.lower() == "user-agent" else name, value)
        for name, value in request.headers
        if name.lower() not in DROPPED
    )


def added(request: HttpRequest, ids: Ids) -> Iterable[tuple[str, str]]:
    """Yield the headers that API Gateway adds."""
    yield "X-Amzn-Trace-Id", ids.trace
    yield "X-Forwarded-For", request.source_ip
    yield "X-Forwarded-Port", (request.header("host") or "").rpartition(":")[2]
    yield "X-Forwarded-Proto", "http"


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return every value of each name, in the order in which they came."""
    groups: dict[str, list[str]] = {}
    for name, value in pairs:
        groups.setdefault(name, []).append(value)
    return groups


def last(groups: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the last value of each name, as AWS does in members with a single value."""
    return {name: values[-1] for name, values in groups.items()}
