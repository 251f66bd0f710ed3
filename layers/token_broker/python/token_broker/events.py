"""Commands, read from an event of API Gateway or from the payload of an invocation.

An error in one raises `InvalidRequest`, which names the field.
"""

import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

from token_broker.document import Document
from token_broker.errors import InvalidRequest
from token_broker.records import Record, field

CONNECTION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
FINGERPRINT = re.compile(r"[0-9a-f]{16}")
VARIANT = re.compile(r"-|[0-9a-f]{64}")
FORMS: Mapping[str, tuple[re.Pattern[str], str]] = {
    "rejected": (FINGERPRINT, "a fingerprint: 16 hex digits"),
    "variant": (VARIANT, "a variant's key"),
    "version": (re.compile(r"[A-Za-z0-9_-]{1,64}"), "the id of a secret's version"),
    "otherwise": (CONNECTION, "a connection"),
}
"""Optional members of a body by name, each with its form, and the form in words."""

ROUTE = re.compile(r"/v1/(?P<flow>[^/]+)/\{connection\}(?:/(?P<rest>\w+))?")
LARGEST_BODY = 262_144
"""Characters of a request's body, at most. A usual one has a few hundred."""

EVERY = "*"
"""Stands for the connection in a command that names its connections in its body."""

Entrance = Literal["api", "direct", "event"]
"""How a call arrives: by API Gateway, an invocation of the function, or EventBridge."""

Action = Literal[
    "token", "status", "forget", "hold", "lift", "check", "verify", "probe",
    "renew", "rotate", "warm",
]  # fmt: skip
ROUTES: Mapping[tuple[str, str], Action] = {
    ("POST", "token"): "token",
    ("GET", ""): "status",
    ("DELETE", "token"): "forget",
    ("POST", "check"): "check",
    ("POST", "verify"): "verify",
    ("POST", "probe"): "probe",
    ("PUT", "hold"): "hold",
    ("DELETE", "hold"): "lift",
}
"""Method and what follows ``/v1/<flow>/{connection}/`` in the path."""

DIRECT: tuple[Action, ...] = get_args(Action)

FOR_SERVICES = re.compile(r"live|[0-9]+|\$LATEST|")
"""The alias, or the version, by which API Gateway and EventBridge invoke a function: ``live``. A
test system may use a version, or none. Any other alias is a team's, for direct invocations only."""


class Origin(NamedTuple):
    """Where a call comes from, for the audit lines.

    Lambda says the *alias*, or the version, that was invoked: empty if the invocation named none.
    *entrance* and *caller* may be what the event says: see `origin_of`.
    """

    entrance: Entrance
    caller: str
    alias: str


class Command(Record):
    """What to do with which connection. *body* has the other members, not read yet."""

    action: Action
    connection: str
    origin: Origin
    body: Document = field(repr=False)


def origin_of(event: object, invoked: str) -> Origin:
    """Return where *event* comes from. *invoked* is the ARN of the invocation.

    A team may invoke its own alias with any payload. So every payload is a direct invocation there,
    also one in the form of API Gateway's or EventBridge's events: it cannot name a caller.
    """
    alias = ":".join(invoked.split(":")[7:])
    if isinstance(event, Mapping) and FOR_SERVICES.fullmatch(alias):
        if "requestContext" in event:
            return Origin("api", _signer(event), alias)
        if event.get("source") == "aws.secretsmanager" and "detail" in event:
            return Origin("event", "secret changed", alias)
    caller = f"direct invocation of {alias}" if alias else "direct invocation"
    return Origin("direct", caller, alias)


def described(event: object, origin: Origin) -> dict[str, str]:
    """Return what the log shows of *event* and its caller, even if *event* is wrong.

    Only a valid connection and a valid action are quoted.
    """
    members = mapping(event)
    action, connection = members.get("action", "token"), members.get("connection")
    if origin.entrance == "api":
        action, connection = _routed(members)[1], _path_connection(members)
    elif origin.entrance == "event":
        action, connection = "rotate", None
    shown: dict[str, str] = dict(origin._asdict())
    if action in DIRECT:
        shown["action"] = action
    if isinstance(connection, str) and CONNECTION.fullmatch(connection):
        shown["connection"] = connection
    return shown


def http_command(event: Mapping[str, Any], origin: Origin, flow: str) -> Command:
    """Return the command in a proxy event of a REST API."""
    routed, action = _routed(event)
    if routed != flow or action is None:
        raise InvalidRequest("path: there is no such route")
    document = Document(_body(event), InvalidRequest)
    return Command(action, _connection(_path_connection(event)), origin, document)


def direct_command(event: object, origin: Origin) -> Command:
    """Return the command in the payload of a direct invocation."""
    members = Document(event, InvalidRequest)
    action = members.choice("action", *DIRECT)
    connection = EVERY if action == "warm" else _connection(members.text("connection"))
    return Command(action, connection, origin, members)  # type: ignore[arg-type]  # one of DIRECT


def _routed(event: Mapping[str, Any]) -> tuple[str | None, Action | None]:
    """Return the flow and the action of a request. None for each if there is no such route."""
    resource = event.get("resource")
    found = ROUTE.fullmatch(resource) if isinstance(resource, str) else None
    if not found:
        return None, None
    return found["flow"], ROUTES.get((str(event.get("httpMethod")), found["rest"] or ""))


def _path_connection(event: Mapping[str, Any]) -> object:
    """Return what the path of a request names as its connection."""
    return mapping(event.get("pathParameters")).get("connection")


def formed(body: Document, name: str) -> str | None:
    """Return the member *name*, which has one of the `FORMS`. None where it is absent or null."""
    pattern, words = FORMS[name]
    value = body.optional_text(name)
    if value is not None and not pattern.fullmatch(value):
        raise body.wrong(name, f"must be {words}")
    return value


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
            text = binascii.a2b_base64(text, strict_mode=True).decode()
        return json.loads(text)
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidRequest("body: is not JSON") from None


def _signer(event: Mapping[str, Any]) -> str:
    """Return the IAM ARN of the caller that signed the request."""
    identity = mapping(mapping(event["requestContext"]).get("identity"))
    arn = identity.get("userArn")
    return arn if isinstance(arn, str) else "unknown"


def mapping(value: object) -> Mapping[str, Any]:
    """Return *value* if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}
