"""Arbitrary input from callers gets a documented error, never an internal one."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets.callers import CheckedTelemetry, isolated
from token_broker.flows import every
from token_broker_local.functions import LambdaContext

FLOWS = every()

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["demo", "a\r\nb", "../x", "\ud800", "0123456789abcdef", "-", "x" * 70_000]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("min_ttl", "rejected", "force", "organization", "workspace", "parameters", "x")
BODY = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON))
NAMES = ("action", "connection", "min_ttl", "rejected", "force", "parameters", "variant", "token")
DIRECT = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JSON)) | JSON
WIRE = st.text() | BODY.map(json.dumps) | st.just("[" * 100_000) | JSON
RESOURCES = [
    f"/v1/{flow}/{{connection}}{rest}"
    for flow in FLOWS
    for rest in ("", "/token", "/verify", "/x", "/token/token")
]
REST = st.fixed_dictionaries(
    {"requestContext": JSON | st.just({"identity": {"userArn": "arn:aws:iam::1:user/u"}})},
    optional={
        "resource": st.sampled_from(RESOURCES) | JSON,
        "httpMethod": st.sampled_from(["GET", "POST", "DELETE", "PUT"]) | JSON,
        "pathParameters": st.just({"connection": "demo"}) | JSON,
        "body": WIRE,
        "isBase64Encoded": st.booleans() | JSON,
    },
)
VERSION_2 = st.fixed_dictionaries(
    {"version": st.just("2.0"), "routeKey": st.text(), "rawPath": st.text()},
    optional={"requestContext": JSON, "body": WIRE, "headers": JSON},
)
CHANGED = st.fixed_dictionaries(
    {"source": st.just("aws.secretsmanager"), "detail": JSON},
    optional={"detail-type": JSON},
) | st.builds(
    lambda part, value: {"source": "aws.secretsmanager", "detail": {part: value}},
    st.sampled_from(["requestParameters", "responseElements", "additionalEventData"]),
    st.dictionaries(st.sampled_from(["secretId", "arn", "name"]), JSON),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(event=REST | VERSION_2, flow=st.sampled_from(list(FLOWS)))
def test_any_http_event_gets_a_response_without_an_internal_error(
    event: dict[str, Any], flow: str
) -> None:
    """The response says `invalid_request`, or that the table cannot be read."""
    service = isolated(FLOWS[flow], CheckedTelemetry(flow))
    if "requestContext" not in event:
        with pytest.raises(Exception, match=r"urn:token-broker:"):
            service(event, LambdaContext("token-broker"))
        return
    response = service(event, LambdaContext("token-broker"))
    body = json.loads(response["body"])
    assert (response["statusCode"], body["code"]) in {
        (400, "invalid_request"),
        (503, "store_unavailable"),
    }
    assert json.dumps(response, allow_nan=False)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(event=DIRECT | CHANGED, flow=st.sampled_from(list(FLOWS)))
def test_any_direct_payload_raises_a_documented_error(event: Any, flow: str) -> None:
    """The message is the problem, as JSON."""
    service = isolated(FLOWS[flow], CheckedTelemetry(flow))
    with pytest.raises(Exception, match=r"urn:token-broker:") as raised:
        service(event, LambdaContext("token-broker"))
    assert type(raised.value).__name__ in {"InvalidRequest", "StoreUnavailable"}
