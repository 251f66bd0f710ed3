"""Commands parsed from HTTP events, direct payloads and EventBridge events."""

import base64
from typing import Any

import pytest

from tests.functions.world import CALLER, proxy_event
from token_broker import events
from token_broker.document import Document
from token_broker.errors import InvalidRequest

INVOKED = "arn:aws:lambda:eu-west-1:123456789012:function:token-broker:live"
PREFIX = "token-broker/test/vntana/"


def refused(call: Any, *arguments: Any) -> str:
    with pytest.raises(InvalidRequest) as raised:
        call(*arguments)
    return raised.value.detail


def http(**changes: Any) -> dict[str, Any]:
    return proxy_event("vntana", "acme") | changes


# The gateway


@pytest.mark.parametrize(
    ("method", "rest", "action"),
    [
        ("POST", "/token", "token"),
        ("DELETE", "/token", "forget"),
        ("GET", "", "status"),
        ("POST", "/check", "check"),
        ("POST", "/verify", "verify"),
        ("POST", "/probe", "probe"),
        ("PUT", "/hold", "hold"),
        ("DELETE", "/hold", "lift"),
    ],
)
def test_each_route_has_its_action(method: str, rest: str, action: str) -> None:
    event = proxy_event("vntana", "acme", {"a": 1}, method=method, rest=rest)
    command = events.http_command(event, "vntana")
    assert (command.action, command.connection, command.caller) == (action, "acme", CALLER)
    assert command.body.seconds("a") == 1
    assert "acme" in repr(command)
    assert "body" not in repr(command)


@pytest.mark.parametrize(
    "changes",
    [
        {"httpMethod": "GET"},
        {"httpMethod": None},
        {"resource": None},
        {"resource": "/v1/editor/{connection}/token"},
        {"resource": "/v2/v1/vntana/{connection}/token"},
        {"resource": "/v1/vntana/{connection}"},
        {"resource": "/token"},
    ],
)
def test_any_other_route_is_refused(changes: dict[str, Any]) -> None:
    detail = refused(events.http_command, http(**changes), "vntana")
    assert detail == "path: there is no such route"


LONGEST = "a" * 63


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a--", LONGEST])
def test_a_valid_connection_name_is_accepted(name: str) -> None:
    event = http(pathParameters={"connection": name})
    assert events.http_command(event, "vntana").connection == name
    assert events.direct_command({"connection": name}).connection == name


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a/b", "a\n", f"{LONGEST}a", None, 7, "*"])
def test_an_invalid_connection_name_is_refused(name: object) -> None:
    detail = "connection: must match [a-z0-9][a-z0-9-]{0,62}"
    event = http(pathParameters={"connection": name})
    assert refused(events.http_command, event, "vntana") == detail
    if isinstance(name, str) and name.strip():
        assert refused(events.direct_command, {"connection": name}) == detail


@pytest.mark.parametrize("parameters", [None, [], {}])
def test_a_path_without_a_connection_is_refused(parameters: object) -> None:
    event = http(pathParameters=parameters)
    assert refused(events.http_command, event, "vntana").startswith("connection: ")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


WANTS_NINE = '{"min_ttl": 9}'
NO_JSON = "body: is not JSON"
NO_TEXT = "body: must be a text of at most 262144 characters"


@pytest.mark.parametrize(
    ("body", "is_encoded"),
    [
        (WANTS_NINE, False),
        (WANTS_NINE, None),
        (WANTS_NINE, "true"),
        (encoded(WANTS_NINE), True),
        (WANTS_NINE.ljust(262_144), False),
    ],
)
def test_a_json_body_is_read_plain_or_base64_encoded(body: str, is_encoded: object) -> None:
    command = events.http_command(http(body=body, isBase64Encoded=is_encoded), "vntana")
    assert command.body.seconds("min_ttl") == 9


@pytest.mark.parametrize("body", [None, ""])
def test_an_empty_body_has_no_fields(body: str | None) -> None:
    events.http_command(http(body=body), "vntana").body.finish()


