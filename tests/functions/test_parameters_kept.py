"""An editor's parameters are kept with their token, so what cannot be kept is refused at once."""

import json
import secrets

import pytest

from tests.functions.test_tokens import assert_problem
from tests.functions.world import World, proxy_event
from token_broker.records import replace
from token_broker_local.functions import LambdaContext


def test_parameters_too_large_to_be_opened_again_are_refused(world: World) -> None:
    """However well they compress: what is kept must open, or each call would exchange anew."""
    connection = world.connect("editor")
    body = {"parameters": {"userId": "1", "note": "a" * 70_000}}
    response = world.http("editor", connection, body)
    assert_problem(response, "invalid_request", 400)
    assert response["body"]["detail"].startswith("parameters: ")
    assert world.steps("editor") == []


@pytest.mark.parametrize("length", [100, 1_300, 1_600, 2_400, 2_900])
def test_parameters_beside_a_long_address_are_kept_or_refused(world: World, length: int) -> None:
    """Address and parameters share what KMS encrypts; a call is served twice alike, or refused."""
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


def test_a_verification_that_is_no_json_is_not_passed_on(world: World) -> None:
    """What the vendor says of a token is JSON, or it is not what is documented."""
    connection = world.connect("editor")
    token = world.call("editor", connection)["headers"]["x-api-token"]
    world.editor.fail("answer", status=200, body='{"userId": NaN}', times=None)
    response = world.http("editor", connection, {"token": token}, rest="/verify")
    assert_problem(response, "upstream_contract_changed", 502)


def test_a_verification_needs_no_flow_of_a_certain_name(world: World) -> None:
    """Any vendor may have one: what counts is that its flow has `verify`."""
    connection = world.connect("editor")
    token = world.call("editor", connection)["headers"]["x-api-token"]
    service = world.cold("editor")
    flow = service.deps.flow._replace(name="drawings")
    service.use(replace(service.deps, flow=flow))
    event = proxy_event("drawings", connection, {"token": token}, rest="/verify")
    response = service(event, LambdaContext("token-broker-drawings"))
    assert response["statusCode"] == 200, response["body"]
    assert json.loads(response["body"])["valid"] is True
