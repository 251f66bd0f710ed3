"""How long a token must live, and what a reporter may get."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.functions.test_tokens import assert_problem
from tests.functions.world import World


def test_a_token_that_ended_says_nothing_of_how_long_the_next_one_lives(world: World) -> None:
    """A short token refuses a long `min_ttl` while it lives, and no longer."""
    connection = world.connect("editor")
    world.editor.modes.lifetime = 100
    world.call("editor", connection)
    assert_problem(world.http("editor", connection, {"min_ttl": 300}), "invalid_request", 400)
    world.editor.modes.lifetime = 3600
    world.advance(120)
    assert world.call("editor", connection, min_ttl=300)["generation"] == 2


def test_a_token_that_was_reported_says_nothing_of_the_next_one(world: World) -> None:
    """A report ends a token as its time does."""
    connection = world.connect("editor")
    world.editor.modes.lifetime = 100
    first = world.call("editor", connection)
    world.editor.modes.lifetime = 3600
    body = {"rejected": first["fingerprint"], "min_ttl": 300}
    assert world.http("editor", connection, body)["body"]["generation"] == 2


def test_a_min_ttl_of_a_token_that_is_due_is_not_limited(world: World) -> None:
    """An exchange that is due in any case is on nobody's demand, so no limit counts it."""
    connection = world.connect("editor")
    world.editor.modes.lifetime = 10
    world.call("editor", connection, force=True)
    world.advance(9)
    assert world.call("editor", connection, min_ttl=5)["generation"] == 2


@pytest.mark.parametrize("min_ttl", [3580, 3599, 3600, 10**9])
def test_a_min_ttl_near_the_lifetime_replaces_nothing(world: World, min_ttl: int) -> None:
    """What even a new token could not promise on its arrival is refused before one is made."""
    connection = world.connect("vendorlink")
    world.call("vendorlink", connection)
    world.advance(100)
    response = world.http("vendorlink", connection, {"min_ttl": min_ttl})
    assert_problem(response, "invalid_request", 400)
    assert "tokens of this upstream live 360" in response["body"]["detail"]
    assert len(world.steps("vendorlink")) == 1


def test_a_min_ttl_that_a_new_token_has_is_served(world: World) -> None:
    """The longest `min_ttl` that is not refused is one that a new token meets."""
    connection = world.connect("vendorlink")
    world.call("vendorlink", connection)
    world.advance(100)
    assert world.call("vendorlink", connection, min_ttl=3570)["generation"] == 2


def test_a_reporter_gets_no_older_token_from_memory(world: World) -> None:
    """What a process remembers is older than what its caller reports."""
    connection = world.connect("vendorlink")
    process = world.service("vendorlink")
    first = world.call("vendorlink", connection)
    other = world.cold("vendorlink")
    world.advance(1)
    world._services["vendorlink"] = other
    second = world.call("vendorlink", connection, force=True)
    world.vendorlink.fail("status", times=None, status=503)
    report = {"rejected": second["fingerprint"]}
    assert_problem(world.http("vendorlink", connection, report), "upstream_unavailable", 503)
    world._services["vendorlink"] = process
    assert process.deps.cache.get(f"vendorlink#{connection}", "-", world.now) is not None
    assert first["generation"] < second["generation"]
    assert_problem(world.http("vendorlink", connection, report), "upstream_unavailable", 503)


def test_a_vendor_that_repeats_a_token_does_not_repeat_it_to_its_reporter(world: World) -> None:
    """Who reports a token gets another one or an error; the others keep what the vendor gives."""
    connection = world.connect("editor")
    first = world.call("editor", connection)
    tools = world.service("editor").deps
    send: Any = tools.send

    def repeats(request: Any, seconds: float) -> Any:
        response = send(request, seconds)
        return _with_token(response, first["headers"]["x-api-token"])

    vars(tools)["send"] = repeats
    report = {"rejected": first["fingerprint"]}
    response = world.http("editor", connection, report)
    assert_problem(response, "upstream_contract_changed", 502)
    again = world.call("editor", connection)
    assert (again["fingerprint"], again["generation"]) == (first["fingerprint"], 2)


def _with_token(response: Any, token: str) -> Any:
    content = json.dumps(response.json() | {"token": token}).encode()
    return replace(response, content=content)
