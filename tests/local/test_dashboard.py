"""`/_dashboard`: metrics, states of connections, events and access."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import pytest

from tests.functions.canaries import handed_out
from tests.local.callers import answer_to, client, signed
from tests.subjects import CHECKED, clear_refusal, proof, talk
from tests.systems import system
from tests.waiting import PATIENCE_SECONDS, wait_until
from token_broker.telemetry import counted
from token_broker_local import states
from token_broker_local.addresses import FLOWS, Addresses, function_name, secret_name
from token_broker_local.controls import JSON, RESPONSE_MEMBERS, Controls
from token_broker_local.dashboard import CALL, FILES, PATH, SWITCH, Dashboard
from token_broker_local.event_log import MAX_CHARACTERS, MAX_EVENTS, SENTENCES, EventLog
from token_broker_local.functions import Function, Outcome
from token_broker_local.gateway import Gateway
from token_broker_local.messages import GatewayError, HttpRequest, HttpResponse
from token_broker_local.metrics import MAX_SERIES, OTHERS, POINTS, SECONDS, Metrics, percentile
from token_broker_local.states import connections, state
from token_broker_operations.dashboard import CHARTS, LISTED_EVENTS, Chart

CHROMIUM = shutil.which("chromium")
HAND_OUTS = CHARTS[0]
BROWSER = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def figures(clock: Clock) -> Metrics:
    return Metrics(clock)


def hand_out(milliseconds: float = 1.0, source: str = "memory", flow: str = "vntana") -> str:
    """Return the line that a function writes of a hand-out."""
    facts = {"source": source, "milliseconds": milliseconds, "token_age": 1, "stale": 1, "slow": 1}
    return counted("hand-out", flow, facts, 1_800_000_000_000) + "\n"


def sums(figures: Metrics, flow: str | None = None) -> Mapping[str, float]:
    return {one["name"]: one["all"]["Sum"] for one in figures.series_of(HAND_OUTS, flow)}


# Metrics


def test_a_metric_is_counted_by_its_dimension(figures: Metrics) -> None:
    """Over all flows, or over one."""
    figures.record(hand_out() + hand_out() + hand_out(source="exchange"))
    figures.record(hand_out(flow="editor"))
    assert sums(figures) == {"exchange": 1, "memory": 3}
    assert sums(figures, "editor") == {"memory": 1}
    assert sums(figures, "vendorlink") == {}


@pytest.mark.parametrize(
    ("metric", "event", "facts", "name"),
    [
        pytest.param("ColdStart", "cold start", {}, "editor", id="without a dimension, by flow"),
        pytest.param("Failure", "failure", {"code": "x"}, "x", id="a second set, of its alarm"),
    ],
)
def test_each_line_of_a_metric_is_counted_once(
    figures: Metrics, metric: str, event: str, facts: dict[str, str], name: str
) -> None:
    figures.record(counted(event, "editor", facts, 0))
    [series] = figures.series_of(Chart("", metric))
    assert (series["name"], series["all"]["Sum"]) == (name, 1)


def test_points_cover_their_seconds_and_old_points_are_dropped(
    figures: Metrics, clock: Clock
) -> None:
    """The last point is the current one."""
    figures.record(hand_out())
    clock.now += SECONDS
    figures.record(hand_out() + hand_out())
    [series] = figures.series_of(HAND_OUTS)
    assert len(series["points"]["Sum"]) == POINTS
    assert series["points"]["Sum"][-3:] == [None, 1, 2]
    clock.now += SECONDS * (POINTS - 1)
    assert sums(figures) == {"memory": 2}
    clock.now += SECONDS
    assert sums(figures) == {}


def test_percentiles_are_right_within_a_few_percent(figures: Metrics) -> None:
    """Those of CloudWatch are estimates, too."""
    for milliseconds in range(1, 1001):
        figures.record(hand_out(milliseconds))
    [series] = figures.series_of(Chart("", "Duration", ("p50", "p99", "Maximum")))
    assert series["all"]["p50"] == pytest.approx(500, rel=0.03)
    assert series["all"]["p99"] == pytest.approx(990, rel=0.03)
    assert series["all"]["Maximum"] == 1000


@pytest.mark.parametrize("value", [0.0, 0.3, 7.0])
def test_a_percentile_never_exceeds_the_largest_value(figures: Metrics, value: float) -> None:
    figures.record(hand_out(value))
    [series] = figures.series_of(Chart("", "Duration", ("p99",)))
    assert series["all"]["p99"] == pytest.approx(value, rel=0.03)
    assert percentile({0: 1}, 0.5, value) <= value
    # The median of three values is the second.
    assert percentile({0: 1, 10: 1, 20: 1}, 0.5, 99) == pytest.approx(1.05**10, rel=0.03)


def test_the_number_of_series_and_points_is_bounded(figures: Metrics, clock: Clock) -> None:
    """Further series are counted together."""
    for number in range(MAX_SERIES * 2):
        figures.record(hand_out(source=f"source {number}", flow=f"flow {number}"))
        clock.now += 0.01
    assert len(figures._tallies) <= MAX_SERIES + 5  # the rest of each of the five metrics
    assert sums(figures)[OTHERS] > 1
    for _ in range(POINTS * 3):
        clock.now += SECONDS
        figures.record(hand_out(source="source 1"))
    assert max(len(kept) for kept in figures._tallies.values()) <= POINTS


@pytest.mark.parametrize(
    "line",
    [
        *("", "no JSON", "[1]", "null", "{}", '{"_aws": 1}'),
        '{"_aws": {"CloudWatchMetrics": [{}]}, "flow": "x"}',
        hand_out().replace("[1.0]", '["much"]'),
        hand_out().replace("[1.0]", "[NaN]"),
        "[" * 100_000,
    ],
)
def test_a_line_without_a_metric_is_ignored(figures: Metrics, line: str) -> None:
    """A function may print anything."""
    figures.record(line)
    assert not any(figures.series_of(chart) for chart in CHARTS)
    figures.record(f"{line}\n{hand_out()}")
    assert sums(figures) == {"memory": 1}


# Who may look


def get(
    path: str = PATH, method: str = "GET", hosts: tuple[str, ...] = ("127.0.0.1:8080",)
) -> HttpResponse:
    gateway = Gateway({}, dashboard=Dashboard(Metrics(), list))
    path, _, query = path.partition("?")
    return gateway.answer(HttpRequest(method, path, query, [("Host", host) for host in hosts]))


@pytest.mark.parametrize("path", [*FILES, f"{PATH}/data"])
def test_the_page_needs_no_signature_and_loads_nothing_from_other_hosts(path: str) -> None:
    """Each file has the content security policy."""
    answer = get(path)
    headers = dict(answer.headers)
    assert (answer.status, bool(answer.body)) == (200, True)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
    sources = {each.split()[-1] for each in headers["Content-Security-Policy"].split("; ")}
    assert sources == {"'none'", "'self'", "data:"}
    assert headers["Cache-Control"] == "no-store"
    assert not any(name.lower().startswith("access-control") for name in headers)
    assert b"//" not in answer.body.replace(b"http://www.w3.org/2000/svg", b"").replace(b"// ", b"")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8080"])
def test_each_host_name_of_loopback_is_accepted(host: str) -> None:
    assert get(hosts=(host,)).status == 200


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        *((host,) for host in ("", "evil.example", "evil.example:8080", "127.0.0.1:8080\n")),
        *((host,) for host in ("127.0.0.1.evil.example", "evil.example@127.0.0.1")),
        ("127.0.0.1", "evil.example"),
    ],
)
@pytest.mark.parametrize("path", [*FILES, f"{PATH}/data"])
def test_another_host_name_is_refused(path: str, hosts: tuple[str, ...]) -> None:
    """DNS rebinding: a page whose host name resolves to this machine reads nothing."""
    assert get(path, hosts=hosts).status == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *((method, PATH, 405) for method in ("POST", "HEAD", "PUT", "DELETE", "OPTIONS", "X")),
        *(("GET", f"{PATH}{rest}", 404) for rest in ("/", "/dashboard.py", "/../gateway.py")),
        *(("GET", path, 403) for path in ("/_dashboards", "/v1/_dashboard", "/")),
    ],
)
def test_only_the_files_of_the_page_can_be_got(method: str, path: str, status: int) -> None:
    """Other paths than those below it are the gateway's, which asks for a signature."""
    answer = get(path, method)
    assert answer.status == status
    assert (b"Missing Authentication Token" in answer.body) == (status == 403)


