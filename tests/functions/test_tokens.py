"""What a caller gets for a token call, by both entrances."""

import json
from typing import Any

import pytest

from tests.functions.world import CALLER, World
from tests.subjects import FLOWS


@pytest.mark.parametrize("flow", FLOWS)
def test_a_first_call_exchanges_and_a_second_remembers(world: World, flow: str) -> None:
    """The same token comes from the exchange, from memory, and elsewhere from the table."""
    connection = world.connect(flow)
    first = world.call(flow, connection)
    again = world.call(flow, connection)
    world.service(flow).deps.cache.clear()
    other = world.call(flow, connection)
    assert [a["source"] for a in (first, again, other)] == ["exchange", "memory", "table"]
    assert first | {"source": ""} == again | {"source": ""} == other | {"source": ""}


@pytest.mark.parametrize("flow", FLOWS)
def test_both_entrances_answer_alike(world: World, flow: str) -> None:
    """What an HTTP caller finds in the body is what a direct invocation returns."""
    connection = world.connect(flow)
    world.call(flow, connection)
    response = world.http(flow, connection)
    assert response["statusCode"] == 200
    assert response["headers"] == {"content-type": "application/json", "cache-control": "no-store"}
    assert response["body"] == world.call(flow, connection)


@pytest.mark.parametrize("flow", FLOWS)
def test_a_hit_reads_the_table_once_and_nothing_else(world: World, flow: str) -> None:
    """A token that is kept costs reads and a decryption: no secret, no vendor, no write."""
    connection = world.connect(flow)
    world.call(flow, connection)
    read = world.read_of(flow, connection)
    world.aws.asked.clear()
    steps = len(world.steps(flow))
    world.advance(61)
    assert world.call(flow, connection)["source"] == "table"
    assert world.aws.asked == {read: 1, "Decrypt": 1}
    assert len(world.steps(flow)) == steps


def test_a_cold_process_reads_the_pointer_and_what_it_leads_to(world: World) -> None:
    """Which organization is "the only one", the first call of a process has to read as well."""
    connection = world.connect("vntana")
    world.call("vntana", connection)
    world.aws.asked.clear()
    world.cold("vntana")({"connection": connection}, context("vntana"))
    assert world.aws.asked == {"BatchGetItem": 1, "GetItem": 1, "Decrypt": 1}


@pytest.mark.parametrize(
    ("flow", "steps"),
    [
        ("vntana", ["/v1/auth/login/token", "/v1/organizations", "/v1/auth/refresh-token"]),
        ("vendorlink", ["/API/auth/login"]),
        ("editor", ["/generate"]),
    ],
)
def test_an_exchange_asks_the_vendor_for_no_more_than_it_needs(
    world: World, flow: str, steps: list[str]
) -> None:
    """The calls of a first exchange are the protocol's minimum, with one read of the secret."""
    connection = world.connect(flow)
    world.aws.asked.clear()
    world.call(flow, connection)
    assert world.steps(flow) == steps
    assert world.aws.asked["GetSecretValue"] == 1


@pytest.mark.parametrize(
    ("flow", "steps"),
    [
        ("vntana", ["/v1/auth/login/token", "/v1/auth/refresh-token"]),
        ("vendorlink", ["/API/auth/extendtoken"]),
        ("editor", ["/generate"]),
    ],
)
def test_a_renewal_lists_nothing_and_writes_twice(
    world: World, flow: str, steps: list[str]
) -> None:
    """What was resolved once is kept; a renewal takes a lease and commits."""
    connection = world.connect(flow)
    world.call(flow, connection)
    before = len(world.steps(flow))
    world.advance(10)
    world.aws.asked.clear()
    world.call(flow, connection, force=True)
    assert world.steps(flow)[before:] == steps
    assert world.aws.asked["UpdateItem"] == 2
    assert world.aws.asked["GetSecretValue"] == 1


