"""Concurrent callers in several processes after a token's expiry: one exchange and no error."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.functions.world import World
from tests.races.lambdas import START, Job, Result, race
from tests.sharing import new_clients
from tests.subjects import FLOWS, body, talk
from tests.waiting import PATIENCE_SECONDS

PROCESSES, THREADS = 8, 8


@pytest.fixture(autouse=True)
def _new_clients(engine: object) -> Iterator[None]:
    """Make clients for the engine, and none for the next test."""
    del engine
    with new_clients():
        yield


def race_of(jobs: Sequence[Job]) -> list[Result]:
    """Return the results of callers that start at the same time: each job is a process."""
    callers = sum(job.threads for job in jobs)
    start, results = START.Barrier(callers), START.Queue()
    running = [START.Process(target=race, args=(job, start, results)) for job in jobs]
    for process in running:
        process.start()
    got = [results.get(timeout=PATIENCE_SECONDS) for _ in range(callers)]
    for process in running:
        process.join()
    return got


@pytest.mark.parametrize("flow", FLOWS)
def test_concurrent_callers_after_the_expiry_cause_one_exchange(
    world: World, flow: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """I1, I5: 64 callers in 8 processes; the vendor sees one exchange, all get its token."""
    connection = world.connect(flow)
    first = world.call(flow, connection, **body(flow))
    world.advance(90_000)
    fake = world.fakes[flow]
    before = len(fake.log)
    steps = [request.step for request, _ in talk(flow).log]
    fake.fail("delay", times=None, seconds=1.0, step=steps[-1] if len(steps) > 1 else None)
    payload = {"connection": connection, **body(flow)}
    job = Job(flow, payload, dict(os.environ), world.ahead, THREADS)
    got = race_of([job] * PROCESSES)
    sources = Counter(result.source for result in got)
    with capsys.disabled():
        tell(flow, got)
    assert sources["exchange"] == 1
    assert set(sources) <= {"exchange", "table", "memory"}
    assert {result.generation for result in got} == {first["generation"] + 1}
    assert len(fake.log) - before == len(steps)


def test_concurrent_reports_of_one_token_cause_one_exchange(world: World) -> None:
    """I9: a reported token is replaced once."""
    connection = world.connect("vendorlink")
    first = world.call("vendorlink", connection)
    payload: Mapping[str, Any] = {"connection": connection, "rejected": first["fingerprint"]}
    got = race_of([Job("vendorlink", payload, dict(os.environ), threads=4)] * 4)
    assert {result.generation for result in got} == {2}
    assert len(world.vendorlink.log) == 2


def test_concurrent_callers_try_a_wrong_key_three_times(world: World) -> None:
    """I7: of several variants; the editor's 403 may concern the parameters."""
    call = {"connection": world.connect("editor", api_key="wrong")}
    calls = [call | {"parameters": {"userId": str(number)}} for number in range(6)]
    got = race_of([Job("editor", call, dict(os.environ)) for call in calls])
    assert Counter(r.source for r in got) == {"CredentialRejected": 3, "CredentialLatched": 3}
    assert len(world.editor.log) == 3


def tell(flow: str, got: list[Result]) -> None:
    """Print how long the others waited beside how long the exchange took."""
    [winner] = [r.seconds for r in got if r.source == "exchange"]
    others = sorted(r.seconds for r in got if r.source != "exchange")
    p99 = others[int(len(others) * 0.99)]
    print(  # noqa: T201 (a figure for the reader of the test's output)
        f"\n{flow}: {len(got)} callers, exchange {winner:.2f} s,"
        f" others p50 {others[len(others) // 2]:.2f} s, p99 {p99:.2f} s"
    )
