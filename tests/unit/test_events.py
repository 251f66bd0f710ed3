"""Commands parsed from HTTP events, direct payloads and EventBridge events."""

import base64
from typing import Any

import pytest

from tests.functions.world import CALLER, proxy_event
from token_broker import events
from token_broker.document import Document
from token_broker.errors import InvalidRequest
from token_broker.events import Origin
from token_broker.rotation_events import rotation_command

INVOKED = "arn:aws:lambda:eu-west-1:123456789012:function:token-broker:live"
PREFIX = "token-broker/test/vntana/"
BY_API = Origin("api", CALLER, "live")
DIRECT = Origin("direct", "direct invocation of live", "live")
BY_EVENT = Origin("event", "secret changed", "live")


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
    command = events.http_command(event, BY_API, "vntana")
    assert (command.action, command.connection, command.origin) == (action, "acme", BY_API)
    assert command.body.seconds("a") == 1
    assert "acme" in repr(command)
    assert "body" not in repr(command)


def test_any_other_route_is_refused() -> None:
    resources = ["/v1/editor/{connection}/token", "/v2/v1/vntana/{connection}/token"]
    resources += ["/v1/vntana/{connection}", "/token"]
    wrong: list[dict[str, Any]] = [{"resource": resource} for resource in (None, *resources)]
    for changes in (*wrong, {"httpMethod": "GET"}, {"httpMethod": None}):
        detail = refused(events.http_command, http(**changes), BY_API, "vntana")
        assert detail == "path: there is no such route"


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a--", "a" * 63])
def test_a_valid_connection_name_is_accepted(name: str) -> None:
    event = http(pathParameters={"connection": name})
    assert events.http_command(event, BY_API, "vntana").connection == name
    assert events.direct_command({"connection": name}, DIRECT).connection == name


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a/b", "a\n", "a" * 64, None, 7, "*"])
def test_an_invalid_connection_name_is_refused(name: object) -> None:
    detail = "connection: must match [a-z0-9][a-z0-9-]{0,62}"
    event = http(pathParameters={"connection": name})
    assert refused(events.http_command, event, BY_API, "vntana") == detail
    if isinstance(name, str) and name.strip():
        assert refused(events.direct_command, {"connection": name}, DIRECT) == detail
    parameters: object
    for parameters in (None, [], {}):
        event = http(pathParameters=parameters)
        assert refused(events.http_command, event, BY_API, "vntana").startswith("connection: ")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


WANTS_NINE = '{"min_ttl": 9, "organization": "büro"}'
NO_JSON = "body: is not JSON"
NO_TEXT = "body: must be a text of at most 262144 characters"


@pytest.mark.parametrize(
    ("body", "is_encoded"),
    [
        *((WANTS_NINE, not_true) for not_true in (False, None, "true")),
        (encoded(WANTS_NINE), True),
        (WANTS_NINE.ljust(262_144), False),
    ],
)
def test_a_json_body_is_read_plain_or_base64_encoded(body: str, is_encoded: object) -> None:
    command = events.http_command(http(body=body, isBase64Encoded=is_encoded), BY_API, "vntana")
    assert (command.body.seconds("min_ttl"), command.body.text("organization")) == (9, "büro")
    for empty in (None, ""):
        events.http_command(http(body=empty), BY_API, "vntana").body.finish()


