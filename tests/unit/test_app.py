"""The composition of a function from its environment, and its invocations and announcements."""

import json
import sys
import time
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest

from tests.unit.memory_aws import MemoryAws, timeout
from tests.unit.memory_broker import Context, Recorder
from token_broker.app import Environment
from token_broker.aws import clients
from token_broker.aws.endpoints import Credentials, PlainEnvironment
from token_broker.aws.fast_client import FastClient
from token_broker.cache import CachedToken
from token_broker.errors import NotConfigured, UpstreamRefused
from token_broker.exchange import Request, Response
from token_broker.flows import every
from token_broker.handler import Service
from token_broker.item import Item
from token_broker.tokens import Token
from token_broker.transport import client as transport
from token_broker.transport import deadline, sockets
from token_broker_fakes import registry

FLOW = every()["vendorlink"]
LEAST = {"STAGE": "test", "TABLE_NAME": "tokens", "KEY_ID": "alias/tokens"}
TOKEN = Token("value", {}, "https://vendor", 1, 2)
NOT_TAKEN = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "Throttled"}]}


class Recording:
    """A client of AWS that stores its calls, and returns *answer*."""

    def __init__(self, answer: dict[str, Any] | None = {"FailedEntryCount": 0}) -> None:  # noqa: B006 (is not changed)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._answer = answer

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> dict[str, Any]:
            self.calls.append((operation, parameters))
            if self._answer is None:
                raise timeout()
            return self._answer

        return call


def service(**variables: str) -> Service:
    return Environment(LEAST | variables).service(FLOW)


@pytest.mark.parametrize("name", LEAST)
def test_a_variable_that_is_missing_is_named(name: str) -> None:
    rest = {other: text for other, text in LEAST.items() if other != name}
    for variables in (rest, rest | {name: ""}, rest | {name: "  "}):
        with pytest.raises(NotConfigured) as raised:
            Environment(variables).service(FLOW)
        assert raised.value.detail == f"{name}: the environment variable is not set"


@pytest.mark.parametrize("name", ["MEMORY_SECONDS", "MEMORY_ENTRIES", "LEASE_SKEW_SECONDS"])
def test_a_number_must_be_a_whole_number(name: str) -> None:
    for value in ("", "-1", "1.5", "x", "\u0661", " 1"):
        with pytest.raises(NotConfigured) as raised:
            service(**{name: value})
        assert raised.value.detail == f"{name}: must be a whole number"


@pytest.mark.parametrize(
    ("variables", "seconds", "entries", "skew"),
    [
        ({}, 60, 1000, 30),
        ({"MEMORY_SECONDS": "7", "MEMORY_ENTRIES": "3", "LEASE_SKEW_SECONDS": "9"}, 7, 3, 9),
        ({"MEMORY_SECONDS": "0"}, 0, 1000, 30),
    ],
)
def test_settings_have_defaults(
    variables: dict[str, str], seconds: int, entries: int, skew: int
) -> None:
    deps = service(**variables).deps
    for number in range(entries + 1):
        deps.cache.put(str(number), CachedToken(Item("c", str(number)), TOKEN, 100))
    assert len(deps.cache) == entries
    last = deps.cache.recall("c", str(entries))
    assert last
    is_recent = [deps.cache.is_recent(last, 100 + age) for age in range(70)]
    assert is_recent == [age < seconds for age in range(70)]
    assert deps.skew == skew


def test_owners_and_random_numbers_are_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers cover the whole range."""
    deps = service().deps
    owners = {deps.owner() for _ in range(50)}
    numbers = {deps.random() for _ in range(50)}
    assert (len(owners), len(numbers)) == (50, 50)
    assert {len(owner) for owner in owners} == {16}
    assert all(0 <= number < 1 for number in numbers)
    for byte, number in ((b"\x00", 0), (b"\x80", 0.50196078), (b"\xff", 1)):
        monkeypatch.setattr("os.urandom", lambda count, byte=byte: byte * count)
        assert deps.random() == pytest.approx(number)


class Fast:
    """A fast client that always falls back to boto3, and stores its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.is_closed = False

    def call(self, operation: str, _: Mapping[str, Any]) -> None:
        """Store the call, and return None."""
        self.calls.append(operation)

    def close(self) -> None:
        """Keep that it was closed."""
        self.is_closed = True


