"""One more flow: the templates and the OpenAPI document are generated."""

import json
from types import ModuleType
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests.template import access_rules, api_rules, resource_rules, subjects, team_rules
from tests.template.documents import ROOT, Template, parsed
from tests.template.rules import deployed, rules_of
from token_broker_descriptors import TYPES, Field
from token_broker_operations.__main__ import CLIENT, nested, written
from token_broker_operations.flows import FLOWS, Flow

SALES = Flow(
    *("sales", 99, "Sales", "Sales", "Live tokens of a vendor that does not exist", ()),
    fields=tuple(Field(f"a_{kind}", "a field", {"type": kind}) for kind in TYPES),
)
MORE = (*FLOWS, SALES)
RULES: tuple[ModuleType, ...] = (access_rules, api_rules, resource_rules, team_rules)


def read(name: str) -> Template:
    """Return a file of the repository as it would be with one more flow."""
    return parsed(written(name, (ROOT / name).read_text(), MORE))


def test_each_function_folder_has_a_flow() -> None:
    """A function without one would not be deployed."""
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}
    assert folders == {flow.name for flow in FLOWS}


def test_every_rule_holds_for_one_more_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    """For its function, role, routes, policies, teams' aliases and alarms."""
    for module in (*RULES, subjects):
        if hasattr(module, "FLOWS"):
            monkeypatch.setattr(module, "FLOWS", tuple(flow.name for flow in MORE))
    source = read("template.yaml")
    team = json.dumps(read("team.yaml"))
    for name, resource in source["Resources"].items():
        if name.startswith("Team"):
            resource["Properties"]["TemplateURL"] = team
    alarms = json.dumps(parsed(nested(MORE)))
    source["Resources"]["Operations"]["Properties"]["TemplateURL"] = alarms
    stack = deployed(source)
    found = {rule.__name__: list(rule(stack)) for module in RULES for rule in rules_of(module)}
    assert {name: said for name, said in found.items() if said} == {}
    assert {"SalesFunction", "CallSalesConnection", "Team1Stack.SalesAlias"} <= stack.keys()


def test_the_openapi_document_includes_one_more_flow() -> None:
    """With routes and schemas; it is valid."""
    document = read("openapi.yaml")
    validate(document)
    assert {path for path in document["paths"] if "/sales/" in path} == {
        "/v1/sales/{connection}",
        "/v1/sales/{connection}/hold",
        "/v1/sales/{connection}/token",
    }
    assert document["components"]["schemas"]["Flow"]["enum"][-1] == "sales"


def test_the_client_takes_fields_of_every_type() -> None:
    """Its generated method names no type that the module does not import."""
    path = f"{CLIENT}/broker.py"
    names: dict[str, Any] = {"__name__": "broker"}
    exec(written(path, (ROOT / path).read_text(), MORE), names)  # noqa: S102 (our own code)
    assert {f"a_{kind}" for kind in TYPES} < names["Broker"].sales.__annotations__.keys()
