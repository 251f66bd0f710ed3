"""The action `probe`: its time limit, and a concurrent exchange."""

from typing import Any

import pytest

from tests.subjects import PROBED, body
from tests.unit.memory_broker import MemoryBroker
from token_broker.document import Document
from token_broker.errors import InvalidRequest, RefreshInProgress
from token_broker.probe import Probe
from token_broker.refresh.deadline import COMMIT_SECONDS


def probed(broker: MemoryBroker, seconds: float) -> dict[str, Any]:
    """Return the report of a probe that has so many *seconds* for its requests."""
    probe = Probe(broker.deps, "acme", broker.monotonic + seconds + COMMIT_SECONDS)
    return probe.run(broker.deps.flow.requested(Document(body(broker.flow), InvalidRequest)))


@pytest.mark.parametrize(("left", "requests"), [(1.0, 1), (1.0 + 2**-10, 2)])
@pytest.mark.parametrize("flow", ["vendorlink", "editor"])
def test_a_probe_that_runs_out_of_time_keeps_its_token(
    flow: str, left: float, requests: int
) -> None:
    """Further questions are left open once it has a token."""
    broker = MemoryBroker(flow, vendor_seconds=2.0)
    report = probed(broker, broker.vendor_seconds + left)
    assert (report["works"], report["sent"]["requests"]) == (True, requests)
    assert broker.call(**body(flow))["generation"] == 1
    assert len(broker.steps) == requests


def test_a_probe_of_a_vendor_that_stops_answering_keeps_its_token() -> None:
    broker = MemoryBroker("vendorlink")
    broker.fake.fail("drop", step="extend", times=None)
    assert probed(broker, 60)["works"] is True
    assert broker.call()["generation"] == 1


def test_a_probe_whose_exchange_fails_reports_what_it_saw_and_the_problem() -> None:
    broker = MemoryBroker("vntana")
    broker.fake.fail("status", step="enter organization", times=None, status=403)
    report = probed(broker, 60)
    assert (report["works"], report["problem"]["upstream_status"]) == (False, 403)
    assert any(finding["seen"] for finding in report["findings"])


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
