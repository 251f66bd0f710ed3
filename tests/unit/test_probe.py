"""The action `probe`: its time limit, and a concurrent exchange."""

import json
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.subjects import PROBED, body
from tests.unit.memory_broker import MemoryBroker
from token_broker.document import Document
from token_broker.errors import InvalidRequest, RefreshInProgress
from token_broker.exchange import Request, Response
from token_broker.probe import probe
from token_broker.records import replace
from token_broker.refresh.deadline import COMMIT_SECONDS
from token_broker_fakes.editor import FakeEditor
from token_broker_fakes.vendorlink import FakeVendorlink


def probed(broker: MemoryBroker, seconds: float) -> dict[str, Any]:
    """Return the report of a probe that has so many *seconds* for its requests."""
    requested = broker.deps.flow.requested(Document(body(broker.flow), InvalidRequest))
    return probe(broker.deps, "acme", requested, broker.monotonic + seconds + COMMIT_SECONDS)


@pytest.mark.parametrize(("left", "requests"), [(1.0, 1), (1.0 + 2**-10, 2)])
@pytest.mark.parametrize("flow", ["vendorlink", "editor"])
def test_a_probe_that_runs_out_of_time_keeps_its_token(
    flow: str, left: float, requests: int
) -> None:
    """Further questions are left open once it has a token. A renewal token stays ready."""
    broker = MemoryBroker(flow, vendor_seconds=2.0)
    report = probed(broker, broker.vendor_seconds + left)
    assert (report["works"], report["sent"]["requests"]) == (True, requests)
    assert broker.item().renewal == ("ready" if flow == "vendorlink" else None)
    assert broker.call(**body(flow))["generation"] == 1
    assert len(broker.steps) == requests


@pytest.mark.parametrize("answered", [0, 1, 2])
@pytest.mark.parametrize("kind", ["drop", "status_after"])
def test_a_probe_of_a_vendor_that_stops_answering_keeps_its_token(kind: Any, answered: int) -> None:
    """I6: but not a renewal token that may be spent."""
    broker = MemoryBroker("vendorlink")
    assert isinstance(broker.fake, FakeVendorlink)
    send = broker.deps.send

    def breaking(request: Request, seconds: float) -> Response:
        if broker.steps.count("extend") == answered:
            broker.fake.fail(kind, step="extend")
        return send(request, seconds)

    broker.deps = replace(broker.deps, send=breaking)
    assert probed(broker, 60)["works"] is True
    assert broker.steps == ["login"] + ["extend"] * (answered + 1)
    assert broker.call()["generation"] == 1
    broker.now = broker.item().refresh_at
    assert broker.call(action="renew", variant="-") == {"renewed": 1}
    assert (broker.steps[-1], broker.fake.reused) == ("login", [])


def test_a_probe_whose_exchange_fails_reports_what_it_saw_and_the_problem() -> None:
    broker = MemoryBroker("vntana")
    broker.fake.fail("status", step="enter organization", times=None, status=403)
    report = probed(broker, 60)
    assert (report["works"], report["problem"]["upstream_status"]) == (False, 403)
    assert any(finding["seen"] for finding in report["findings"])


def test_a_probe_that_begins_again_with_the_previous_secret_stays_within_its_budget() -> None:
    """One login is spent on the rejected key, and one is kept for a token that is used up."""
    broker = MemoryBroker("editor")
    assert isinstance(broker.fake, FakeEditor)
    broker.fake.modes.verify = "consumes"
    broker.aws.manager.created_at = float(broker.now)
    broker.put_secret(api_key="wrong")
    report = probed(broker, 60)
    assert (report["works"], report["problem"]) == (True, None)
    assert report["sent"]["logins"] <= report["budget"]["logins"]
    assert broker.call(**body("editor"))["generation"] == 1


def test_a_probe_that_begins_again_may_log_in_at_four_hosts_again() -> None:
    broker = MemoryBroker("vendorlink")
    hosts = [*(f"app{number}.vendorlink.nl" for number in range(3)), broker.working["host"]]
    hops = dict(pairwise(hosts))
    broker.put_secret(host=hosts[0])
    broker.aws.manager.created_at = float(broker.now)
    broker.put_secret(host=hosts[0], password="wrong")
    send = broker.deps.send

    def sent_on(request: Request, seconds: float) -> Response:
        host = urlsplit(request.url).hostname
        if host in hops:
            return Response(200, content=json.dumps({"hostname": hops[host]}).encode())
        return send(request, seconds)

    broker.deps = replace(broker.deps, send=sent_on)
    report = probed(broker, 60)
    assert (report["works"], report["problem"]) == (True, None)
    assert report["sent"]["logins"] == report["budget"]["logins"]


@pytest.mark.parametrize("flow", PROBED)
def test_a_probe_overtaken_by_another_exchange_has_a_retry_after(flow: str) -> None:
    """A forced call would accept the other's token, but the probe has no findings."""
    broker = MemoryBroker(flow)
    broker.call(**body(flow))
    deps = broker.deps

    def meanwhile() -> None:
        broker.aws.dynamodb.before_write = None
        broker.restart()
        broker.call(force=True, **body(flow))
        broker.deps = deps
        requests.extend(broker.steps)

    requests: list[str] = []
    broker.now += 60
    broker.aws.dynamodb.before_write = meanwhile
    with pytest.raises(RefreshInProgress) as raised:
        probed(broker, 60)
    assert raised.value.detail == "another caller renewed it meanwhile"
    assert raised.value.retry_after == 10
    assert broker.steps == requests
