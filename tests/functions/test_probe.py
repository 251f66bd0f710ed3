"""A probe by the function: under the connection's own leases, and nothing is lost by it."""

import json
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.functions.world import World
from tests.subjects import FLOWS
from token_broker.dependencies import Clock
from token_broker.exchange import Request, Response
from token_broker.records import replace
from token_broker_local.functions import LambdaContext

if TYPE_CHECKING:
    from collections.abc import Callable

CREDENTIAL = {"vntana": "personal_access_token", "vendorlink": "password", "editor": "api_key"}
GUEST = {"organization": "studio", "workspace": "chairs"}


def connect(world: World, flow: str, **changes: Any) -> str:
    return world.connect(flow, **(GUEST if flow == "vntana" else {}), **changes)


def works(world: World, flow: str, connection: str) -> dict[str, Any]:
    """Return a token that the vendor's fake takes; one that it refuses is reported, once."""
    answer = world.call(flow, connection)
    if not is_live(world, flow, answer):
        answer = world.call(flow, connection, rejected=answer["fingerprint"])
    assert is_live(world, flow, answer)
    return answer


def is_live(world: World, flow: str, answer: dict[str, Any]) -> bool:
    """Say whether the vendor's fake knows the token of *answer*, and takes it."""
    value = next(iter(answer["headers"].values())).removeprefix("Bearer ")
    sessions: dict[str, Callable[[], Any]] = {
        "vntana": lambda: world.vntana.session(value),
        "vendorlink": lambda: world.vendorlink.tokens.access[value],
        "editor": lambda: world.editor.openings[value],
    }
    return not sessions[flow]().is_dead(world.fakes[flow].now)


@pytest.mark.parametrize("flow", FLOWS)
def test_its_token_is_kept_like_any_other(world: World, flow: str) -> None:
    """The next caller has it, and the vendor is not asked again."""
    connection = connect(world, flow)
    before = works(world, flow, connection)
    world.advance(60)
    report = world.http(flow, connection, {}, rest="/probe")["body"]
    assert (report["works"], report["options"]) == (True, {})
    asked = len(world.fakes[flow].log)
    after = works(world, flow, connection)
    assert len(world.fakes[flow].log) == asked
    assert after["generation"] == before["generation"] + 1
    assert after["headers"] != before["headers"]


@pytest.mark.parametrize("flow", FLOWS)
def test_its_answer_is_a_report_and_no_token(world: World, flow: str) -> None:
    """As many requests as it says that it sent, no more than it told before, and no secret."""
    connection = connect(world, flow)
    report = world.call(flow, connection, action="probe")
    sent, budget = report["sent"], report["budget"]
    assert len(world.fakes[flow].log) == sent["requests"] <= budget["requests"]
    assert world.fakes[flow].log.breaches == []
    value = next(iter(works(world, flow, connection)["headers"].values()))
    shown = json.dumps(report)
    assert value.removeprefix("Bearer ") not in shown
    assert world.secret(flow)[CREDENTIAL[flow]] not in shown


def test_a_renewal_goes_on_from_what_a_probe_left(world: World) -> None:
    """The renewal token that it ends with has not been used."""
    connection = connect(world, "vendorlink")
    world.call("vendorlink", connection, action="probe")
    for _ in range(2):
        world.advance(3_600)
        works(world, "vendorlink", connection)
    assert world.logins("vendorlink") == 1
    assert world.vendorlink.reused == []


def refused(world: World, flow: str, connection: str, **payload: Any) -> str:
    """Return the code of the error that a probe ends in."""
    with pytest.raises(Exception, match="code") as error:
        world.call(flow, connection, action="probe", **payload)
    return str(json.loads(str(error.value))["code"])