@pytest.mark.parametrize(
    ("body", "is_encoded", "detail"),
    [
        *((text, False, NO_JSON) for text in ("{", "[" * 100_000, encoded("{}"))),
        *((text, True, NO_JSON) for text in ("{}", "e3 0=", "/w==")),
        *((other, False, NO_TEXT) for other in (["{}"], 7, WANTS_NINE.ljust(262_145))),
        ("[]", False, "body: must be a JSON object"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(
    body: object, is_encoded: bool, detail: str
) -> None:
    """Base64 is read strictly, and what it encodes must be UTF-8."""
    event = http(body=body, isBase64Encoded=is_encoded)
    assert refused(events.http_command, event, BY_API, "vntana") == detail


# Who calls


def test_the_caller_of_an_http_event_is_its_signer() -> None:
    unsigned: tuple[object, ...] = ({"identity": {"userArn": None}}, {"identity": None}, {}, None)
    for context in ({"identity": {"userArn": CALLER}}, *unsigned):
        caller = "unknown" if context in unsigned else CALLER
        event = http(requestContext=context)
        assert events.origin_of(event, INVOKED) == Origin("api", caller, "live")


def test_the_caller_of_a_direct_invocation_is_its_alias() -> None:
    """Unless it is an event of Secrets Manager."""
    call, secret = {"connection": "acme"}, {"source": "aws.secretsmanager"}
    for event in (call, None, secret, {"source": "aws.s3", "detail": {}}):
        assert events.origin_of(event, INVOKED) == DIRECT
    for without_alias in (INVOKED.removesuffix(":live"), ""):
        assert events.origin_of(call, without_alias) == Origin("direct", "direct invocation", "")
    assert events.origin_of(secret | {"detail": {}}, INVOKED) == BY_EVENT


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
        *(
            ({"source": "aws.secretsmanager", "detail": {}} | extra, {"action": "rotate"})
            for extra in ({}, TOKEN)
        ),
    ],
)
def test_only_a_valid_action_and_a_valid_connection_are_logged(
    event: dict[str, Any], shown: dict[str, str]
) -> None:
    origin = BY_API if "resource" in event else BY_EVENT if "source" in event else DIRECT
    assert events.described(event, origin) == origin._asdict() | shown


# Direct invocations


ACTIONS = "token, status, forget, hold, lift, check, verify, probe, renew, rotate, warm"


def test_each_action_of_a_direct_payload_is_accepted() -> None:
    """The default is `token`; `warm` needs no connection."""
    for action in ACTIONS.split(", ")[:-1]:
        command = events.direct_command({"connection": "acme", "action": action, "a": {}}, DIRECT)
        assert (command.action, command.connection, command.origin) == (action, "acme", DIRECT)
        assert command.body.mapping("a") == {}
        command.body.finish()
    assert events.direct_command({"connection": "acme"}, DIRECT).action == "token"
    warming = events.direct_command({"action": "warm", "connection": "acme"}, DIRECT)
    assert (warming.action, warming.connection) == ("warm", "*")
    assert warming.body.text("connection") == "acme"


def test_an_unknown_action_is_refused_with_the_list_of_actions() -> None:
    detail = f"action: must be one of {ACTIONS}"
    assert refused(events.direct_command, {"connection": "acme", "action": "x"}, DIRECT) == detail
    assert refused(events.direct_command, [], DIRECT) == "body: must be a JSON object"
    assert refused(events.direct_command, {}, DIRECT) == "connection: is missing"


# Members of a body

FINGERPRINT = "0123456789abcdef"
HASH = FINGERPRINT * 4
ODD_FINGERPRINTS = [FINGERPRINT[1:], f"{FINGERPRINT}0", FINGERPRINT.upper(), f"{FINGERPRINT}\n"]
ODD_VERSIONS = ["x" * 65, "a b", "a/b", "v1\n"]


@pytest.mark.parametrize(
    ("name", "valid", "invalid", "form"),
    [
        ("rejected", [FINGERPRINT], ODD_FINGERPRINTS, "a fingerprint: 16 hex digits"),
        ("variant", ["-", HASH], ["--", HASH[1:], f"{HASH}0", HASH.upper()], "a variant's key"),
        ("version", ["v1", "a_B-9", "x" * 64], ODD_VERSIONS, "the id of a secret's version"),
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


# Events of Secrets Manager

ARN = f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{PREFIX}acme-AbCd12"


def rotation(event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    command = rotation_command(event, BY_EVENT, PREFIX)
    assert (command.action, command.origin) == ("rotate", BY_EVENT)
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


def test_a_moved_label_other_than_awscurrent_is_refused() -> None:
    for moved in ("AWSPREVIOUS", "AWSPENDING", None):
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
        (label(None, name=f"{PREFIX}acme"), ("acme", V2)),
        (label(("arn:aws:s3:::b", ARN)), ("acme", V2)),
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
        *(
            (requested(secretId=name), None)
            for name in (f"elsewhere/{PREFIX}acme", f"{PREFIX}ACME")
        ),
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