# States


def test_connections_are_listed_in_the_order_of_the_flows() -> None:
    """Without those of other stages and unknown flows."""
    names = [f"token-broker/local/{name}" for name in ("editor/b", "vntana/b", "vntana/a", "x/a")]
    assert connections(iter([*names, "token-broker/prod/vntana/a"])) == [
        ("vntana", "a"),
        ("vntana", "b"),
        ("editor", "b"),
    ]


def test_the_states_are_read_once_for_all_open_pages(clock: Clock) -> None:
    """A second tab causes no more reads; an action does, which may have worked though it failed."""
    rounds: list[int] = []

    def read() -> Iterator[Mapping[str, Any]]:
        rounds.append(1)
        yield {"flow": "vntana", "connection": "demo", "variants": []}

    dashboard = Dashboard(Metrics(), read, clock, controls=Controls("", {}))
    assert dashboard.content("vntana")["connections"]
    assert not dashboard.content("editor")["connections"]
    assert len(rounds) == 1
    clock.now += 1
    dashboard.content(None)
    assert len(rounds) == 2
    clock.now -= 3_600
    dashboard.content(None)
    assert len(rounds) == 3
    own = [("Host", "localhost"), ("Origin", "http://localhost"), ("Content-Type", JSON)]
    with pytest.raises(GatewayError):
        dashboard.answer(HttpRequest("POST", CALL, "", own, b"{}"))
    dashboard.content(None)
    assert len(rounds) == 4


