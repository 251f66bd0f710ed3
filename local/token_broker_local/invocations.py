"""Lambda's Invoke operation, so that functions may be called directly, and call themselves.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import unquote

from token_broker_local.addresses import function_arn
from token_broker_local.functions import VERSION, Function, Outcome
from token_broker_local.messages import HttpRequest, HttpResponse
from token_broker_local.proxy_events import Ids

PATH = re.compile(r"/2015-03-31/functions/(?P<name>[^/]+)/invocations/?")

PAYLOAD_LIMIT = 6_291_456
"""Bytes of an event that Lambda takes: 6 MB."""


def called(request: HttpRequest) -> str | None:
    """Return the name of the function that *request* invokes, or None if it is another request."""
    found = PATH.fullmatch(request.path) if request.method == "POST" else None
    return unquote(found["name"]).rpartition("function:")[2].partition(":")[0] if found else None


def invoke(
    request: HttpRequest, name: str, functions: Mapping[str, Function], ids: Ids
) -> HttpResponse:
    """Invoke the function *name* as *request* asks."""
    function = next((one for one in functions.values() if one.name == name), None)
    if function is None:
        missing = f"Function not found: {function_arn(name)}"
        return refused(404, "ResourceNotFoundException", missing, ids)
    if len(request.body) > PAYLOAD_LIMIT:
        return refused(
            413,
            "RequestTooLargeException",
            f"Request must be smaller than {PAYLOAD_LIMIT} bytes for the InvokeFunction operation",
            ids,
        )
    payload = request.body or b"{}"
    if not is_json(payload):
        return refused(
            400, "InvalidRequestContentException", "Could not parse request body into json", ids
        )
    return dispatched(function, request.header("x-amz-invocation-type"), payload, ids)


def dispatched(function: Function, kind: str | None, payload: bytes, ids: Ids) -> HttpResponse:
    """Call *function* now, later or not at all."""
    match kind:
        case "Event":
            function.invoke_later(payload)
            return HttpResponse(HTTPStatus.ACCEPTED, [*common(ids)])
        case "DryRun":
            return HttpResponse(HTTPStatus.NO_CONTENT, [*common(ids)])
        case None | "RequestResponse":
            return returned(function.invoke(payload), ids)
    return refused(
        400,
        "InvalidParameterValueException",
        "Value at 'invocationType' failed to satisfy constraint: "
        "Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
        ids,
    )


def returned(outcome: Outcome, ids: Ids) -> HttpResponse:
    """Return the outcome of a call, marked if it is an error."""
    headers = [*common(ids), ("X-Amz-Executed-Version", VERSION)]
    if outcome.failed:
        headers.append(("X-Amz-Function-Error", "Unhandled"))
    return HttpResponse(HTTPStatus.OK, headers, outcome.payload)


def refused(status: int, kind: str, message: str, ids: Ids) -> HttpResponse:
    """Return an error of the Lambda service's own."""
    body = json.dumps({"Type": "User", "Message": message}).encode()
    return HttpResponse(status, [*common(ids), ("x-amzn-ErrorType", kind)], body)


def common(ids: Ids) -> list[tuple[str, str]]:
    """Return the headers of each answer."""
    return [("x-amzn-RequestId", ids.request), ("Content-Type", "application/json")]


def is_json(payload: bytes) -> bool:
    """Say whether *payload* is a JSON text."""
    try:
        json.loads(payload)
    except (ValueError, RecursionError):
        return False
    return True
