"""The schedule's invocations, and the log's record of a direct invocation's caller."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from tests.functions.world import CALLER, World, proxy_event
from token_broker_local.functions import LambdaContext


@dataclass(frozen=True, slots=True)
class Invocation(LambdaContext):
    """An invocation by an alias."""

    alias: str = "live"

    @property
    def invoked_function_arn(self) -> str:
        """The ARN by which the function was called."""
        return f"arn:aws:lambda:eu-west-1:123456789012:function:{self.function_name}:{self.alias}"


def test_each_connection_is_warmed_by_an_invocation_of_its_own(world: World) -> None:
    """One that fails, or takes its time, is nothing to the others."""
    wanted = [{"connection": "acme"}, {"connection": "globex", "organization": "design"}]
    assert world.service("vntana")({"action": "warm", "calls": wanted}, context()) == {"invoked": 2}
    assert world.invoked == wanted


def test_each_connection_is_checked_by_an_invocation_of_its_own(world: World) -> None:
    """A schedule of checks differs from one of warm tokens by one word."""
    event = {"action": "warm", "each": "check", "calls": {"connection": "acme"}}
    assert world.service("vntana")(event, context()) == {"invoked": 1}
    assert world.invoked == [{"action": "check", "connection": "acme"}]


def test_one_call_need_not_be_a_list(world: World) -> None:
    """As most have one connection."""
    event = {"action": "warm", "calls": {"connection": "acme"}}
    assert world.service("editor")(event, context()) == {"invoked": 1}


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        "acme",
        ["acme"],
        [{}],
        [{"connection": "Acme"}],
        [{"connection": "acme"}, {"connection": "acme", "action": "forget"}],
        [{"action": "warm", "calls": []}],
        [{"connection": "acme"}] * 101,
    ],
)
def test_nothing_but_tokens_is_asked_for(world: World, wanted: Any) -> None:
    """And nothing at all, if one of the calls is wrong: whoever wrote them is to see it."""
    with pytest.raises(Exception, match="invalid_request"):
        world.service("vntana")({"action": "warm", "calls": wanted}, context())
    assert world.invoked == []


@pytest.mark.parametrize("alias", ["live", "team-orders"])
def test_the_audit_line_names_the_alias(
    world: World, capsys: pytest.CaptureFixture[str], alias: str
) -> None:
    """It is all that Lambda tells of an invoker, so a team that is to be told apart has its own."""
    event = {"connection": world.connect("vendorlink")}
    world.service("vendorlink")(event, Invocation("token-broker-vendorlink", alias=alias))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [audit] = [line for line in lines if line["event"] == "hand-out"]
    assert audit["caller"] == f"direct invocation of {alias}"


def test_a_failure_names_who_has_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """For who calls wrongly is to be told so, and gets no audit line."""
    service = world.service("vntana")
    for event in ({"connection": "nobody"}, "nonsense", proxy_event("vntana", "nobody")):
        with suppress(Exception):
            service(event, Invocation("token-broker-vntana", alias="team-orders"))
    with suppress(Exception):
        service({"source": "aws.secretsmanager", "detail": {}}, Invocation("token-broker-vntana"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    callers = [line["caller"] for line in lines if line["event"] == "failure"]
    team = "direct invocation of team-orders"
    assert callers == [team, team, CALLER, "secret changed"]


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        ({"action": "forget"}, "success"),
        ({"action": "status"}, "success"),
        ({"action": "verify", "token": "t"}, "success"),
        ({"action": "check"}, "success"),
        ({"action": "renew"}, "success"),
        ({"action": "rotate"}, "success"),
        ({"action": "warm", "calls": {"connection": "acme"}}, "success"),
        ({"action": "status", "connection": "nobody"}, "unknown_connection"),
        ({"action": "forget", "odd": 1}, "invalid_request"),
    ],
)
def test_each_action_has_its_line_of_audit(
    world: World, capsys: pytest.CaptureFixture[str], event: dict[str, Any], outcome: str
) -> None:
    """Who made a connection forget its tokens is to be read as well as who got one."""
    if event["action"] != "warm":
        event = {"connection": world.connect("editor")} | event
    with suppress(Exception):
        world.service("editor")(event, Invocation("token-broker-editor", alias="team-orders"))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [audit] = [line for line in lines if line["event"] == "action"]
    assert (audit["action"], audit["outcome"]) == (event["action"], outcome)
    assert audit["connection"] == event.get("connection", "*")
    assert audit["caller"] == "direct invocation of team-orders"
    assert audit["request_id"]


def context() -> LambdaContext:
    return LambdaContext("token-broker")