def test_a_failed_status_call_is_shown_by_the_name_of_its_error() -> None:
    """Status calls of the page are not logged."""

    def handler(event: Any, context: Any) -> Any:
        raise LookupError(f"{event} {context} s3cret")

    lines: list[str] = []
    entry = state(Function(function_name("vntana"), handler, report=lines.append), "vntana", "demo")
    assert entry["error"] == "LookupError"
    assert "s3cret" not in json.dumps(entry)
    assert lines == []


def test_a_slow_status_call_is_shown_by_the_name_of_its_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other connections are shown all the same, up to a number, whatever page lists them.

    The slow one has no time, the others have as much as they need.
    """
    monkeypatch.setattr(states, "MAX_CONNECTIONS", 2)
    is_over = threading.Event()

    def handler(event: Any, _: Any) -> Any:
        is_over.wait(PATIENCE_SECONDS * (event["connection"] == "a"))
        return event

    seconds, invoke = iter([0.0, PATIENCE_SECONDS]), Function.invoke

    def invoked(function: Function, payload: bytes, patience: float) -> Outcome:
        assert patience == states.TIMEOUT_SECONDS
        return invoke(function, payload, next(seconds))

    monkeypatch.setattr(Function, "invoke", invoked)

    def pages(Filters: Any) -> Iterator[Mapping[str, Any]]:  # noqa: N803 (boto3's name)
        assert Filters == [{"Key": "name", "Values": ["token-broker/local/"]}]
        for name in "abc":
            yield {"SecretList": [{"Name": secret_name("vntana", name)}]}

    paginator = SimpleNamespace(paginate=pages)
    secrets: Any = SimpleNamespace(get_paginator={"list_secrets": paginator}.get)
    found = [*states.states({"vntana": Function(function_name("vntana"), handler)}, secrets)]
    is_over.set()
    assert [one.get("error") for one in found] == ["TimeoutError", None]


# Events


def test_events_are_described_newest_first(clock: Clock) -> None:
    """Of one flow or of all, of a bounded number; other lines of the log are ignored."""
    log = EventLog(clock)
    lines: list[dict[str, Any]] = [
        {"event": "held", "flow": "vntana", "connection": "a", "by": "jane", "reason": "{drill}"},
        {"event": "hand-out", "flow": "vntana", "connection": "a", "caller": "jane"},
        {"event": "replaced", "flow": "editor", "connection": "b", "generation": 1, "token": "s3c"},
    ]
    log.record("\n".join([*map(json.dumps, lines), "[1]", "{", "no line"]))
    assert [(one["flow"], one["connection"], one["text"]) for one in log.latest()] == [
        ("editor", "b", "new token none, generation 1; it replaces none"),
        ("vntana", "a", "jane holds it: {drill}"),
    ]
    assert [one["event"] for one in log.latest("vntana")] == ["held"]
    assert log.latest()[0]["at"] == clock.now
    log.record(json.dumps({**lines[0], "reason": "long " * 1_000}))
    assert len(log.latest()[0]["text"]) <= MAX_CHARACTERS
    for _ in range(MAX_EVENTS):
        log.record(json.dumps(lines[2]))
    assert {one["event"] for one in log.latest()} == {"replaced"}


def test_each_event_of_the_bus_has_a_description() -> None:
    """Those of docs/events.md, and `unannounced`; the deployed dashboard lists the same."""
    page = (Path(__file__).parents[2] / "docs/events.md").read_text()
    listed = {*re.findall(r"(?m)^\| `[A-Z][\w ]+` \| `(\w+)` \|", page)}
    assert {*SENTENCES} == listed | {"unannounced"} == {*LISTED_EVENTS, "replaced"}


# The whole


@pytest.fixture(scope="module")
def local() -> Iterator[Addresses]:
    """The local system in a process of its own."""
    with system() as chosen:
        yield chosen


@pytest.fixture(scope="module")
def browsed() -> Iterator[Addresses]:
    """One more for the browser: what its tests cause is none of the other tests' figures."""
    with system() as chosen:
        yield chosen


