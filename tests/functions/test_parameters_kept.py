"""Parameters of the editor are stored with the token: those too large to store are refused."""

import json
import secrets

import pytest

from tests.functions.test_tokens import assert_problem
from tests.functions.world import World, proxy_event
from token_broker.records import replace
from token_broker_local.functions import LambdaContext


@pytest.mark.parametrize("length", [100, 1_300, 1_600, 2_400, 2_900])
def test_parameters_beside_a_long_editor_url_are_stored_or_refused(
    world: World, length: int
) -> None:
    """URL and parameters share KMS's size limit; two calls get the same token, or are refused."""
    address = (
        f"{world.secret('editor')['editor_url'].partition('?')[0]}?a={secrets.token_urlsafe(1_450)}"
    )
    connection = world.connect("editor", editor_url=address)
    body = {"parameters": {"userId": "1", "note": secrets.token_hex(length)}}
    first = world.http("editor", connection, body)
    if first["statusCode"] == 400:
        assert first["body"]["detail"].startswith("parameters: ")
        assert world.steps("editor") == []
        return
    world.service("editor").deps.cache.clear()
    again = world.http("editor", connection, body)
    assert (first["body"]["source"], again["body"]["source"]) == ("exchange", "table")


def test_a_verification_response_that_is_not_json_is_not_passed_on(world: World) -> None:
    """The vendor documents JSON."""
    connection = world.connect("editor")
    token = world.call("editor", connection)["headers"]["x-api-token"]
    world.editor.fail("answer", status=200, body='{"userId": NaN}', times=None)
    response = world.http("editor", connection, {"token": token}, rest="/verify")
    assert_problem(response, "upstream_contract_changed", 502)


def test_verification_depends_on_the_flows_ability_and_not_its_name(world: World) -> None:
    """A flow with `verify` has the route."""
    connection = world.connect("editor")
    token = world.call("editor", connection)["headers"]["x-api-token"]
    service = world.cold("editor")
    flow = service.deps.flow._replace(name="drawings")
    service.use(replace(service.deps, flow=flow))
    event = proxy_event("drawings", connection, {"token": token}, rest="/verify")
    response = service(event, LambdaContext("token-broker-drawings"))
    assert response["statusCode"] == 200, response["body"]
    assert json.loads(response["body"])["valid"] is True
