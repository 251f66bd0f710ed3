"""The OpenAPI document says what the code does."""

import re
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests.template.documents import load
from tests.template.entrance import expected_routes, operations
from tests.template.rules import sound
from token_broker import events
from token_broker.document import Document
from token_broker.errors import BrokerError, InvalidRequest
from token_broker.flows import every
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


def test_it_is_valid() -> None:
    """By the specification's own schema."""
    validate(API)


def test_routes() -> None:
    """Those of the code, which are those of the template."""
    assert documented() == expected_routes()
    assert documented() == {(method, path) for method, path, _ in operations(sound())}


def test_codes() -> None:
    """Each error, and nothing else."""
    assert sorted(SCHEMAS["Code"]["enum"]) == sorted(codes())
    statuses = SCHEMAS["Problem"]["properties"]["status"]["enum"]
    assert statuses == sorted({error.status for error in ERRORS})


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_a_problem_is_as_described(error: type[BrokerError]) -> None:
    """It has what is required, and no member that is not described."""
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


def test_patterns() -> None:
    """What a connection and a fingerprint look like."""
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
def test_a_body_has_the_fields_that_are_read(flow: str) -> None:
    """Each described field is taken by the flow, and every other is refused."""
    described = SCHEMAS[f"{flow.capitalize()}Request"]["properties"]
    for name, value in EXAMPLES.items():
        body = Document({name: value}, InvalidRequest)
        assert is_taken(flow, body) is (name in described), name
    assert described.keys() <= EXAMPLES.keys()


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