def called(local: Addresses, method: str, path: str) -> Any:
    return answer_to(local.port, signed(method, path))[1]


def shown(local: Addresses, flow: str = "") -> Any:
    """Return the page's data."""
    return answer_to(local.port, HttpRequest("GET", f"{PATH}/data", f"flow={flow}"))[1]


def test_the_page_shows_calls_and_states_without_tokens(local: Addresses) -> None:
    """From the lines and the status answers of the functions."""
    answers = [called(local, "POST", f"/v1/{flow}/demo/token") for flow in ("vntana", "vendorlink")]
    assert called(local, "POST", "/v1/vntana/demo/token")["source"] == "memory"
    called(local, "POST", "/v1/vntana/nobody/token")
    data = shown(local)
    charts = {
        one["metric"]: {each["name"]: each for each in one["series"]} for one in data["charts"]
    }
    assert charts["HandOut"]["exchange"]["all"] == {"Sum": 2}
    assert charts["HandOut"]["memory"]["all"] == {"Sum": 1}
    assert charts["Failure"]["unknown_connection"]["all"] == {"Sum": 1}
    assert charts["UpstreamDuration"]
    assert {*charts["ColdStart"]} <= {*FLOWS}
    assert [one["flow"] for one in data["connections"]] == [*FLOWS]
    [variant] = data["connections"][0]["variants"]
    assert (variant["fingerprint"], variant["state"]) == (answers[0]["fingerprint"], "fresh")
    for answer in answers:
        assert not any(token in json.dumps(data) for token in handed_out(answer))
    assert "demo-key" not in json.dumps(data)


def done(local: Addresses, path: str, **command: Any) -> Any:
    """Return the response to an action of the page."""
    headers = [("Origin", local.url("gateway")), ("Content-Type", JSON)]
    request = HttpRequest("POST", path, "", headers, json.dumps(command).encode())
    return answer_to(local.port, request)[1]