@pytest.mark.parametrize("has_fast", [False, True])
def test_a_function_uses_the_resources_of_its_variables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, has_fast: bool
) -> None:
    """Table, key, secrets and vendor; the fast client before boto3."""
    aws, fast = MemoryAws(), Fast()
    fake = registry.new("vendorlink", clock=time.time)
    secret = fake.demo_secret("app.vendorlink.nl")
    aws.manager.put("vendorlink/acme", secret)
    invoked = Recording()
    for name, client in (
        ("dynamodb", aws.dynamodb),
        ("kms", aws.kms),
        ("secrets_manager", aws.manager),
        ("functions", invoked),
    ):
        monkeypatch.setattr(clients, name, lambda client=client: client)
    monkeypatch.setattr(
        "token_broker.transport.client.Transport.send", lambda _, request, __: fake(request)
    )
    monkeypatch.setattr("token_broker.app.fast_client", lambda _: fast if has_fast else None)
    named = {"POWERTOOLS_METRICS_NAMESPACE": "TokenBroker", "POWERTOOLS_SERVICE_NAME": "vendorlink"}
    for name, value in (LEAST | named).items():
        monkeypatch.setenv(name, value)
    function = Environment().service(FLOW)
    began = time.time()
    answer = function({"connection": "acme"}, Context())
    assert answer["source"] == "exchange"
    assert function.deps.store.read("vendorlink#acme", "-").issued_at in range(
        int(began), int(time.time()) + 1
    )
    function.deps.cache.clear()
    again = function({"connection": "acme"}, Context())
    assert (again["source"], again["headers"]) == ("table", answer["headers"])
    assert {context["table"] for context in aws.kms.contexts} == {LEAST["TABLE_NAME"]}
    event = changed(aws.manager.put("vendorlink/acme", secret))
    assert function(event, Context()) == {"started": 1}
    ((_, invocation),) = invoked.calls
    assert json.loads(invocation["Payload"])["version"] == "v2"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["fingerprint"] for line in lines if line["event"] == "hand-out"] == [
        answer["fingerprint"]
    ] * 2
    assert {line["flow"] for line in lines} == {"vendorlink"}
    assert {"exchange", "replaced"} <= {line["event"] for line in lines}
    operations = {"get_item", "update_item", "get_secret_value", "encrypt", "decrypt", "invoke"}
    assert operations & set(fast.calls) == (operations if has_fast else set())


def changed(version: str) -> dict[str, Any]:
    """Return the event of Secrets Manager for a new version of the connection's secret."""
    name = "token-broker/test/vendorlink/acme"
    detail = {"labelUpdated": "AWSCURRENT", "name": name, "versionId": version}
    kind = "Secret Label Updated"
    return {"source": "aws.secretsmanager", "detail-type": kind, "detail": detail}


def test_a_function_uses_the_clocks_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole seconds since the epoch, and a monotonic clock for durations."""
    monkeypatch.setattr("time.time", lambda: 1_900_000_000.9)
    clock = service().deps.clock
    assert clock.now() == 1_900_000_000
    assert (clock.monotonic, clock.sleep) == (time.monotonic, time.sleep)


def test_deadlines_use_the_monotonic_clock_and_ages_the_wall_clock() -> None:
    """A step of the wall clock changes no deadline.

    The monotonic clock may stand still while a function is frozen, so the age of a connection, and
    the date of a request to AWS, are by the wall clock.
    """
    counting = [vars(module)["monotonic"] for module in (clients, transport, deadline)]
    assert counting == [time.monotonic] * 3
    environment = PlainEnvironment(Credentials("a", "b", None, "eu-west-1"), {})
    assert [vars(sockets)["time"], FastClient(environment)._clock] == [time.time] * 2


def test_a_function_invokes_itself_by_the_arn_of_its_invocation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the last one: each team may have an alias, and one process serves them all."""
    client = Recording()
    monkeypatch.setattr(clients, "functions", lambda: client)
    function = service()
    for name in ("arn:function:live", "arn:function:orders"):
        with pytest.raises(Exception, match="connection: is missing"):
            function({}, Context(invoked_function_arn=name))
        function.deps.invoke({"action": "renew"})
        invoke = {"FunctionName": name, "InvocationType": "Event"}
        assert client.calls.pop() == ("invoke", invoke | {"Payload": b'{"action": "renew"}'})


