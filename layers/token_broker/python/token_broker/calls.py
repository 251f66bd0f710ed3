"""What a caller wants: read from an API Gateway event or from the payload of an invocation.

Every way in which it can be wrong is an `InvalidRequest` that names the field.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from token_broker.document import Document
from token_broker.errors import InvalidRequest

CONNECTION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
FINGERPRINT = re.compile(r"[0-9a-f]{16}")
VARIANT = re.compile(r"-|[0-9a-f]{64}")
LARGEST_BODY = 262_144
"""Characters of a request's body; what is asked for needs a few hundred."""

ROTATION = "secret changed"
"""The caller, where it is EventBridge that tells of a rotation."""

EVERY = "*"
"""No connection's name: an order that names its connections in its body."""

Action = Literal["token", "status", "forget", "verify", "renew", "rotate", "warm"]
ROUTES: Mapping[tuple[str, str], Action] = {
    ("POST", "token"): "token",
    ("GET", ""): "status",
    ("DELETE", "token"): "forget",
    ("POST", "verify"): "verify",
}
"""Method and what follows ``/v1/<flow>/{connection}/`` in the path."""

DIRECT: tuple[Action, ...] = ("token", "status", "forget", "verify", "renew", "rotate", "warm")


@dataclass(frozen=True, slots=True)
class Order:
    """What to do with which connection. *body* holds what else was said, yet unread."""

    action: Action
    connection: str
    caller: str
    body: Document = field(repr=False)


def is_http(event: Mapping[str, Any]) -> bool:
    """Say whether *event* is a request of API Gateway, whose answer is an HTTP response."""
    return "requestContext" in event


def is_rotation(event: Mapping[str, Any]) -> bool:
    """Say whether *event* is EventBridge telling that a secret was changed."""
    return event.get("source") == "aws.secretsmanager" and "detail" in event


def caller(event: object, invoked: str) -> str:
    """Return what is known of who sent *event* to the function that was *invoked* by that ARN."""
    if not isinstance(event, Mapping) or not (is_http(event) or is_rotation(event)):
        return _invoker(invoked)
    return _signer(event) if is_http(event) else ROTATION


def http_order(event: Mapping[str, Any], flow: str) -> Order:
    """Return the order in a proxy event of a REST API."""
    method, resource = event.get("httpMethod"), event.get("resource")
    prefix = f"/v1/{flow}/{{connection}}"
    rest = resource.removeprefix(prefix).lstrip("/") if isinstance(resource, str) else None
    action = ROUTES.get((str(method), rest or "")) if rest is not None else None
    if not isinstance(resource, str) or not resource.startswith(prefix) or action is None:
        raise InvalidRequest("path: there is no such route")
    named = event.get("pathParameters")
    connection = named.get("connection") if isinstance(named, Mapping) else None
    body = _body(event)
    return Order(action, _connection(connection), _signer(event), Document(body, InvalidRequest))


def direct_order(event: object, invoked: str = "") -> Order:
    """Return the order in the payload of a direct invocation of the function *invoked*, an ARN."""
    members = Document(event, InvalidRequest)
    action = members.choice("action", *DIRECT)
    connection = EVERY if action == "warm" else _connection(members.text("connection"))
    return Order(action, connection, _invoker(invoked), members)  # type: ignore[arg-type]  # one of DIRECT


def fingerprint(body: Document) -> str | None:
    """Return the fingerprint of a token that was rejected."""
    value = body.optional_text("rejected")
    if value is not None and not FINGERPRINT.fullmatch(value):
        raise body.wrong("rejected", "must be a fingerprint: 16 hex digits")
    return value


def variant(body: Document) -> str | None:
    """Return the key of a variant."""
    value = body.optional_text("variant")
    if value is not None and not VARIANT.fullmatch(value):
        raise body.wrong("variant", "must be a variant's key")
    return value


def variants(body: Document, name: str, most: int) -> list[str]:
    """Return keys of variants, *most* at most; none where the member is absent."""
    keys = body.texts(name, ())
    if len(keys) > most or not all(VARIANT.fullmatch(key) for key in keys):
        raise body.wrong(name, f"must be at most {most} variants' keys")
    return keys


def _connection(value: object) -> str:
    if not isinstance(value, str) or not CONNECTION.fullmatch(value):
        raise InvalidRequest(f"connection: must match {CONNECTION.pattern}")
    return value


def _body(event: Mapping[str, Any]) -> object:
    text = event.get("body")
    if text is None or text == "":
        return {}
    if not isinstance(text, str) or len(text) > LARGEST_BODY:
        raise InvalidRequest(f"body: must be a text of at most {LARGEST_BODY} characters")
    try:
        if event.get("isBase64Encoded") is True:
            text = base64.b64decode(text, validate=True).decode()
        return json.loads(text)
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidRequest("body: is not JSON") from None


def _invoker(arn: str) -> str:
    """Return what can be known of who invoked the function *arn*: a team may have its own alias."""
    alias = arn.split(":")[7:]
    return f"direct invocation of {alias[0]}" if alias else "direct invocation"


def _signer(event: Mapping[str, Any]) -> str:
    """Return the IAM ARN of who signed the request."""
    context = event["requestContext"]
    identity = context.get("identity") if isinstance(context, Mapping) else None
    arn = identity.get("userArn") if isinstance(identity, Mapping) else None
    return arn if isinstance(arn, str) else "unknown"
