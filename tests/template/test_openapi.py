"""The OpenAPI document agrees with the code."""

import re
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import validate

from tests.template.api_rules import expected_routes, operations
from tests.template.documents import load
from tests.template.rules import sound
from token_broker import events
from token_broker.document import Document
from token_broker.errors import BrokerError, InvalidRequest
from token_broker.flows import every
from token_broker_client import Broker
from token_broker_client.deadline import Deadline
from token_broker_client.request import Command
from token_broker_descriptors import every as descriptors
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
    full = error(
        "detail",
        retry_after=1,
        upstream_status=403,
        upstream_code="X",
        upstream_message="No.",
    ).problem()
    assert set(schema["required"]) == plain.keys()
    assert schema["properties"].keys() == full.keys()
    assert re.fullmatch(schema["properties"]["type"]["pattern"], full["type"])


def test_the_documented_patterns_are_those_of_the_code() -> None:
    """For connections and fingerprints."""
    assert SCHEMAS["Connection"]["pattern"] == f"^{events.CONNECTION.pattern}$"
    assert SCHEMAS["Fingerprint"]["pattern"] == f"^{events.FINGERPRINT.pattern}$"
    assert SCHEMAS["Rejected"]["pattern"] == SCHEMAS["Fingerprint"]["pattern"]


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


@pytest.mark.parametrize("flow", FLOWS)
def test_an_answer_has_the_documented_members_and_no_optional_one(
    fake_broker: Broker, flow: str
) -> None:
    """It satisfies the flow's schema; without any of its members it would not."""
    schema = {"$ref": f"#/components/schemas/{flow.capitalize()}Answer", **API}
    valid = OAS30Validator(schema).is_valid
    answer = dict(
        fake_broker._channel.call(Command(flow, "acme", "token", {}), Deadline.after(10.0))
    )
    assert valid(answer)
    for name in answer:
        assert not valid({key: value for key, value in answer.items() if key != name}), name
    described = descriptors()[flow].answer["properties"]
    for part in ("headers", "context"):
        for name in described.get(part, {}).get("required", ()):
            less = {key: value for key, value in answer[part].items() if key != name}
            assert not valid(answer | {part: less}), name


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
