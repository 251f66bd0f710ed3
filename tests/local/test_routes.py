"""The local gateway has the routes and limits of the deployed one."""

from tests.template.documents import load
from tests.template.test_openapi import documented
from token_broker_local.addresses import MEMORY, TIMEOUT
from token_broker_local.routes import ROUTES
from token_broker_local.secret_events import CHANGES


def test_the_routes_are_those_of_the_openapi_document() -> None:
    assert {(route.method.lower(), route.resource) for route in ROUTES} == documented()
    assert all(route.resource.startswith(f"/v1/{route.flow}/") for route in ROUTES)


def test_the_limits_are_those_of_the_template() -> None:
    parameters = load("template.yaml")["Parameters"]
    assert parameters["Timeout"]["Default"] == TIMEOUT
    assert parameters["MemorySize"]["Default"] == MEMORY


def test_events_are_sent_for_the_changes_of_the_templates_rule() -> None:
    """Except `RotationSucceeded`, as moto does not rotate secrets."""
    resources = load("template.yaml")["Resources"].values()
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