def test_the_audit_line_says_who_got_what(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a hand-out: caller, connection, generation and fingerprint, never the token."""
    connection = world.connect("vntana")
    answer = world.http("vntana", connection)["body"]
    out = capsys.readouterr().out
    lines = [json.loads(line) for line in out.splitlines()]
    [audit] = [line for line in lines if line["event"] == "hand-out"]
    known = {"flow": "vntana", "connection": connection, "caller": CALLER, "source": "exchange"}
    assert (
        audit.items() >= (known | {"generation": 1, "fingerprint": answer["fingerprint"]}).items()
    )
    assert audit["HandOut"] == [1.0]
    assert answer["headers"]["X-AUTH-TOKEN"].removeprefix("Bearer ") not in out


def test_min_ttl_is_kept_or_refused(world: World) -> None:
    """No answer lives less than asked; more than the vendor gives is the caller's mistake."""
    connection, stands_at = world.connect("vendorlink"), float(world.now)
    world.vendorlink.clock.source = lambda: stands_at  # a busy machine makes no token live longer
    first = world.call("vendorlink", connection)
    world.advance(1800)
    longer = world.call("vendorlink", connection, min_ttl=3000)
    assert longer["generation"] == first["generation"] + 1
    assert_problem(world.http("vendorlink", connection, {"min_ttl": 3601}), "invalid_request", 400)
    assert len(world.steps("vendorlink")) == 2


def test_a_rejected_token_is_replaced_once(world: World) -> None:
    """A report counts only while it is about the current token."""
    connection = world.connect("vendorlink")
    first = world.call("vendorlink", connection)
    second = world.call("vendorlink", connection, rejected=first["fingerprint"])
    late = world.call("vendorlink", connection, rejected=first["fingerprint"])
    assert (second["generation"], late["generation"]) == (2, 2)
    assert len(world.steps("vendorlink")) == 2


def test_reports_are_limited_in_a_minute(world: World) -> None:
    """A caller that rejects whatever it gets cannot make the broker log in for ever."""
    connection = world.connect("vendorlink")
    answer = world.call("vendorlink", connection)
    for _ in range(3):
        answer = world.call("vendorlink", connection, rejected=answer["fingerprint"])
    response = world.http("vendorlink", connection, {"rejected": answer["fingerprint"]})
    assert_problem(response, "too_many_requests", 429)
    assert int(response["headers"]["retry-after"]) > 0


def test_force_exchanges_once_in_ten_seconds(world: World) -> None:
    """An exchange on demand is for people; it is bounded for all callers together."""
    connection = world.connect("editor")
    assert world.call("editor", connection)["generation"] == 1
    assert world.call("editor", connection, force=True)["generation"] == 2
    assert_problem(world.http("editor", connection, {"force": True}), "too_many_requests", 429)
    world.advance(10)
    assert world.call("editor", connection, force=True)["generation"] == 3


def test_force_gives_the_old_token_while_the_vendor_is_down(world: World) -> None:
    """In an outage, every caller still gets a token that lives."""
    connection = world.connect("vendorlink")
    first = world.call("vendorlink", connection)
    world.vendorlink.fail("status", times=None, status=503)
    answer = world.call("vendorlink", connection, force=True)
    assert (answer["fingerprint"], answer["stale"]) == (first["fingerprint"], True)


def test_an_aging_token_is_handed_out_and_one_renewal_is_started(world: World) -> None:
    """Of all callers, one starts the renewal, and none waits for it."""
    connection = world.connect("vendorlink")
    first = world.call("vendorlink", connection)
    world.advance(3300)
    for _ in range(3):
        assert world.call("vendorlink", connection)["generation"] == first["generation"]
        world.service("vendorlink").deps.cache.clear()
    [payload] = world.invoked
    assert payload == {"action": "renew", "connection": connection, "variant": "-"}
    assert world.service("vendorlink")(payload, context("vendorlink")) == {"renewed": 1}
    assert world.call("vendorlink", connection)["generation"] == 2
    assert world.service("vendorlink")(payload, context("vendorlink")) == {"renewed": 0}


def test_tokens_of_different_parameters_are_different(world: World) -> None:
    """Equal parameters share a token, in any order and defaults included; others never."""
    connection = world.connect("editor", parameters={"userId": "1"}, options={})
    given = [{}, {"userId": "1"}, {"userId": 1}, {"userId": "1", "a": 1}, {"a": 1, "userId": "1"}]
    answers = [world.call("editor", connection, parameters=p)["fingerprint"] for p in given]
    assert answers[0] == answers[1]
    assert answers[3] == answers[4]
    assert len(set(answers)) == 3


def test_without_reuse_no_token_is_shared_or_kept(world: World) -> None:
    """The switch `reuse` makes every opening of the editor a token of its own."""
    connection = world.connect("editor", options={"reuse": False})
    answers = [world.call("editor", connection) for _ in range(3)]
    assert len({a["fingerprint"] for a in answers}) == 3
    assert {a["source"] for a in answers} == {"exchange"}


@pytest.mark.parametrize("spelling", ["acme", "uuid", None])
def test_slug_uuid_and_the_only_one_are_one_variant(world: World, spelling: str | None) -> None:
    """However an organization is called, its token is the same one."""
    connection = world.connect("vntana")
    first = world.call("vntana", connection)
    named = first["context"]["organization"] if spelling == "uuid" else spelling
    body: dict[str, Any] = {"organization": named} if named else {}
    assert world.call("vntana", connection, **body)["fingerprint"] == first["fingerprint"]


def context(flow: str) -> Any:
    """Return a context of Lambda's."""
    from token_broker_local.functions import LambdaContext  # noqa: PLC0415 (one place to make it)

    return LambdaContext(f"token-broker-{flow}")


def assert_problem(response: dict[str, Any], code: str, status: int) -> None:
    """Assert that *response* is the problem *code*."""
    assert (response["body"]["code"], response["statusCode"]) == (code, status)
    assert response["headers"]["content-type"] == "application/problem+json"
    assert response["headers"]["cache-control"] == "no-store"
