"""The errors that callers get: the codes of the contract, without secrets."""

import json
import re

import pytest

from tests.functions.test_tokens import assert_problem
from tests.functions.world import World
from tests.subjects import FLOWS, wrong_login
from tests.template.documents import template

WRONG_LOGIN = {flow: wrong_login(flow) for flow in FLOWS}
STATUSES = {"store_unavailable": 503, "not_configured": 500, "unknown_connection": 404}


@pytest.mark.parametrize("flow", FLOWS)
def test_a_wrong_password_is_tried_once(
    world: World, flow: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Repeated and forced calls send no second login."""
    connection = world.connect(flow, **WRONG_LOGIN[flow])
    assert_problem(world.http(flow, connection), "credential_rejected", 502)
    sent = world.steps(flow)
    for body in ({}, {"force": True}, {"min_ttl": 60}):
        assert_problem(world.http(flow, connection, body), "credential_latched", 502)
    assert world.steps(flow) == sent
    assert world.logins(flow) == 1
    latched = ["Connection Latched"] if flow != "editor" else []
    assert [what for what, _ in world.announced] == latched, "the editor's 403 says less"
    assert "canary" not in capsys.readouterr().out


def test_a_rotation_to_a_wrong_password_falls_back_to_the_previous_version_once(
    world: World,
) -> None:
    """The previous version is tried once, and the new one stays latched."""
    connection = world.connect("vendorlink")
    world.put_secret(
        "vendorlink", connection, world.secret("vendorlink") | WRONG_LOGIN["vendorlink"]
    )
    assert world.call("vendorlink", connection)["source"] == "exchange"
    assert len(world.steps("vendorlink")) == 2
    world.advance(3600)
    assert_problem(world.http("vendorlink", connection), "credential_latched", 502)
    assert len(world.steps("vendorlink")) == 2


@pytest.mark.parametrize(
    ("operation", "status", "error", "code"),
    [
        ("GetItem", "500 Oops", "InternalServerError", "store_unavailable"),
        ("GetItem", "400 Bad", "AccessDeniedException", "not_configured"),
        ("UpdateItem", "500 Oops", "InternalServerError", "store_unavailable"),
        ("UpdateItem", "400 Bad", "ResourceNotFoundException", "not_configured"),
        ("GetSecretValue", "500 Oops", "InternalServiceError", "store_unavailable"),
        ("GetSecretValue", "400 Bad", "DecryptionFailure", "not_configured"),
        ("GetSecretValue", "400 Bad", "InvalidRequestException", "unknown_connection"),
    ],
)
def test_an_aws_error_is_an_outage_or_a_wrong_setting(
    world: World, operation: str, status: str, error: str, code: str
) -> None:
    """Either a retry helps, or an operator has to mend a setting."""
    connection = world.connect("editor")
    world.aws.broken[operation] = (status, error)
    response = world.http("editor", connection)
    assert_problem(response, code, STATUSES[code])
    world.aws.broken.clear()
    assert world.call("editor", connection)["source"] == "exchange"


@pytest.mark.parametrize("error", ["NotFoundException", "DisabledException"])
def test_a_key_that_seals_nothing_costs_its_caller_no_token(world: World, error: str) -> None:
    """Neither alias nor token can be kept; the next caller is told the cause."""
    connection = world.connect("editor")
    world.aws.broken["Encrypt"] = ("400 Bad", error)
    assert world.call("editor", connection)["source"] == "exchange"
    world.service("editor").deps.cache.clear()
    assert_problem(world.http("editor", connection), "not_configured", 500)


def test_an_unexpected_exception_is_logged_without_its_message(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Type and place are logged; the message could quote a secret."""
    connection = world.connect("editor")

    def broken(*_: object) -> None:
        raise KeyError("canary")

    world.use("editor", send=broken)
    response = world.http("editor", connection)
    assert_problem(response, "internal", 500)
    output = capsys.readouterr().out
    assert "KeyError" in output
    assert "canary" not in output + json.dumps(response)


@pytest.mark.parametrize(
    "words",
    re.findall(
        r'\?"([^"]+)"', template()["Resources"]["VntanaCrashes"]["Properties"]["FilterPattern"]
    ),
)
def test_no_words_of_others_count_as_a_crash(
    world: World, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    """The alarm `crash`, which rolls a deployment back, counts lines with Lambda's own words.

    A caller's field, an operator's reason and a vendor's message are logged, and a failure of a
    direct invocation is logged by Lambda itself. They are read as they were written all the same.
    """
    connection = world.connect("vendorlink")
    refusal = json.dumps({"message": words})
    world.vendorlink.fail("answer", times=None, status=503, body=refusal)
    raised = []
    for payload in ({}, {words: 1}, {"action": "hold", "reason": words}, {"action": "check"}):
        try:
            world.call("vendorlink", connection, **payload)
        except Exception as error:  # noqa: BLE001 (as Lambda, which logs any exception)
            raised.append(str(error))
    world.service("vendorlink").deps.emit("unrenewed", upstream_message=words)
    lines = capsys.readouterr().out.splitlines()
    assert not any(words in line for line in [*lines, *raised])
    told = [json.dumps(json.loads(line)) for line in [*lines, *raised]]
    assert len(raised) == 3
    assert sum(words in line for line in told) >= len([*raised, "held", "unrenewed"])
