"""What a refusal means for the one who asked, and for everybody else who shares the connection."""

from typing import Any

import pytest

from tests.functions.test_failures import WRONG_LOGIN
from tests.functions.test_tokens import assert_problem
from tests.functions.world import World
from tests.subjects import FLOWS, clear_refusal, proof, renewal_step
from token_broker.records import replace

LOGIN_STEPS = {flow: proof(flow).step for flow in FLOWS}


def asked(user: object, **more: Any) -> dict[str, Any]:
    return {"parameters": {"userId": str(user), **more}}


@pytest.fixture
def picky(world: World) -> World:
    """The editor's vendor says 403 to parameters without a file."""
    world.editor.modes.file = "mandatory"
    world.editor.modes.missing_parameter = "403"
    return world


def test_bad_parameters_are_refused_to_their_caller_alone(picky: World) -> None:
    """I17: once the key was accepted, a 403 is about the parameters that were sent with it."""
    connection = picky.connect("editor", parameters={})
    assert picky.call("editor", connection, **asked(1, file="a"))["source"] == "exchange"
    for body in (asked(2), asked(3), asked(4), asked(5)):
        assert_problem(picky.http("editor", connection, body), "upstream_refused", 502)
    sent = len(picky.steps("editor"))
    forced = asked(2) | {"force": True}
    assert_problem(picky.http("editor", connection, forced), "upstream_refused", 502)
    assert len(picky.steps("editor")) == sent
    assert picky.call("editor", connection, **asked(6, file="a"))["source"] == "exchange"
    assert picky.announced == []


def test_bad_parameters_do_not_latch_a_key_that_nobody_proved(picky: World) -> None:
    """The first two variants are shut out, each alone; one that is accepted opens them again."""
    connection = picky.connect("editor", parameters={})
    for user in (1, 2):
        assert_problem(picky.http("editor", connection, asked(user)), "credential_rejected", 502)
        assert_problem(picky.http("editor", connection, asked(user)), "credential_latched", 502)
    assert picky.call("editor", connection, **asked(3, file="a"))["source"] == "exchange"
    picky.advance(60)
    assert_problem(picky.http("editor", connection, asked(1)), "upstream_refused", 502)
    picky.editor.modes.file = "optional"
    picky.advance(60)
    assert picky.call("editor", connection, **asked(2))["source"] == "exchange"


def test_a_key_that_three_variants_found_wrong_is_latched(world: World) -> None:
    """I7: a wrong key of the editor's costs three tries, however many callers there are."""
    connection = world.connect("editor", **WRONG_LOGIN["editor"])
    codes = [world.http("editor", connection, asked(user))["body"]["code"] for user in range(6)]
    assert codes == ["credential_rejected"] * 3 + ["credential_latched"] * 3
    assert len(world.steps("editor")) == 3
    assert [what for what, _ in world.announced] == ["Connection Latched"]


def break_login(world: World, flow: str) -> None:
    """Have the vendor say clearly that it does not take the credentials, which it took before.

    Nor what renews a token without them.
    """
    if step := renewal_step(flow):
        world.fakes[flow].fail("answer", step=step, times=None, status=400, headers={}, body="")
    world.fakes[flow].fail("answer", step=LOGIN_STEPS[flow], times=None, **clear_refusal(flow))


@pytest.mark.parametrize("flow", FLOWS)
def test_a_version_that_was_accepted_latches_when_it_is_rejected_twice(
    world: World, flow: str
) -> None:
    """I7: the second login is a minute after the first, and there is no third."""
    connection = world.connect(flow)
    world.call(flow, connection)
    break_login(world, flow)
    world.advance(40 * 86_400)
    logins = world.logins(flow)
    first = world.http(flow, connection)
    assert_problem(first, "credential_rejected", 502)
    sent = len(world.steps(flow))
    assert world.logins(flow) == logins + 1
    assert {f["count"] for f in failures(world, flow, connection)} == {1}
    for body in ({}, {"force": True}, {"min_ttl": 60}):
        response = world.http(flow, connection, body)
        assert_problem(response, "credential_rejected", 502)
        assert 0 < response["body"]["retry_after"] <= 60
    assert len(world.steps(flow)) == sent
    assert world.announced == []
    world.advance(60)
    assert_problem(world.http(flow, connection), "credential_rejected", 502)
    assert world.logins(flow) == logins + 2
    sent = len(world.steps(flow))
    world.advance(600)
    assert_problem(world.http(flow, connection, {"force": True}), "credential_latched", 502)
    assert len(world.steps(flow)) == sent
    assert [what for what, _ in world.announced] == ["Connection Latched"]


