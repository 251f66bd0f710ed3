"""A probe by the function: it takes the connection's leases, and loses no token."""

import json
from itertools import count
from typing import Any, Literal

import pytest

from tests.functions.canaries import handed_out
from tests.functions.world import World
from tests.subjects import PROBED
from token_broker.dependencies import Clock
from token_broker.exchange import Request, Response
from token_broker.records import replace
from token_broker_local.functions import LambdaContext

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
    """Say whether the token of *answer* is one of those that live at the vendor's fake."""
    return handed_out(answer)[0] in json.dumps(world.fakes[flow].describe())


@pytest.mark.parametrize("flow", PROBED)
def test_the_token_of_a_probe_is_stored_and_handed_out(world: World, flow: str) -> None:
    """The next caller gets it without a request to the vendor."""
    connection = connect(world, flow)
    before = works(world, flow, connection)
    world.advance(60)
    report = world.http(flow, connection, {}, rest="/probe")["body"]
    assert (report["works"], report["options"]) == (True, {})
    requests = len(world.fakes[flow].log)
    after = works(world, flow, connection)
    assert len(world.fakes[flow].log) == requests
    assert after["generation"] == before["generation"] + 1
    assert after["headers"] != before["headers"]


def test_a_renewal_uses_the_renewal_token_of_a_probe(world: World) -> None:
    """The probe leaves an unused renewal token."""
    connection = connect(world, "vendorlink")
    world.call("vendorlink", connection, action="probe")
    for _ in range(2):
        world.advance(3_600)
        works(world, "vendorlink", connection)
    assert world.logins("vendorlink") == 1
    assert world.vendorlink.reused == []


@pytest.mark.parametrize("flow", PROBED)
def test_a_probe_sends_nothing_while_another_process_has_the_lease(world: World, flow: str) -> None:
    """It waits for the holder; a token in use is not revoked."""
    connection = connect(world, flow)
    send = world.service(flow).deps.send
    requests: list[tuple[str, int]] = []

    def meanwhile(request: Request, seconds: float) -> Response:
        if not requests:
            requests.append(("", 0))
            other = world.cold(flow)
            moments = count(step=5)
            clock = Clock(lambda: world.now, lambda: float(next(moments)), lambda _: None)
            other.use(replace(other.deps, clock=clock))
            before = len(world.fakes[flow].log)
            with pytest.raises(Exception, match="code") as error:
                other({"connection": connection, "action": "probe"}, LambdaContext(flow, 60))
            code = json.loads(str(error.value))["code"]
            requests[0] = str(code), len(world.fakes[flow].log) - before
        return send(request, seconds)

    world.use(flow, send=meanwhile)
    first = works(world, flow, connection)
    assert requests == [("refresh_in_progress", 0)]
    assert works(world, flow, connection)["fingerprint"] == first["fingerprint"]


@pytest.mark.parametrize("kind", ["status", "drop"])
@pytest.mark.parametrize("flow", PROBED)
def test_a_probe_during_an_outage_keeps_the_token_and_its_findings(
    world: World, flow: str, kind: Literal["status", "drop"]
) -> None:
    """At each request: the report has the findings so far; calls succeed after the outage."""
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


def test_a_probe_of_single_use_tokens_reports_reuse_false(world: World) -> None:
    """The report has the option `reuse`; the token that is left was not verified."""
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