@pytest.mark.parametrize("bus", [None, "", "events"])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}, None, id="taken"),
        pytest.param(None, "the bus cannot be reached (ReadTimeoutError)", id="silent"),
        pytest.param(NOT_TAKEN, "Throttled", id="not taken"),
    ],
)
def test_an_announcement_is_logged_and_put_on_a_configured_bus(
    monkeypatch: pytest.MonkeyPatch, bus: str | None, answer: Any, reason: str | None
) -> None:
    """A failure of the bus is returned, and raises nothing."""
    client, telemetry = Recording(answer), Recorder()
    monkeypatch.setattr(clients, "events", lambda: client)
    named = {} if bus is None else {"EVENT_BUS_NAME": bus}
    deps = Environment(LEAST | named).deps(FLOW, telemetry, "token-broker/")
    detail = {"flow": "vendorlink", "connection": "acme", "secret_version": "v1"}
    is_lost = bool(bus and reason)
    assert deps.announce("Connection Latched", detail) is not is_lost
    lost = ("unannounced", {"what": "Connection Latched", "reason": reason})
    assert telemetry.events == [("latched", detail), *([lost] if is_lost else [])]
    entry = {
        "EventBusName": bus,
        "Source": "token-broker",
        "DetailType": "Connection Latched",
        "Detail": json.dumps(detail),
    }
    assert client.calls == ([("put_events", {"Entries": [entry]})] if bus else [])


def test_only_configured_hosts_may_resolve_to_internal_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Blanks around them are allowed; one transport sends all requests."""
    made: list[frozenset[str]] = []

    class Sending:
        def __init__(self, internal_hosts: frozenset[str]) -> None:
            made.append(internal_hosts)

        def send(self, _: Request, seconds: float) -> Response:
            return Response(int(seconds))

    monkeypatch.setattr("token_broker.transport.client.Transport", Sending)
    names: list[dict[str, str]] = [{}, {"INTERNAL_HOSTS": ""}]
    for named in (*names, {"INTERNAL_HOSTS": " a.test, B.Test ,,"}):
        deps = service(**named).deps
        request = Request("GET", "https://a.test/", "look")
        assert [deps.send(request, seconds).status for seconds in (200, 204)] == [200, 204]
    assert made == [set(), set(), {"a.test", "b.test"}]


def test_a_restored_snapshot_has_empty_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens, secret versions and connections may be days old."""
    restored: list[Any] = []
    runtime = ModuleType("snapshot_restore_py")
    runtime.register_after_restore = restored.append  # type: ignore[attr-defined]  # Lambda's own
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", runtime)
    fast = Fast()
    monkeypatch.setattr("token_broker.app.fast_client", lambda _: fast)
    closed: list[object] = []
    monkeypatch.setattr(transport.Transport, "close", lambda _: closed.append("to the vendor"))
    deps = service().deps
    deps.cache.put("-", CachedToken(Item("c", "-"), TOKEN, 100))
    deps.versions_seen["acme"] = (100, "v1")
    (forget,) = restored
    forget()
    assert (len(deps.cache), deps.versions_seen, fast.is_closed) == (0, {}, True)
    assert closed == [], "nothing was sent to the vendor yet"
    with pytest.raises(UpstreamRefused):
        deps.send(Request("GET", "ftp://vendor", "look"), 1)
    forget()
    assert len(closed) == 1
