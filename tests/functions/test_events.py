"""The events in the repository: each is one that its function answers."""

import json
from pathlib import Path

import pytest

from tests.functions.test_tokens import context
from tests.functions.world import World
from tests.subjects import FLOWS
from token_broker_local import functions

EVENTS = sorted((Path(__file__).parents[2] / "events").glob("*.json"))


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_every_event_is_answered(world: World, path: Path) -> None:
    """What the README shows, and `sam local invoke` takes, works."""
    flow = path.stem.partition("-")[0]
    world.put_secret(flow, "demo", world.secret(flow))
    world.call(flow, "demo", action="forget")  # of another test's vendor
    answer = world.cold(flow)(json.loads(path.read_text()), context(flow))
    assert answer.get("statusCode", 200) == 200


@pytest.mark.parametrize("flow", FLOWS)
def test_each_function_starts_from_its_environment(world: World, flow: str) -> None:
    """The file that Lambda loads wires a handler that works."""
    world.put_secret(flow, "demo", world.secret(flow))
    outcome = functions.load(flow).invoke(b'{"connection": "demo"}')
    assert not outcome.failed
    assert json.loads(outcome.payload)["flow"] == flow


def test_each_flow_has_events_for_both_entrances() -> None:
    """Nobody has to make up an event to try a function."""
    names = {path.stem for path in EVENTS}
    assert names >= {f"{flow}-{entrance}-token" for flow in FLOWS for entrance in ("api", "direct")}
