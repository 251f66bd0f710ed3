"""Commands: read from an API Gateway event, an EventBridge event, or the payload of an invocation.

Whatever is wrong in one raises `InvalidRequest`, which names the field.
"""

import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

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

LONGEST_REASON = 200
"""Characters of the reason of a hold."""

ROTATION = "secret changed"
"""The caller of a rotation that EventBridge starts."""

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


class Command(Record):
    """What to do with which connection. *body* has the other members, not read yet."""

    action: Action
    connection: str
    caller: str
    body: Document = field(repr=False)
    entrance: Entrance = "direct"


def is_http(event: Mapping[str, Any]) -> bool:
    """Say whether *event* is a request of API Gateway, whose answer is an HTTP response."""
    return "requestContext" in event


def is_rotation(event: Mapping[str, Any]) -> bool:
    """Say whether *event* is EventBridge's event of a changed secret."""
    return event.get("source") == "aws.secretsmanager" and "detail" in event


def described(event: object, invoked: str) -> dict[str, str]:
    """Return what the log shows of *event* and its caller, even if *event* is wrong.

    *invoked* is the ARN of the invocation. Only a connection and an action are quoted.
    """
    members = event if isinstance(event, Mapping) else {}
    if is_http(members):
        _, action = _routed(members)
        found = {
            "entrance": "api",
            "caller": _signer(members),
            "action": action,
            "connection": _mapping(members.get("pathParameters")).get("connection"),
        }
    elif is_rotation(members):
        found = {"entrance": "event", "caller": ROTATION, "action": "rotate"}
    else:
        action = members.get("action", "token")
        found = {
            "entrance": "direct",
            "caller": _invoker(invoked),
            "action": action if isinstance(action, str) and action in DIRECT else None,
            "connection": members.get("connection"),
        }
    connection = found.pop("connection", None)
    if isinstance(connection, str) and CONNECTION.fullmatch(connection):
        found["connection"] = connection
    return {name: value for name, value in found.items() if isinstance(value, str)}


def http_command(event: Mapping[str, Any], flow: str) -> Command:
    """Return the command in a proxy event of a REST API."""
    routed, action = _routed(event)
    if routed != flow or action is None:
        raise InvalidRequest("path: there is no such route")
    document = Document(_body(event), InvalidRequest)
    connection = _connection(_mapping(event.get("pathParameters")).get("connection"))
    return Command(action, connection, _signer(event), document, "api")


def direct_command(event: object, invoked: str = "") -> Command:
    """Return the command in the payload of an invocation of the function *invoked*, an ARN."""
    members = Document(event, InvalidRequest)
    action = members.choice("action", *DIRECT)
    connection = EVERY if action == "warm" else _connection(members.text("connection"))
    return Command(action, connection, _invoker(invoked), members)  # type: ignore[arg-type]  # one of DIRECT


def _routed(event: Mapping[str, Any]) -> tuple[str | None, Action | None]:
    """Return the flow and the action of a request. None for each if there is no such route."""
    resource = event.get("resource")
    found = ROUTE.fullmatch(resource) if isinstance(resource, str) else None
    if not found:
        return None, None
    return found["flow"], ROUTES.get((str(event.get("httpMethod")), found["rest"] or ""))


def formed(body: Document, name: str) -> str | None:
    """Return the member *name*, which has one of the `FORMS`. None where it is absent or null."""
    pattern, words = FORMS[name]
    value = body.optional_text(name)
    if value is not None and not pattern.fullmatch(value):
        raise body.wrong(name, f"must be {words}")
    return value


def reason(body: Document) -> str:
    """Return why a connection is held."""
    value = body.text("reason")
    if not value.isprintable() or len(value) > LONGEST_REASON:
        raise body.wrong("reason", f"must be 1 to {LONGEST_REASON} printable characters")
    return value.strip()


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
            text = binascii.a2b_base64(text, strict_mode=True).decode()
        return json.loads(text)
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidRequest("body: is not JSON") from None


def _invoker(arn: str) -> str:
    """Return the caller of the function *arn*, by its alias: a team may have its own."""
    alias = arn.split(":")[7:]
    return f"direct invocation of {alias[0]}" if alias else "direct invocation"


def _signer(event: Mapping[str, Any]) -> str:
    """Return the IAM ARN of the caller that signed the request."""
    identity = _mapping(_mapping(event["requestContext"]).get("identity"))
    arn = identity.get("userArn")
    return arn if isinstance(arn, str) else "unknown"


LABEL_UPDATED = "Secret Label Updated"
CURRENT = "AWSCURRENT"
NAMES = ("arn", "aRN", "ARN", "SecretId", "secretId", "name")
"""Members that name a secret. Some events of CloudTrail write ``aRN``."""

SUFFIX = re.compile(r"-[A-Za-z0-9]{6}")


def rotation_command(event: Mapping[str, Any], prefix: str) -> Command:
    """Return the command for an event of a changed secret, called *prefix* and the connection."""
    found, version = _of_label(event, prefix) or _of_call(event, prefix)
    if not found:
        raise InvalidRequest("detail: it names no secret of this flow")
    named = {"otherwise": found[1]} if len(found) > 1 else {}
    if isinstance(version, str) and FORMS["version"][0].fullmatch(version):
        named["version"] = version
    return Command("rotate", found[0], ROTATION, Document(named, InvalidRequest), "event")


def _of_label(event: Mapping[str, Any], prefix: str) -> tuple[Sequence[str], object] | None:
    """Return the connection and the version of Secrets Manager's own event; None if it is none."""
    if event.get("detail-type") != LABEL_UPDATED:
        return None
    detail = _mapping(event.get("detail"))
    if detail.get("labelUpdated") != CURRENT:
        raise InvalidRequest(f"detail: labelUpdated is not {CURRENT}")
    resources = event.get("resources")
    named = [detail.get("name"), *(resources if isinstance(resources, list) else [])]
    return _first(named, prefix, is_whole=True), detail.get("versionId")


def _of_call(event: Mapping[str, Any], prefix: str) -> tuple[Sequence[str], object]:
    """Return what may be the connection, the likeliest first, and the version of a call."""
    detail = _mapping(event.get("detail"))
    parameters, elements, added = (
        _mapping(detail.get(part))
        for part in ("requestParameters", "responseElements", "additionalEventData")
    )
    full = [part.get(name) for part in (elements, added) for name in NAMES]
    found = _first(full, prefix, is_whole=True)
    if not found:
        found = _first([parameters.get(name) for name in NAMES], prefix, is_whole=False)
    return found, elements.get("versionId") or parameters.get("moveToVersionId")


def _first(texts: Sequence[object], prefix: str, *, is_whole: bool) -> Sequence[str]:
    """Return the connections for the first of *texts* that names a secret of this flow."""
    return next((names for text in texts if (names := _named(text, prefix, is_whole))), ())


def _named(text: object, prefix: str, is_whole: bool) -> Sequence[str]:
    """Return the connections that a name or an ARN may stand for, the most likely first."""
    if not isinstance(text, str):
        return ()
    is_arn = text.startswith("arn:")
    name = text.partition(":secret:")[2] if is_arn else text
    if not name.startswith(prefix):
        return ()
    found = name.removeprefix(prefix)
    has_suffix = is_arn and SUFFIX.fullmatch(found[-7:])
    names = [] if has_suffix and is_whole else [found]
    names += [found[:-7]] if has_suffix else []
    return [one for one in names if CONNECTION.fullmatch(one)]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
