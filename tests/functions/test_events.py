"""The example events in events/: each succeeds with its function."""

import json
from pathlib import Path

import pytest

from tests.functions.world import World
from tests.subjects import FLOWS
from token_broker_local import functions
from token_broker_local.functions import LambdaContext

EVENTS = sorted((Path(__file__).parents[2] / "events").glob("*.json"))


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_each_example_event_succeeds(world: World, path: Path) -> None:
    """The README shows them, and `sam local invoke` takes them."""
    flow = path.stem.partition("-")[0]
    world.put_secret(flow, "demo", world.secret(flow))
    world.call(flow, "demo", action="forget")  # of another test's vendor
    answer = world.cold(flow)(json.loads(path.read_text()), LambdaContext(flow))
    assert answer.get("statusCode", 200) == 200


@pytest.mark.parametrize("flow", FLOWS)
def test_each_function_starts_from_its_environment(world: World, flow: str) -> None:
    """The file that Lambda loads wires a handler that works."""
    world.put_secret(flow, "demo", world.secret(flow))
    outcome = functions.load(flow).invoke(b'{"connection": "demo"}')
    assert not outcome.failed
    assert json.loads(outcome.payload)["flow"] == flow


def test_each_flow_has_example_events_for_http_and_direct_invocation() -> None:
    """To try a function, no event has to be written."""
    names = {path.stem for path in EVENTS}
    assert names >= {f"{flow}-{entrance}-token" for flow in FLOWS for entrance in ("api", "direct")}
