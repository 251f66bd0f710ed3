"""The events on the bus, and that a failure to put one fails no call for a token."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import token_broker
from tests.functions import insights
from tests.functions.test_audit import stamped
from tests.functions.test_failures import WRONG_LOGIN
from tests.functions.test_tokens import assert_problem
from tests.functions.world import World
from token_broker_operations.dashboard import LISTED_EVENTS, QUERY

PROGRAM = Path(token_broker.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs/events.md").read_text()
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    name: json.loads(text)
    for name, text in re.findall(r"(?s)### ([\w ]+)\n\n```json\n(.*?)```", PAGE)
}
OTHER = {"@timestamp": 0, "event": "other", "what": ""} | {
    name: value for example in EXAMPLES.values() for name, value in example.items()
}
"""A line that is no event, with all members of events: a column of none of them is an error."""

SHOWN = re.findall(r"\w+", QUERY.partition("|")[0].removeprefix("fields @timestamp"))
OF_A_TOKEN = {"variant", "kind", "generation", "fingerprint", "expires_at"}
"""Members that the dashboard does not list: it is about connections."""

ROWS = dict(re.findall(r"(?m)^\| `([A-Z][\w ]+)` \| `(\w+)` \|", PAGE))
PERIOD = 61


def latch(world: World) -> str:
    connection = world.connect("vntana", **WRONG_LOGIN["vntana"])
    assert_problem(world.http("vntana", connection), "credential_rejected", 502)
    return connection


def recover(world: World) -> str:
    connection = latch(world)
    world.put_secret("vntana", connection, world.secret("vntana"))
    world.advance(30)
    world.call("vntana", connection)
    return connection


def go_down(world: World) -> str:
    """Let calls fail for more than a minute."""
    connection = world.connect("vendorlink")
    world.vendorlink.fail("status", step="login", times=None, status=503)
    for _ in range(5):
        assert_problem(world.http("vendorlink", connection), "upstream_unavailable", 503)
        world.advance(PERIOD)
    return connection


def come_up(world: World) -> str:
    connection = go_down(world)
    world.vendorlink.heal()
    world.call("vendorlink", connection)
    return connection


def replace_a_token(world: World) -> str:
    connection = world.connect_and_call("vntana", workspace=None)
    world.advance(10)
    world.call("vntana", connection, force=True)
    return connection


def lose_a_token(world: World) -> str:
    world.aws.broken["Encrypt"] = ("400 Bad", "AccessDeniedException")
    return world.connect_and_call("vendorlink")


def hold(world: World) -> str:
    connection = world.connect("vntana")
    world.http("vntana", connection, {"reason": "stolen"}, method="PUT", rest="/hold")
    return connection


def lift(world: World) -> str:
    connection = hold(world)
    world.http("vntana", connection, method="DELETE", rest="/hold")
    return connection


WAYS: Mapping[str, Callable[[World], str]] = {
    "Connection Latched": latch,
    "Connection Recovered": recover,
    "Upstream Down": go_down,
    "Upstream Up": come_up,
    "Token Replaced": replace_a_token,
    "Token Unkept": lose_a_token,
    "Connection Held": hold,
    "Connection Lifted": lift,
}


def shape(value: Any) -> Any:
    """Return the kind of text or number of *value*."""
    if not isinstance(value, str):
        return type(value)
    for kind in (r"[0-9a-f]{16}", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", r"[0-9a-f-]{36}"):
        if re.fullmatch(kind, value):
            return kind
    return str


def test_the_page_lists_each_event_with_an_example() -> None:
    source = "".join(path.read_text() for path in PROGRAM.rglob("*.py"))
    names = re.findall(r'"((?:Connection|Upstream|Token) [A-Z][a-z]+)"', source)
    assert set(names) == set(ROWS)
    assert list(ROWS) == list(EXAMPLES) == list(WAYS)


@pytest.mark.parametrize("event", WAYS)
def test_an_event_has_the_members_of_its_example(
    world: World, event: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same members of the same types; the log has them under the page's name.

    So the dashboard lists it, but for the tokens that are replaced.
    """
    connection = WAYS[event](world)
    events = [*world.announced, *(("Token Replaced", each) for each in world.replaced)]
    detail = [each for what, each in events if what == event][-1]
    example = EXAMPLES[event]
    assert {name: shape(value) for name, value in detail.items()} == {
        name: shape(value) for name, value in example.items()
    } | ({"variant": str} if "variant" in example else {})
    assert detail["connection"] == connection
    lines = list(stamped(capsys.readouterr().out))
    logged = [line for line in lines if line.get("event") == ROWS[event]]
    assert logged[-1].items() >= detail.items()
    listed = insights.run(QUERY, [*lines, OTHER])
    assert any(row["event"] == ROWS[event] for row in listed) == (ROWS[event] in LISTED_EVENTS)
    assert ROWS[event] not in LISTED_EVENTS or {*SHOWN} >= detail.keys() - OF_A_TOKEN
    assert OTHER not in listed


def test_the_dashboard_lists_the_fifty_newest_events() -> None:
    """The newest first."""
    lines = [dict.fromkeys(SHOWN) | {"@timestamp": at, "event": "held"} for at in range(60)]
    listed = insights.run(QUERY, lines)
    assert [row["@timestamp"] for row in listed] == [*range(59, 9, -1)]