@pytest.mark.parametrize("flow", FLOWS)
def test_the_page_can_cause_a_latch_an_outage_and_a_recovery(local: Addresses, flow: str) -> None:
    """For each flow: its fake refuses, then is down, then works; no token is shown."""

    def act(action: str, **more: str) -> Any:
        answer = done(local, CALL, flow=flow, connection="demo", action=action, **more)
        assert {*answer} <= {*RESPONSE_MEMBERS}
        return answer

    def fails(kind: str, **details: Any) -> None:
        fault = {"kind": kind, "times": None, **details}
        done(local, SWITCH, flow=flow, switch={"faults": [fault]})

    def state() -> Any:
        connections = shown(local, flow)["connections"]
        return next(one for one in connections if one["connection"] == "demo")

    assert act("token")["status"] == 200
    assert flow not in CHECKED or act("check")["ok"] is True
    tokens = len({one["fingerprint"] for one in state()["variants"]} - {None})
    assert tokens == len(talk(flow).callers_tokens())
    assert act("hold")["code"] == "invalid_request"  # no reason
    assert act("hold", reason="a drill")["held"]["reason"] == "a drill"
    assert state()["held"]["reason"] == "a drill"
    assert act("token")["code"] == "connection_held"
    assert act("lift", reason="left over from the hold")["held"] is None
    assert act("token", reason="left over from the hold")["status"] == 200
    fails("answer", step=proof(flow).step, **clear_refusal(flow))
    act("forget")
    assert act("token")["code"] == "credential_rejected"
    assert act("token")["code"] == "credential_latched"
    assert any(variant["latched"] for variant in state()["variants"])
    fails("status", status=503)
    act("forget")
    assert act("token")["code"] == "upstream_unavailable"
    done(local, SWITCH, flow=flow, switch={}, reset=True)
    act("forget")
    assert act("token")["source"] == "exchange"
    assert not any(variant["latched"] for variant in state()["variants"])
    events = [one for one in shown(local, flow)["events"] if one["connection"] == "demo"]
    assert {one["flow"] for one in events} == {flow}
    happened = [one["event"] for one in reversed(events)]
    assert [each for each in happened if each != "replaced"] == [
        *("held", "lifted", "latched", "recovered")
    ]
    assert happened[-1] == "replaced"
    assert any(one["text"].endswith("holds it: a drill") for one in events)


@pytest.mark.slow
@in_a_browser
def test_a_browser_shows_the_page(browsed: Addresses, tmp_path: Path) -> None:
    """It works under its content security policy, without errors on the console."""
    fingerprint = called(browsed, "POST", "/v1/vntana/demo/token")["fingerprint"]
    address = f"{browsed.url('gateway')}{PATH}"
    options = ("--enable-logging=stderr", "--virtual-time-budget=5000", "--dump-dom")
    page = subprocess.run(
        [CHROMIUM or "", *BROWSER, f"--user-data-dir={tmp_path}", *options, address],
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_SECONDS,
        check=True,
    )
    assert fingerprint in page.stdout
    assert "live, last 10 minutes" in page.stdout
    assert page.stdout.count("<figure") == len(CHARTS)
    assert "CONSOLE" not in page.stderr


HIDDEN = """
document.querySelectorAll("details").forEach((one) => { one.open = true; }),
[...document.querySelectorAll(`.pill, #states td, .tile, figure, #states button, #fakes button,
  #fakes select, #fakes input, #states input, #events li`)].filter((one) => {
  const box = one.getBoundingClientRect();
  const card = one.closest("section").getBoundingClientRect();
  const isFolded = getComputedStyle(one).display === "none";
  return !isFolded && (box.width < 4 || box.right > card.right + 1 || box.left < card.left - 1);
}).length + 1000 * (document.documentElement?.scrollWidth > innerWidth)
  + 1000 * !document.querySelector(".pill.latched") + 1000 * !document.querySelector(".pill.held")
  + 1000 * !document.querySelector("#fakes select") + 1000 * !document.querySelector("#events li")
"""
"""How many things are not wholly visible; no badge at all counts as well."""

