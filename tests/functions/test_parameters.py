"""An editor's parameters at the bounds of what can be kept."""

import json
from random import Random

import pytest

from tests.functions.world import World
from token_broker.flows.editor.flow import LARGEST_PACKED


def test_the_largest_parameters_that_are_accepted_can_be_kept(world: World) -> None:
    """Their token comes from the table later, so that both were sealed."""
    connection = world.connect("editor")
    parameters = {"fileUrl": Random(1).randbytes(LARGEST_PACKED * 5 // 6).hex()}
    world.call("editor", connection, parameters=parameters)
    world.service("editor").deps.cache.clear()
    assert world.call("editor", connection, parameters=parameters)["source"] == "table"


def test_larger_ones_are_the_callers_to_correct(world: World) -> None:
    connection = world.connect("editor")
    parameters = {"fileUrl": Random(1).randbytes(LARGEST_PACKED).hex()}
    with pytest.raises(Exception, match="too large") as error:
        world.call("editor", connection, parameters=parameters)
    assert type(error.value).__name__ == "InvalidRequest"
    assert json.loads(str(error.value))["detail"].startswith("parameters: ")
    assert world.editor.log.steps == []