@pytest.mark.parametrize("flow", FLOWS)
def test_one_rejection_of_a_version_that_worked_is_forgotten_once_it_works(
    world: World, flow: str
) -> None:
    """Each time, it takes two in a row."""
    connection = world.connect(flow)
    world.call(flow, connection)
    for _ in range(2):
        world.advance(40 * 86_400)
        break_login(world, flow)
        assert_problem(world.http(flow, connection), "credential_rejected", 502)
        world.fakes[flow].heal()
        world.advance(60)
        assert world.call(flow, connection)["source"] == "exchange"
    assert world.announced == []


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("status", [401, 403, 200])
def test_a_page_is_no_verdict(world: World, flow: str, status: int) -> None:
    """HTML of a proxy says nothing of the credentials: the connection is open once it is gone."""
    connection = world.connect(flow)
    world.fakes[flow].fail("html", step=LOGIN_STEPS[flow], status=status)
    response = world.http(flow, connection)
    assert_problem(response, "upstream_contract_changed", 502)
    assert response["body"]["detail"].startswith(LOGIN_STEPS[flow])
    world.advance(30)
    assert world.call(flow, connection)["source"] == "exchange"


@pytest.mark.parametrize("flow", FLOWS)
def test_an_unclear_login_is_not_repeated_by_force(world: World, flow: str) -> None:
    """The vendors' lock-outs are not known: the back-off of a login holds for forced calls too."""
    connection = world.connect(flow)
    world.fakes[flow].fail("html", step=LOGIN_STEPS[flow], times=None, status=200)
    for _ in range(3):
        response = world.http(flow, connection, {"force": True})
        assert_problem(response, "upstream_contract_changed", 502)
        world.advance(9)
    assert world.logins(flow) == 1


@pytest.mark.parametrize("flow", FLOWS)
def test_a_version_that_worked_is_not_given_up_for_the_one_before(world: World, flow: str) -> None:
    """The previous version is for a rotation that went wrong, and this one went well."""
    connection = world.connect(flow)
    world.put_secret(flow, connection, world.secret(flow))
    world.call(flow, connection)
    break_login(world, flow)
    world.fakes[flow].revoke()
    world.advance(12 * 3600)
    world.fakes[flow].log.clear()
    assert_problem(world.http(flow, connection, {"force": True}), "credential_rejected", 502)
    assert world.fakes[flow].log.steps.count(LOGIN_STEPS[flow]) == 1


def test_what_delete_removed_does_not_come_back(world: World) -> None:
    """A login that fails while an operator says DELETE latches its own version, and no other."""
    connection = world.connect("vendorlink", **WRONG_LOGIN["vendorlink"])
    world.http("vendorlink", connection)
    (lifted,) = world.item("vendorlink", connection)["rejected_versions"]["L"]
    for password in ("second", "third"):
        secret = world.secret("vendorlink") | {"password": password}
        world.put_secret("vendorlink", connection, secret)
    world.advance(30)
    service = world.service("vendorlink")
    tools = service.deps

    def send(*arguments: Any) -> Any:
        response = tools.send(*arguments)
        if not world.vendorlink.log.steps[1:]:
            tools.store.forget(tools.store.read(f"vendorlink#{connection}", "-"))
        return response

    world.vendorlink.log.clear()
    service.use(replace(tools, send=send))
    assert_problem(world.http("vendorlink", connection), "credential_rejected", 502)
    service.use(tools)
    assert lifted not in world.item("vendorlink", connection)["rejected_versions"]["L"]
    assert_problem(world.http("vendorlink", connection), "credential_latched", 502)


@pytest.mark.parametrize("flow", FLOWS)
def test_a_latch_beside_a_token_of_the_version_before_is_never_dropped(
    world: World, flow: str
) -> None:
    """I15: the table's ttl would lift it, and cost one more login; nor is the gate's dropped."""
    connection = world.connect(flow)
    world.put_secret(flow, connection, world.secret(flow) | WRONG_LOGIN[flow])
    world.http(flow, connection)
    items = [world.item(flow, connection, key) for key in variants(world, flow, connection)]
    kept = [item for item in items if "rejected_versions" in item or "suspect_variants" in item]
    assert kept
    assert not [item["variant"] for item in kept if "ttl" in item]


def variants(world: World, flow: str, connection: str) -> list[str]:
    """Return the keys of what is kept of a connection."""
    items = world.service(flow).deps.store.list(f"{flow}#{connection}")
    return [item.variant for item in items]


def test_delete_tells_that_it_lifted_a_latch(world: World) -> None:
    """Whoever heard that the connection is latched hears that it may be used again; once."""
    connection = world.connect("vntana", **WRONG_LOGIN["vntana"])
    world.http("vntana", connection)
    for _ in range(2):
        world.http("vntana", connection, method="DELETE")
    told = [what for what, _ in world.announced]
    assert told == ["Connection Latched", "Connection Recovered"]
    assert world.announced[0][1] == world.announced[1][1]


def test_a_token_that_is_being_replaced_is_handed_out_as_stale(world: World) -> None:
    """The upstream may have ended it already: a holder that died amid `force` cannot say."""
    connection = world.connect("vendorlink")
    world.call("vendorlink", connection)
    store = world.service("vendorlink").deps.store
    assert store.acquire(store.read(f"vendorlink#{connection}", "-"), "dead", world.now + 50)
    world.service("vendorlink").deps.cache.clear()
    answer = world.call("vendorlink", connection)
    assert (answer["source"], answer["stale"]) == ("table", True)


def failures(world: World, flow: str, connection: str) -> list[dict[str, Any]]:
    """Return what an operator is told of the failures of a connection."""
    rows = world.call(flow, connection, action="status")["variants"]
    return [row["failure"] for row in rows if row["failure"]]
