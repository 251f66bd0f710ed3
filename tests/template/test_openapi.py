"""The OpenAPI document agrees with the code."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import validate

import token_broker_client
from tests.subjects import CHECKED, PROBED
from tests.template.api_rules import expected_routes, operations
from tests.template.documents import load
from tests.template.rules import sound
from token_broker import events
from token_broker.document import Document
from token_broker.errors import BrokerError, InvalidRequest
from token_broker.flows import every
from token_broker.status import Next, State
from token_broker.upstream_message import LONGEST
from token_broker_client import Broker
from token_broker_client.deadline import Deadline
from token_broker_client.request import Action, Command
from token_broker_descriptors import every as descriptors
from token_broker_fakes.fake import Fake
from token_broker_operations.signals import codes, leaves

API = load("openapi.yaml")
SCHEMAS = API["components"]["schemas"]
ERRORS = list(leaves(BrokerError))


def documented() -> set[tuple[str, str]]:
    """Return method and path of each operation."""
    return {
        (method, path)
        for path, item in API["paths"].items()
        for method in item.keys() & {"get", "post", "put", "delete", "patch"}
    }


def test_the_document_is_valid() -> None:
    """By the specification's own schema."""
    validate(API)


def test_the_documented_routes_are_those_of_code_and_template() -> None:
    """Method and path of each."""
    assert documented() == expected_routes()
    assert documented() == {(method, path) for method, path, _ in operations(sound())}


def test_the_documented_codes_and_statuses_are_those_of_the_errors() -> None:
    """All errors, and no others."""
    assert sorted(SCHEMAS["Code"]["enum"]) == sorted(codes())
    statuses = SCHEMAS["Problem"]["properties"]["status"]["enum"]
    assert statuses == sorted({error.status for error in ERRORS})


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_a_problem_has_the_documented_members(error: type[BrokerError]) -> None:
    """All required members, and no undocumented one."""
    schema = SCHEMAS["Problem"]
    plain = error("detail").problem()
    upstream = {"upstream_code": "X", "upstream_message": "No."}
    full = error("detail", retry_after=1, upstream_status=403, **upstream).problem()
    assert set(schema["required"]) == plain.keys()
    assert schema["properties"].keys() == full.keys()
    assert re.fullmatch(schema["properties"]["type"]["pattern"], full["type"])


def test_the_documented_words_patterns_and_bounds_are_those_of_the_code() -> None:
    assert SCHEMAS["Connection"]["pattern"] == f"^{events.CONNECTION.pattern}$"
    for name in ("Fingerprint", "Rejected"):
        assert SCHEMAS[name]["pattern"] == f"^{events.FINGERPRINT.pattern}$"
    assert SCHEMAS["Problem"]["properties"]["upstream_message"]["maxLength"] == LONGEST
    variant = SCHEMAS["Variant"]["properties"]
    for name, kind in (("state", State), ("next", Next)):
        assert variant[name]["enum"] == [one.value for one in kind]


FLOWS = every()

EXAMPLES: dict[str, Any] = {
    "min_ttl": 60,
    "rejected": "0123456789abcdef",
    "force": True,
    **{field.name: field.example for one in descriptors().values() for field in one.fields},
}


@pytest.mark.parametrize("flow", FLOWS)
def test_the_documented_body_fields_are_those_of_the_flow(flow: str) -> None:
    """The flow accepts each of them, and refuses others."""
    described = SCHEMAS[f"{flow.capitalize()}Request"]["properties"]
    for name, value in EXAMPLES.items():
        body = Document({name: value}, InvalidRequest)
        assert is_taken(flow, body) is (name in described), name
    assert described.keys() <= EXAMPLES.keys()


BODIES: Mapping[str, tuple[Action, str]] = {
    "min_ttl": ("token", "EditorRequest"),
    "rejected": ("token", "EditorRequest"),
    "force": ("token", "EditorRequest"),
    "reason": ("hold", "HoldRequest"),
    "token": ("verify", "VerifyRequest"),
}
"""The action that has each member in its body, if no flow adds it, and the schema of the body."""

VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, {}),
    *("", " ", "a", " a ", "a b", "é", "a\nb"),
    *("a" * 200, "a" * 201, "a" * 4096, "a" * 4097),
    *("0" * 15, "0" * 16, "f" * 16, "F" * 16, "0" * 17),
)


@pytest.mark.parametrize("name", BODIES)
def test_the_documented_values_are_those_that_the_broker_takes(
    fake_broker: Broker, name: str
) -> None:
    """At the limits of each."""
    action, schema = BODIES[name]
    valid = OAS30Validator({**SCHEMAS[schema]["properties"][name], **API}).is_valid
    for value in VALUES:
        command = Command("editor", "acme", action, {name: value})
        try:
            fake_broker._channel.call(command, Deadline.after(10.0))
        except token_broker_client.InvalidRequest:
            assert not valid(value), value
        else:
            assert valid(value), value


CALLS: tuple[tuple[Action, str, Mapping[str, Any]], ...] = (
    ("token", "{}Answer", {}),
    ("hold", "Holding", {"reason": "a test"}),
    ("status", "Status", {}),
    ("lift", "Holding", {}),
    ("check", "Checked", {}),
    ("token", "{}Answer", {"force": True}),
    ("status", "Status", {}),
    ("forget", "Forgotten", {}),
    ("probe", "Probed", {}),
)
"""Calls of each flow, in an order in which they succeed, and the schemas of their answers."""
OPTIONAL = {"check": CHECKED, "probe": PROBED}
"""Actions that not every flow has."""


@pytest.mark.parametrize("flow", FLOWS)
def test_an_answer_has_the_documented_members_and_no_optional_one(
    fake_broker: Broker, fake_vendors: Mapping[str, Fake[Any]], flow: str
) -> None:
    """At every depth: also of a state with a hold, or with a failure."""
    answers = []
    calls = [call for call in CALLS if flow in OPTIONAL.get(call[0], FLOWS)]
    for action, name, body in calls:
        fake_vendors[flow].heal()
        if "force" in body:
            fake_vendors[flow].fail("status", times=None)
        # The limit of forced exchanges counts a probe, too.
        connection = "demo" if action == "probe" else "acme"
        command = Command(flow, connection, action, body)
        answer: Any = fake_broker._channel.call(command, Deadline.after(10.0))
        schema = {"$ref": f"#/components/schemas/{name.format(flow.capitalize())}"}
        OAS30Validator({**schema, **API}).validate(answer)
        assert [*optional(schema, answer)] == [], action
        answers.append((action, answer))
    (held, failed) = (answer for action, answer in answers if action == "status")
    assert held["held"]
    assert [answer["stale"] for action, answer in answers if action == "token"] == [False, True]
    assert any(variant["failure"] for variant in failed["variants"])


def optional(schema: Mapping[str, Any], value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each member of *value* that *schema* does not describe and require.

    An object of which nothing is described may have any.
    """
    schema = named(schema)
    parts = [schema, *map(named, schema.get("allOf", ()))]
    if isinstance(value, list):
        for one in value:
            yield from optional(schema["items"], one, f"{path}[]")
    elif isinstance(value, dict) and any(
        {"required", "properties"} & part.keys() for part in parts
    ):
        required = {name for part in parts for name in part.get("required", ())}
        members = [part["properties"] for part in parts if "properties" in part]
        for name, member in value.items():
            described = [properties[name] for properties in members if name in properties]
            if name not in required or (members and not described):
                yield f"{path}.{name}"
            for one in described:
                yield from optional(one, member, f"{path}.{name}")


def named(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that *schema* refers to, or itself."""
    return SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def is_taken(flow: str, body: Document) -> bool:
    """Say whether the flow's function reads everything there is in *body*."""
    body.seconds("min_ttl", least=0)
    events.formed(body, "rejected")
    body.boolean("force", default=False)
    FLOWS[flow].requested(body)
    try:
        body.finish()
    except InvalidRequest:
        return False
    return True
