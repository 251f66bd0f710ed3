"""HTTP responses: a function's answer, or a refusal, in API Gateway's form."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from token_broker_local import messages
from token_broker_local.functions import Outcome
from token_broker_local.messages import GatewayError, HttpResponse
from token_broker_local.proxy_events import Ids

MEMBERS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
"""Members of a function's answer. With any other member, the answer is malformed."""

LAST_STATUS = 600

REMAPPED = {"connection", "content-length", "date", "server", "transfer-encoding"}
"""Headers that API Gateway renames with a prefix, as a function may not set them."""


def refused(refusal: GatewayError, ids: Ids) -> HttpResponse:
    """Return the response of an error of API Gateway itself."""
    body = json.dumps({"message": refusal.message}, separators=(",", ":")).encode()
    kind = ("x-amzn-ErrorType", refusal.kind)
    return HttpResponse(
        refusal.status, [*names(ids), kind, ("Content-Type", "application/json")], body
    )


def names(ids: Ids) -> Iterator[tuple[str, str]]:
    """Yield the headers of every response of API Gateway."""
    yield "x-amzn-RequestId", ids.request
    yield "x-amz-apigw-id", ids.extended


def answered(outcome: Outcome, ids: Ids) -> HttpResponse:
    """Return a function's answer, or raise the `GatewayError` for one that is malformed."""
    if outcome.failed:
        raise messages.broken()
    answer = json.loads(outcome.payload)
    if not isinstance(answer, dict) or not answer.keys() <= MEMBERS:
        raise messages.broken()
    headers = [*names(ids), *headers_of(answer), ("X-Amzn-Trace-Id", ids.trace)]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    return HttpResponse(status_of(answer), headers, body_of(answer))


def status_of(answer: Mapping[str, Any]) -> int:
    """Return the status, which must be a number or look like one."""
    try:
        status = int(answer.get("statusCode", HTTPStatus.OK))
    except (TypeError, ValueError):
        raise messages.broken() from None
    if not HTTPStatus.OK <= status < LAST_STATUS:
        raise messages.broken()
    return status


def headers_of(answer: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the headers, each of several values by itself. They must be objects of text."""
    several, single = members(answer, "multiValueHeaders"), members(answer, "headers")
    if not all(isinstance(values, list) for values in several.values()):
        raise messages.broken()
    for name, value in single.items():
        if name not in several:
            yield header(name, value)
    for name, values in several.items():
        yield from (header(name, value) for value in values)


def members(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the object *name* of *answer*: where there is none, an empty one."""
    value = answer.get(name)
    if value is not None and not isinstance(value, dict):
        raise messages.broken()
    return value or {}


def header(name: str, value: object) -> tuple[str, str]:
    """Return one header as it may be sent."""
    text = str(value).lower() if isinstance(value, bool) else value
    if not isinstance(text, str) or any(character in name + text for character in "\r\n\0"):
        raise messages.broken()
    return (f"x-amzn-Remapped-{name}" if name.lower() in REMAPPED else name), text


def body_of(answer: Mapping[str, Any]) -> bytes:
    """Return the body, which must be text: of itself, or in base64."""
    body = answer.get("body") or ""
    if not isinstance(body, str):
        raise messages.broken()
    if not answer.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise messages.broken() from None
