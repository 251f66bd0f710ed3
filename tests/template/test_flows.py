"""One more flow, with a field of each type: the OpenAPI document and the client are generated.

`tests/local/test_adding_a_flow.py` runs the rules of the template with one more flow.
"""

from typing import Any

from openapi_spec_validator import validate

from tests.template.documents import ROOT, parsed
from token_broker_descriptors import TYPES, Field
from token_broker_operations.__main__ import CLIENT, written
from token_broker_operations.flows import FLOWS, Flow

SALES = Flow(
    *("sales", 99, "Sales", "Sales", "Live tokens of a vendor that does not exist", ()),
    fields=tuple(Field(f"a_{kind}", "a field", {"type": kind}) for kind in TYPES),
)


def read(name: str) -> str:
    """Return a file of the repository as it would be with one more flow."""
    return written(name, (ROOT / name).read_text(), (*FLOWS, SALES))


def test_the_openapi_document_includes_one_more_flow() -> None:
    """With routes and schemas; it is valid."""
    document = parsed(read("openapi.yaml"))
    validate(document)
    assert {path for path in document["paths"] if "/sales/" in path} == {
        "/v1/sales/{connection}",
        "/v1/sales/{connection}/hold",
        "/v1/sales/{connection}/token",
    }
    assert document["components"]["schemas"]["Flow"]["enum"][-1] == "sales"


def test_the_client_takes_fields_of_every_type() -> None:
    """Its generated method names no type that the module does not import."""
    names: dict[str, Any] = {"__name__": "broker"}
    exec(read(f"{CLIENT}/broker.py"), names)  # noqa: S102 (our own code)
    assert {f"a_{kind}" for kind in TYPES} < names["Broker"].sales.__annotations__.keys()