@pytest.mark.parametrize(
    ("body", "is_encoded", "detail"),
    [
        ("{", False, NO_JSON),
        ("[" * 100_000, False, NO_JSON),
        (encoded("{}"), False, NO_JSON),
        ("{}", True, NO_JSON),
        ("e3 0=", True, NO_JSON),
        (base64.b64encode(b"\xff").decode(), True, NO_JSON),
        ({}, False, NO_TEXT),
        (7, False, NO_TEXT),
        (WANTS_NINE.ljust(262_145), False, NO_TEXT),
        ("[]", False, "body: must be a JSON object"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(
    body: object, is_encoded: bool, detail: str
) -> None:
    event = http(body=body, isBase64Encoded=is_encoded)
    assert refused(events.http_command, event, "vntana") == detail


# Who calls


@pytest.mark.parametrize(
    ("context", "caller"),
    [
        ({"identity": {"userArn": CALLER}}, CALLER),
        ({"identity": {"userArn": None}}, "unknown"),
        ({"identity": None}, "unknown"),
        ({}, "unknown"),
        (None, "unknown"),
    ],
)
def test_the_caller_of_an_http_event_is_its_signer(context: object, caller: str) -> None:
    assert events.described(http(requestContext=context), INVOKED)["caller"] == caller
    assert events.is_http(http(requestContext=context))


@pytest.mark.parametrize(
    ("event", "invoked", "caller"),
    [
        ({"connection": "acme"}, INVOKED, "direct invocation of live"),
        ({"connection": "acme"}, INVOKED.removesuffix(":live"), "direct invocation"),
        ({"connection": "acme"}, "", "direct invocation"),
        (None, INVOKED, "direct invocation of live"),
        ({"source": "aws.secretsmanager"}, INVOKED, "direct invocation of live"),
        ({"source": "aws.s3", "detail": {}}, INVOKED, "direct invocation of live"),
        ({"source": "aws.secretsmanager", "detail": {}}, INVOKED, "secret changed"),
    ],
)
def test_the_caller_of_a_direct_invocation_is_its_alias(
    event: object, invoked: str, caller: str
) -> None:
    assert events.described(event, invoked)["caller"] == caller


TOKEN = {"action": "token", "connection": "acme"}


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (http(), TOKEN),
        (http(resource="/v1/x"), {"connection": "acme"}),
        (http(pathParameters={"connection": "ACME"}), {"action": "token"}),
        (http(pathParameters=None), {"action": "token"}),
        ({"connection": "acme"}, TOKEN),
        ({"connection": "acme", "action": "warm"}, TOKEN | {"action": "warm"}),
        ({"connection": "a b", "action": "x"}, {}),
        ({"connection": ["acme"], "action": ["token"]}, {}),
        ({"source": "aws.secretsmanager", "detail": {}}, {"action": "rotate"}),
    ],
)
def test_only_a_valid_action_and_a_valid_connection_are_logged(
    event: dict[str, Any], shown: dict[str, str]
) -> None:
    found = events.described(event, INVOKED)
    entrance = "api" if "resource" in event else "event" if "source" in event else "direct"
    assert found == {"entrance": entrance, "caller": found["caller"]} | shown


# Direct invocations


@pytest.mark.parametrize(
    "action",
    ["token", "status", "forget", "hold", "lift", "check", "verify", "probe", "renew", "rotate"],
)
def test_each_action_of_a_direct_payload_is_accepted(action: str) -> None:
    command = events.direct_command({"connection": "acme", "action": action, "a": {}}, INVOKED)
    assert (command.action, command.connection) == (action, "acme")
    assert command.caller == "direct invocation of live"
    assert command.body.mapping("a") == {}
    command.body.finish()


def test_the_default_action_is_token_and_warm_needs_no_connection() -> None:
    assert events.direct_command({"connection": "acme"}).action == "token"
    warming = events.direct_command({"action": "warm", "connection": "acme"})
    assert (warming.action, warming.connection) == ("warm", "*")
    assert warming.caller == "direct invocation"
    assert warming.body.text("connection") == "acme"


def test_an_unknown_action_is_refused_with_the_list_of_actions() -> None:
    known = "token, status, forget, hold, lift, check, verify, probe, renew, rotate, warm"
    detail = f"action: must be one of {known}"
    assert refused(events.direct_command, {"connection": "acme", "action": "x"}) == detail
    assert refused(events.direct_command, []) == "body: must be a JSON object"
    assert refused(events.direct_command, {}) == "connection: is missing"


# Members of a body

HASH = "0123456789abcdef" * 4


FINGERPRINT = "0123456789abcdef"


@pytest.mark.parametrize(
    ("name", "valid", "invalid", "form"),
    [
        (
            "rejected",
            [FINGERPRINT],
            [FINGERPRINT[1:], f"{FINGERPRINT}0", FINGERPRINT.upper(), f"{FINGERPRINT}\n"],
            "a fingerprint: 16 hex digits",
        ),
        (
            "variant",
            ["-", HASH],
            ["--", HASH[1:], f"{HASH}0", HASH.upper()],
            "a variant's key",
        ),
        (
            "version",
            ["v1", "a_B-9", "x" * 64],
            ["x" * 65, "a b", "a/b", "v1\n"],
            "the id of a secret's version",
        ),
        ("otherwise", ["acme"], ["ACME", "acme\n"], "a connection"),
    ],
)
def test_a_member_has_its_form_or_is_absent(
    name: str, valid: list[str], invalid: list[str], form: str
) -> None:
    """An invalid value is not quoted."""
    for value in valid:
        assert events.formed(Document({name: value}, InvalidRequest), name) == value
    for value in invalid:
        detail = refused(events.formed, Document({name: value}, InvalidRequest), name)
        assert detail == f"{name}: must be {form}"
    assert events.formed(Document({name: None}, InvalidRequest), name) is None
    assert events.formed(Document({}, InvalidRequest), name) is None


def test_the_number_of_variants_is_limited() -> None:
    def read(keys: object) -> list[str]:
        return events.variants(Document({"drop": keys}, InvalidRequest), "drop", 2)

    assert read(["-", HASH]) == ["-", HASH]
    assert events.variants(Document({}, InvalidRequest), "drop", 2) == []
    for wrong in (["-", "-", "-"], ["-", "x"], ["x", "-"]):
        assert refused(read, wrong) == "drop: must be at most 2 variants' keys"


def test_a_reason_has_200_printable_characters_at_most() -> None:
    """Blanks around it do not belong to it."""
    for value in ("x", " two words ", "x" * 200, " é " * 66):
        assert events.reason(Document({"reason": value}, InvalidRequest)) == value.strip()
    for value in ("two\nlines", "\u202e", "x" * 201):
        detail = refused(events.reason, Document({"reason": value}, InvalidRequest))
        assert detail == "reason: must be 1 to 200 printable characters"


# Events of Secrets Manager

ARN = f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{PREFIX}acme-AbCd12"


def rotation(event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    command = events.rotation_command(event, PREFIX)
    assert (command.action, command.caller) == ("rotate", "secret changed")
    body = {name: events.formed(command.body, name) for name in ("version", "otherwise")}
    command.body.finish()
    return command.connection, {name: value for name, value in body.items() if value}


def label(resources: object = (), **detail: Any) -> dict[str, Any]:
    return {
        "source": "aws.secretsmanager",
        "detail-type": "Secret Label Updated",
        "resources": list(resources) if isinstance(resources, tuple) else resources,
        "detail": {"labelUpdated": "AWSCURRENT", "versionId": "v2"} | detail,
    }


@pytest.mark.parametrize("moved", ["AWSPREVIOUS", "AWSPENDING", None])
def test_a_moved_label_other_than_awscurrent_is_refused(moved: str | None) -> None:
    event = label((ARN,), labelUpdated=moved)
    assert refused(rotation, event) == "detail: labelUpdated is not AWSCURRENT"


def call(**detail: Any) -> dict[str, Any]:
    kind = "AWS API Call via CloudTrail"
    return {"source": "aws.secretsmanager", "detail-type": kind, "detail": detail}


def requested(**parameters: Any) -> dict[str, Any]:
    return call(requestParameters=parameters)


def answered(**elements: Any) -> dict[str, Any]:
    return call(responseElements=elements)


BOTH = {
    "requestParameters": {"secretId": f"{PREFIX}other", "moveToVersionId": "v4"},
    "responseElements": {"arn": ARN, "versionId": "v3"},
}
TWO = {
    "responseElements": {"name": f"{PREFIX}first"},
    "additionalEventData": {"SecretId": f"{PREFIX}second"},
}


V2, V3, V4 = ({"version": version} for version in ("v2", "v3", "v4"))


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (label(name=f"{PREFIX}acme"), ("acme", V2)),
        (label((ARN,)), ("acme", V2)),
        (label(("arn:aws:s3:::b", ARN)), ("acme", V2)),
        (label(ARN, name=f"{PREFIX}acme"), ("acme", V2)),
        (label((ARN,), name=f"{PREFIX}other"), ("other", V2)),
        (label((ARN,), versionId=7), ("acme", {})),
        (label((ARN,), versionId="a b"), ("acme", {})),
        (label((f"{ARN[:-7]}-abcd12",)), ("acme", V2)),
        (label((f"{ARN[:-7]}-x",)), ("acme-x", V2)),
        (label(name=f"{PREFIX}acme-AbCd12"), None),
        (label(name=f"{PREFIX}acme-abcd12"), ("acme-abcd12", V2)),
        (label(name=f"x/{PREFIX}acme"), None),
        (label(name=PREFIX), None),
        (label(name=7), None),
        (label(), None),
        (answered(arn=ARN, versionId="v3"), ("acme", V3)),
        (answered(aRN=ARN), ("acme", {})),
        (answered(arn=f"{ARN[:-7]}-abcd12"), ("acme", {})),
        (answered(ARN=ARN), ("acme", {})),
        (answered(name=f"{PREFIX}acme"), ("acme", {})),
        (call(additionalEventData={"SecretId": ARN}), ("acme", {})),
        (requested(secretId=f"{PREFIX}acme", moveToVersionId="v4"), ("acme", V4)),
        (call(**BOTH), ("acme", V3)),
        (call(**TWO), ("first", {})),
        (requested(secretId=f"{ARN[:-7]}-abcd12"), ("acme-abcd12", {"otherwise": "acme"})),
        (requested(secretId=ARN), ("acme", {})),
        (requested(SecretId=ARN[:-7]), ("acme", {})),
        (call(requestParameters=None, responseElements=None), None),
        (requested(secretId=f"elsewhere/{PREFIX}acme"), None),
        (requested(secretId=f"{PREFIX}ACME"), None),
        ({"source": "aws.secretsmanager", "detail": None}, None),
    ],
)
def test_a_change_of_a_secret_rotates_its_connection(
    event: dict[str, Any], expected: tuple[str, dict[str, Any]] | None
) -> None:
    """An ARN of a response is complete; in a request, the suffix may be part of the name."""
    if expected:
        assert rotation(event) == expected
    else:
        assert refused(rotation, event) == "detail: it names no secret of this flow"