@pytest.mark.parametrize("flow", FLOWS)
def test_while_another_has_the_lease_nothing_is_asked(world: World, flow: str) -> None:
    """Whoever has it is waited for, and not overtaken; what is in use is not revoked."""
    connection = connect(world, flow)
    send = world.service(flow).deps.send
    seen: list[tuple[str, int]] = []

    def meanwhile(request: Request, seconds: float) -> Response:
        if not seen:
            seen.append(("", 0))
            other = world.cold(flow)
            moments = count(step=5)
            clock = Clock(lambda: world.now, lambda: float(next(moments)), lambda _: None)
            other.use(replace(other.deps, clock=clock))
            before = len(world.fakes[flow].log)
            with pytest.raises(Exception, match="code") as error:
                other({"connection": connection, "action": "probe"}, LambdaContext(flow, 60))
            code = json.loads(str(error.value))["code"]
            seen[0] = str(code), len(world.fakes[flow].log) - before
        return send(request, seconds)

    world.use(flow, send=meanwhile)
    first = works(world, flow, connection)
    assert seen == [("refresh_in_progress", 0)]
    assert works(world, flow, connection)["fingerprint"] == first["fingerprint"]


@pytest.mark.parametrize("flow", FLOWS)
def test_a_latch_or_a_rejection_is_not_tried_again(world: World, flow: str) -> None:
    """One login with the wrong credentials, whatever is called for afterwards."""
    connection = connect(world, flow, **{CREDENTIAL[flow]: "wrong"})
    assert refused(world, flow, connection) == "credential_rejected"
    assert world.logins(flow) == 1
    world.advance(120)
    assert refused(world, flow, connection) in ("credential_latched", "credential_rejected")
    assert world.logins(flow) == 1


@pytest.mark.parametrize("flow", FLOWS)
def test_an_unknown_connection_and_a_wrong_field_are_told(world: World, flow: str) -> None:
    """Before anything is asked."""
    assert refused(world, flow, "nobody") == "unknown_connection"
    assert refused(world, flow, connect(world, flow), min_ttl=5) == "invalid_request"
    assert len(world.fakes[flow].log) == 0


@pytest.mark.parametrize("kind", ["status", "drop"])
@pytest.mark.parametrize("flow", FLOWS)
def test_a_vendor_that_goes_down_midway_takes_nothing_away(
    world: World, flow: str, kind: Literal["status", "drop"]
) -> None:
    """After each request: the report tells what was seen, and once it is up, callers go on."""
    whole = len(world.call(flow, connect(world, flow), action="probe")["findings"])
    for reached in range(whole):
        fake = world.fakes[flow]
        connection = connect(world, flow)
        before = works(world, flow, connection)
        world.advance(60)
        send, sent = world.service(flow).deps.send, count()

        def failing(request: Request, seconds: float, at: int = reached) -> Response:
            if next(sent) == at:  # noqa: B023 (called within the round)
                fake.fail(kind, times=None)  # noqa: B023 (same)
            return send(request, seconds)  # noqa: B023 (same)

        world.use(flow, send=failing)
        try:
            report = world.call(flow, connection, action="probe")
        except Exception as error:  # noqa: BLE001 (raised as its name)
            assert json.loads(str(error))["code"] == "upstream_unavailable"  # noqa: PT017 (or none)
        else:
            assert report["works"] or report["problem"]["code"] == "upstream_unavailable"
        world.use(flow, send=send)
        fake.heal()
        world.advance(3_600 if flow == "vendorlink" else 60)
        after = works(world, flow, connection)
        assert after["generation"] >= before["generation"]


def test_tokens_that_are_used_once_are_shared_no_more(world: World) -> None:
    """The option that follows of it; and the token that is left was not verified."""
    world.editor.modes.verify = "consumes"
    connection = connect(world, "editor")
    report = world.call("editor", connection, action="probe")
    assert report["options"] == {"reuse": False}
    works(world, "editor", connection)
    secret = world.secret("editor") | {"options": report["options"]}
    world.put_secret("editor", connection, secret)
    world.advance(60)
    assert world.call("editor", connection, action="probe")["options"] == {}
    one, other = (works(world, "editor", connection)["headers"] for _ in range(2))
    assert one != other
