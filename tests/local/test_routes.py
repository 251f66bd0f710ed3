"""The local gateway has the routes and limits that are deployed."""

from pathlib import Path
from typing import Any

import yaml

from token_broker_local.addresses import MEMORY, TIMEOUT
from token_broker_local.routes import ROUTES
from token_broker_local.secret_events import CHANGES

ROOT = Path(__file__).parents[2]
METHODS = {"get", "post", "delete", "put", "patch", "head", "options"}


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's tags as what they are applied to."""


def untagged(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    match node:
        case yaml.ScalarNode():
            return loader.construct_scalar(node)
        case yaml.SequenceNode():
            return loader.construct_sequence(node, deep=True)
        case yaml.MappingNode():
            return loader.construct_mapping(node, deep=True)


Loader.add_multi_constructor("!", untagged)


def document(name: str) -> Any:
    return yaml.load((ROOT / name).read_text(), Loader)  # noqa: S506 (derived from the safe one)


def test_the_routes_are_those_of_the_openapi_document() -> None:
    """What works here works there."""
    paths = document("openapi.yaml")["paths"]
    deployed = {
        (method.upper(), path)
        for path, operations in paths.items()
        for method in METHODS & operations.keys()
    }
    assert {(route.method, route.resource) for route in ROUTES} == deployed
    assert all(route.resource.startswith(f"/v1/{route.flow}/") for route in ROUTES)


def test_the_limits_are_those_of_the_template() -> None:
    """A function has the same time and memory in both."""
    parameters = document("template.yaml")["Parameters"]
    assert parameters["Timeout"]["Default"] == TIMEOUT
    assert parameters["MemorySize"]["Default"] == MEMORY


def test_changes_are_told_of_as_by_the_templates_rule() -> None:
    """Moto has no rotation by itself; all else that the rule names is told here."""
    resources = document("template.yaml")["Resources"].values()
    patterns = [
        event["Properties"]["Pattern"]["detail"]
        for resource in resources
        for event in resource.get("Properties", {}).get("Events", {}).values()
        if event["Type"] == "EventBridgeRule"
    ]
    calls = [pattern for pattern in patterns if "eventName" in pattern]
    assert calls
    for pattern in calls:
        assert {*pattern["eventName"]} - {"RotationSucceeded"} == CHANGES
