"""The documented Logs Insights queries find in the functions' log lines what the pages say."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.functions import insights
from tests.functions.test_failures import WRONG_LOGIN
from tests.functions.test_tokens import assert_problem
from tests.functions.world import CALLER, World
from token_broker_local.functions import LambdaContext

DOCS = Path(__file__).parents[2] / "docs"
QUERIES = dict(insights.queries((DOCS / "audit.md").read_text()))
OPERATIONS = list(insights.queries((DOCS / "operations.md").read_text()))
TEAM = "direct invocation of team-orders"
EXAMPLES = {"fingerprint": "9f86d081884c7d65", "request": "0b0c7a52-38c5-4d0e-8f0a-2f4f5d6c7b8a"}


@dataclass(frozen=True, slots=True)
class Invocation(LambdaContext):
    """An invocation by an alias."""

    alias: str = "live"

    @property
    def invoked_function_arn(self) -> str:
        """The ARN by which the function was called."""
        return f"arn:aws:lambda:eu-west-1:123456789012:function:{self.function_name}:{self.alias}"


@dataclass(frozen=True, slots=True)
class Log:
    """The log lines of a day of a connection, and queries of them."""

    lines: list[Mapping[str, Any]]
    connection: str
    first: Mapping[str, Any]
    second: Mapping[str, Any]

    def run(self, query: str) -> list[Mapping[str, Any]]:
        """Return the rows of a page's *query*, with this day's names in place of its examples."""
        query = query.replace("acme", self.connection)
        query = query.replace(EXAMPLES["fingerprint"], self.first["fingerprint"])
        return insights.run(query.replace(EXAMPLES["request"], "r-of-a-team"), self.lines)

    def columns(self, title: str, *names: str) -> list[tuple[Any, ...]]:
        """Return some columns of the rows of the query below the heading *title*."""
        return [tuple(row.get(name) for name in names) for row in self.run(QUERIES[title])]


@pytest.fixture
def log(world: World, capsys: pytest.CaptureFixture[str]) -> Log:
    """Return the log of two callers by two entrances, of a rotation, and of failures."""
    connection, other = world.connect("vendorlink"), world.connect("vendorlink")
    team = Invocation("token-broker-vendorlink", alias="team-orders", aws_request_id="r-of-a-team")
    service = world.service("vendorlink")
    first = world.http("vendorlink", connection)["body"]
    service({"connection": connection}, team)
    world.call("vendorlink", other)
    service({"connection": connection, "action": "status"}, team)
    world.put_secret("vendorlink", connection, world.secret("vendorlink"))
    changed = {
        "source": "aws.secretsmanager",
        "detail-type": "Secret Label Updated",
        "detail": {
            "labelUpdated": "AWSCURRENT",
            "name": f"token-broker/local/vendorlink/{connection}",
        },
    }
    service(changed, Invocation("token-broker-vendorlink"))
    world.carry_out("vendorlink")
    second = world.http("vendorlink", connection)["body"]
    world.http("vendorlink", connection, method="DELETE")
    world.put_secret(
        "vendorlink", connection, world.secret("vendorlink") | WRONG_LOGIN["vendorlink"]
    )
    world.advance(2 * 86_400)
    assert_problem(world.http("vendorlink", connection), "credential_rejected", 502)
    assert_problem(world.http("vendorlink", "no/name"), "invalid_request", 400)
    return Log(list(stamped(capsys.readouterr().out)), connection, first, second)


def stamped(out: str) -> Iterator[Mapping[str, Any]]:
    """Yield the lines as a log has them, each at a moment of its own."""
    for moment, line in enumerate(out.splitlines()):
        yield {"@timestamp": moment} | json.loads(line)


def test_query_lists_the_callers_and_tokens_of_a_connection(log: Log) -> None:
    """With time and entrance; only lines of this connection."""
    found = log.columns(
        "Who was given which token, when, by which entrance",
        *("entrance", "caller", "fingerprint", "generation", "source"),
    )
    first, second = log.first["fingerprint"], log.second["fingerprint"]
    assert found == [
        ("api", CALLER, first, 1, "exchange"),
        ("direct", TEAM, first, 1, "memory"),
        ("api", CALLER, second, 2, "memory"),
    ]


def test_query_lists_the_callers_of_one_token(log: Log) -> None:
    found = log.columns("Who has had one token", "caller", "entrance", "times", "connection")
    assert found == [(CALLER, "api", 1, log.connection), (TEAM, "direct", 1, log.connection)]


def test_query_lists_the_replacements_of_a_token(log: Log) -> None:
    title = "Since when a token was in the table, and what came in its place"
    first, second = log.first["fingerprint"], log.second["fingerprint"]
    assert log.columns(title, "event", "generation", "fingerprint", "replaces") == [
        ("replaced", 1, first, None),
        ("replaced", 2, second, first),
    ]


def test_query_lists_the_actions_on_a_connection(log: Log) -> None:
    """Rotations, renewals and DELETE with their callers; reading the status is not listed."""
    found = log.columns(
        "Who did what to a connection", *("action", "outcome", "entrance", "caller")
    )
    assert found == [
        ("rotate", "success", "event", "secret changed"),
        ("renew", "success", "direct", "direct invocation"),
        ("forget", "success", "api", CALLER),
    ]


def test_query_lists_holds_and_lifts(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason of each hold; the page lists the members of both kinds of lines."""
    connection = world.connect("vntana")
    for reason in ("stolen", "ticket 4711"):
        world.http("vntana", connection, {"reason": reason}, method="PUT", rest="/hold")
    world.http("vntana", connection, method="DELETE", rest="/hold")
    lines = list(stamped(capsys.readouterr().out))
    query = QUERIES["Who held a connection, why, and who lifted it"]
    found = insights.run(query.replace("acme", connection), lines)
    assert [(row["event"], row["by"], row.get("reason")) for row in found] == [
        ("held", CALLER, "stolen"),
        ("held", CALLER, "ticket 4711"),
        ("lifted", CALLER, None),
    ]
    assert all(row.keys() >= members(row["event"]) for row in found)


