"""IAM policies of functions and operators allow exactly the actions that they use."""

import json

import pytest
from typer.testing import CliRunner

from tests.functions.world import World
from tests.servers import Server, answer, sends
from tests.subjects import body, wrong_login
from tests.template.iam import Statement, many
from tests.template.rules import sound
from tests.template.subjects import FLOWS, own_policy
from token_broker_cli.main import app
from token_broker_local.addresses import REGION, STAGE

OWN = {"CreateSecret", "PutSecretValue"}
"""What the test itself asks AWS for."""

UNSEEN = {"InvokeFunction", "CreateLogStream", "PutLogEvents"}
"""What no process of a test does: nudges are only counted there, and Lambda writes the log."""


ASKED_OTHERWISE = {"Invoke", "DescribeStacks"}
"""What is no request in JSON: the API's own, and where it is (`tests/cli/test_target.py`)."""


def allowed(flow: str) -> set[str]:
    """Return the names of the actions that the function of *flow* is allowed."""
    return actions(own_policy(sound(), flow))


def actions(statements: list[Statement]) -> set[str]:
    """Return the names of the actions that *statements* allow."""
    return {action.partition(":")[2] for each in statements for action in many(each["Action"])}


def live(world: World, flow: str) -> None:
    """Live a connection's life: a token, its state, a new one, the end; and a wrong password."""
    parameters = body(flow)
    connection = world.connect(flow)
    world.call(flow, connection, **parameters)
    world.call(flow, connection, action="status")
    world.advance(60)
    world.call(flow, connection, force=True, **parameters)
    world.call(flow, connection, action="forget")
    refused = world.connect(flow, **wrong_login(flow))
    with pytest.raises(Exception, match="credential_rejected"):
        world.call(flow, refused, **parameters)


def test_functions_are_allowed_exactly_the_actions_they_use(world: World) -> None:
    """Each flow's calls are allowed, and each allowed action is used by some flow."""
    done: set[str] = set()
    for flow in FLOWS:
        world.aws.calls.clear()
        live(world, flow)
        assert world.aws.calls.keys() - OWN <= allowed(flow)
        done |= world.aws.calls.keys()
    assert done - OWN == allowed(FLOWS[0]) - UNSEEN


def test_operators_are_allowed_exactly_the_actions_they_use(world: World) -> None:
    """The policies Operate and Connect together allow the calls of `token-broker`."""
    world.aws.calls.clear()
    api = Server(sends(answer(b'{"flow": "vntana", "connection": "c", "variants": []}')))
    at = ["--stage", STAGE, "--url", api.url, "--region", REGION]
    for kind, document in (
        (["connect", "vntana", "of-an-operator", "--file", "-", "--no-check"], "one"),
        (["connect", "vntana", "of-an-operator", "--file", "-", "--no-check"], "another"),
        (["connections"], None),
        (["doctor"], None),
    ):
        content = json.dumps(world.secret("vntana") | {"organization": document})
        result = CliRunner().invoke(app, [*kind, *at], input=content)
        assert result.exit_code == 0 or kind == ["doctor"], result.output
    api.close()
    operations = {operation for operation in world.aws.calls if operation}
    policies = [sound()[name]["Properties"]["PolicyDocument"] for name in ("Operate", "Connect")]
    given = actions([each for policy in policies for each in policy["Statement"]])
    assert operations == given - ASKED_OTHERWISE