AS_THREE_AND_FOUR = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Runs a program whose descriptors 3 and 4 are those that are named."""


@pytest.mark.slow
@in_a_browser
@pytest.mark.parametrize("width", [400, 700, 1280])
def test_columns_collapse_and_badges_stay_visible_on_narrow_screens(
    browsed: Addresses, tmp_path: Path, width: int
) -> None:
    """For three widths, with a connection name of maximal length and a latch."""
    host = browsed.url("vendorlink").removeprefix("http://")
    secret = {"username": "demo", "password": "wrong", "host": host, "scheme": "http"}
    secrets = client("secretsmanager", browsed.url("services"))
    name = f"{width}-{'long-' * 12}"[:62] + "x"
    secrets.create_secret(Name=secret_name("vendorlink", name), SecretString=json.dumps(secret))
    called(browsed, "POST", f"/v1/vendorlink/{name}/token")
    done(browsed, CALL, flow="vendorlink", connection=name, action="hold", reason="long-" * 20)
    called(browsed, "POST", "/v1/vntana/demo/token")
    with browser(tmp_path, width) as evaluate:
        evaluate("Page.navigate", url=f"{browsed.url('gateway')}{PATH}")
        wait_until(
            lambda: evaluate("Runtime.evaluate", expression=HIDDEN).get("value", 1000) < 1000
        )
        assert evaluate("Runtime.evaluate", expression=HIDDEN)["value"] == 0


@pytest.mark.slow
@in_a_browser
def test_buttons_of_the_page_work_in_a_browser(browsed: Addresses, tmp_path: Path) -> None:
    """Clicks cause a latch, a hold, and a recovery; a refresh of the page keeps the focus."""
    with browser(tmp_path, 400) as evaluate:

        def value(expression: str) -> Any:
            return evaluate("Runtime.evaluate", expression=expression).get("value")

        def click(part: str, name: str) -> None:
            value(f"document.querySelector('{part} [data-name^={name}]').click()")

        def shows(expression: str) -> None:
            wait_until(lambda: value(f"Boolean({expression})") is True)

        evaluate("Page.navigate", url=f"{browsed.url('gateway')}{PATH}")
        shows("document.querySelector('#fakes .pill.works')")
        click("#fakes", "refuse")
        shows("document.querySelector('#fakes .pill.fails')")
        click("#states", "forget")
        shows("document.querySelector('#states .output').textContent.startsWith('forget: 200')")
        click("#states", "token")
        shows("document.querySelector('#states tbody:first-of-type .pill.latched')")
        shows(
            "document.querySelector('#states .output').textContent.includes('credential_rejected')"
        )
        click("#states", "hold")
        shows("document.querySelector('#states .output').textContent.includes('write a reason')")
        value("document.querySelector('#states [data-name=reason]').value = 'a drill'")
        click("#states", "hold")
        shows("document.querySelector('#states tbody:first-of-type .pill.held')")
        shows("document.querySelector('#events li').textContent.endsWith('holds it: a drill')")
        click("#states", "lift")
        shows("!document.querySelector('#states tbody:first-of-type .pill.held')")
        click("#fakes", "works")
        shows("!document.querySelector('#fakes .pill.fails')")
        click("#states", "forget")
        shows("document.querySelector('#states .output').textContent.startsWith('forget: 200')")
        value("document.querySelector('#states [data-name=token]').focus()")
        click("#states", "token")
        shows("document.querySelector('#states tbody:first-of-type .pill.fresh')")
        value("before = last.now")
        shows("last.now > before + 2")
        assert value("document.activeElement.dataset.name") == "token"


@contextmanager
def browser(folder: Path, width: int) -> Iterator[Callable[..., Any]]:
    """Run a browser; yield a function that calls a method of its DevTools protocol."""
    (read, send), (receive, write) = os.pipe(), os.pipe()
    options = [*BROWSER, f"--user-data-dir={folder}", "--remote-debugging-pipe"]
    process = subprocess.Popen(
        [sys.executable, "-c", AS_THREE_AND_FOUR, str(read), str(write), CHROMIUM or "", *options],
        pass_fds=(read, write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read)
    os.close(write)
    session: dict[str, str] = {}
    with process, os.fdopen(receive, "rb") as lines, os.fdopen(send, "wb", 0) as commands:

        def carry_out(method: str, **params: Any) -> Any:
            message = {"id": 1, "method": method, "params": params} | session
            commands.write(json.dumps(message).encode() + b"\0")
            while (answer := json.loads(message_of(lines))).get("id") != 1:
                pass
            return answer["result"].get("result", answer["result"])

        target = carry_out("Target.createTarget", url="about:blank")
        attached = carry_out("Target.attachToTarget", flatten=True, **target)
        session.update(attached)
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        carry_out("Emulation.setDeviceMetricsOverride", **metrics)
        yield carry_out
        process.kill()


def message_of(lines: IO[bytes]) -> bytes:
    """Return the next message: it ends with a zero."""
    message = b""
    while not message.endswith(b"\0"):
        sign = lines.read(1)
        assert sign, "the browser has gone"
        message += sign
    return message[:-1]
