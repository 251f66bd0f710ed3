"""The functions are allowed what they do: no less, or they fail; no more, or a thief may."""

import pytest

from tests.functions.world import World
from tests.template.iam import many
from tests.template.rules import sound
from tests.template.subjects import FLOWS, own_policy

OWN = {"CreateSecret", "PutSecretValue"}
"""What the test itself asks AWS for."""

UNSEEN = {"InvokeFunction", "CreateLogStream", "PutLogEvents"}
"""What no process of a test does: nudges are only counted there, and Lambda writes the log."""


def allowed(flow: str) -> set[str]:
    """Return the names of the actions that the function of *flow* is allowed."""
    statements = own_policy(sound(), flow)
    return {action.partition(":")[2] for each in statements for action in many(each["Action"])}


def live(world: World, flow: str) -> None:
    """Live a connection's life: a token, its state, a new one, the end; and a wrong password."""
    parameters = {"parameters": {"userId": "42"}} if flow == "editor" else {}
    connection = world.connect(flow)
    world.call(flow, connection, **parameters)
    world.call(flow, connection, action="status")
    world.advance(60)
    world.call(flow, connection, force=True, **parameters)
    world.call(flow, connection, action="forget")
    wrong = world.secret(flow).keys() & {"personal_access_token", "password", "api_key"}
    refused = world.connect(flow, **dict.fromkeys(wrong, "wrong"))
    with pytest.raises(Exception, match="credential_rejected"):
        world.call(flow, refused, **parameters)


def test_what_is_done_is_what_is_allowed(world: World) -> None:
    """Each flow is allowed what it asks AWS for, and all of that is asked for by some flow."""
    done: set[str] = set()
    for flow in FLOWS:
        world.aws.asked.clear()
        live(world, flow)
        assert world.aws.asked.keys() - OWN <= allowed(flow)
        done |= world.aws.asked.keys()
    assert done - OWN == allowed(FLOWS[0]) - UNSEEN