def test_query_lists_the_failed_calls(log: Log) -> None:
    """A failure of a connection, and a call without a valid connection."""
    assert log.columns("Who asked in vain", *("entrance", "caller", "action", "code")) == [
        ("api", CALLER, "token", "credential_rejected"),
        ("api", CALLER, "token", "invalid_request"),
    ]


def test_query_lists_the_events_of_one_caller(log: Log) -> None:
    found = set(log.columns("What one caller did", "event", "action", "connection", "times"))
    assert found == {
        ("hand-out", None, log.connection, 2),
        ("action", "forget", log.connection, 1),
        ("failure", "token", log.connection, 1),
        ("failure", "token", None, 1),
    }


def test_query_lists_the_events_of_one_request(log: Log) -> None:
    found = log.columns("Everything that one request caused", "event", "action")
    assert found == [("hand-out", None), ("action", "status")]


@pytest.mark.parametrize("query", [query for _, query in OPERATIONS], ids=range(len(OPERATIONS)))
def test_each_query_of_the_runbook_finds_lines(log: Log, query: str) -> None:
    assert log.run(query)


def test_each_audit_line_has_the_members_that_the_page_lists(log: Log) -> None:
    """Every line of an event that the page lists has the members that it lists."""
    for event in ("hand-out", "action", "replaced"):
        lines = [line for line in log.lines if line.get("event") == event]
        assert lines
        assert all(line.keys() >= members(event) for line in lines)


def members(event: str) -> set[str]:
    """Return the members that the page lists of the lines of an event."""
    rows = {
        cells[1].strip(" `"): cells[3]
        for cells in (line.split("|") for line in (DOCS / "audit.md").read_text().splitlines())
        if len(cells) > 3 and cells[1].startswith(" `")
    }
    return {word for word in rows[event].split("`")[1::2] if word != "success"}


@pytest.mark.parametrize("level", ["DEBUG", "ERROR"])
def test_no_log_level_hides_an_audit_line(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    """`LogLevel` affects only other lines."""
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", level)
    connection = world.connect("vendorlink")
    service = world.cold("vendorlink")
    service({"connection": connection}, Invocation("token-broker-vendorlink"))
    service({"connection": connection, "action": "forget"}, Invocation("token-broker-vendorlink"))
    events = [line.get("event") for line in stamped(capsys.readouterr().out)]
    assert {"hand-out", "replaced", "action"} <= set(events)
