"""Responses to calls for a token, by both entrances."""

from typing import Any

from tests.functions.world import World


def test_reports_of_rejected_tokens_are_limited_per_minute(world: World) -> None:
    """A caller that rejects each token cannot cause endless logins."""
    connection = world.connect("vendorlink")
    answer = world.call("vendorlink", connection)
    for _ in range(3):
        answer = world.call("vendorlink", connection, rejected=answer["fingerprint"])
    response = world.http("vendorlink", connection, {"rejected": answer["fingerprint"]})
    assert_problem(response, "too_many_requests", 429)
    assert int(response["headers"]["retry-after"]) > 0


def test_a_forced_exchange_is_made_once_in_ten_seconds(world: World) -> None:
    """The limit is shared by all callers."""
    connection = world.connect("editor")
    assert world.call("editor", connection)["generation"] == 1
    assert world.call("editor", connection, force=True)["generation"] == 2
    assert_problem(world.http("editor", connection, {"force": True}), "too_many_requests", 429)
    world.advance(10)
    assert world.call("editor", connection, force=True)["generation"] == 3


def test_only_equal_parameters_share_a_token(world: World) -> None:
    """In any order, defaults included."""
    connection = world.connect("editor", parameters={"userId": "1"}, options={})
    given = [{}, {"userId": "1"}, {"userId": 1}, {"userId": "1", "a": 1}, {"a": 1, "userId": "1"}]
    answers = [world.call("editor", connection, parameters=p)["fingerprint"] for p in given]
    assert answers[0] == answers[1]
    assert answers[3] == answers[4]
    assert len(set(answers)) == 3


def assert_problem(response: dict[str, Any], code: str, status: int) -> None:
    """Assert that *response* is the problem *code*."""
    assert (response["body"]["code"], response["statusCode"]) == (code, status)
    assert response["headers"]["content-type"] == "application/problem+json"
    assert response["headers"]["cache-control"] == "no-store"
