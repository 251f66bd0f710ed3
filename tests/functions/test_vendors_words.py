"""The vendor's own words reach callers and operators, so that somebody can tell what is wrong."""

import json

import pytest

from tests.functions.test_tokens import assert_problem
from tests.functions.world import World

BODY = json.dumps({"message": "API use is switched off for demo.user", "trace": "0815"})


def test_a_problem_and_the_log_have_the_vendors_words(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Masked where they hold what the secret holds; and again while the failure is backed off."""
    connection = world.connect("vendorlink", username="demo.user")
    world.vendorlink.fail("answer", times=None, status=403, body=BODY)
    first = world.http("vendorlink", connection)
    again = world.http("vendorlink", connection)
    assert_problem(first, "credential_rejected", 502)
    assert_problem(again, "credential_latched", 502)
    words = "API use is switched off for ***"
    assert [r["body"]["upstream_message"] for r in (first, again)] == [words] * 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["upstream_message"] for line in lines if line["event"] == "failure"] == [words] * 2


def test_no_words_are_made_up_where_the_vendor_said_none(world: World) -> None:
    """An outage after a step that answered is not told in that step's words."""
    connection = world.connect("vntana")
    world.vntana.fail("reset", step="/v1/organizations", times=None)
    response = world.http("vntana", connection)
    assert_problem(response, "upstream_unavailable", 503)
    assert "upstream_message" not in response["body"]
