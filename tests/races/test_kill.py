"""A process is killed at each step of an exchange; the next caller has a live token."""

import os
from dataclasses import replace
from typing import Any

import pytest

from tests.functions.world import World
from tests.races.lambdas import START, Job, die
from tests.waiting import PATIENCE_SECONDS
from token_broker.exchange import Request

ONE_LEASE = 20 + 2 + 1 + 30
"""Seconds after which a lease of a function of 20 seconds has ended, the clocks' skew included."""

MOST_STEPS = 60


def killed_at(job: Job, step: int) -> list[str]:
    """Run *job* and kill it at *step*; return the steps it took if it got past that."""
    results = START.Queue()
    process = START.Process(target=die, args=(replace(job, kill_at=step), results))
    process.start()
    process.join()
    taken: list[str] = results.get(timeout=PATIENCE_SECONDS)[1] if process.exitcode == 0 else []
    results.close()
    return taken


@pytest.mark.parametrize(
    ("flow", "exchange"),
    [
        ("vntana", "first"),
        ("vntana", "renewal"),
        ("vntana", "forced"),
        ("vendorlink", "first"),
        ("vendorlink", "renewal"),
        ("editor", "first"),
    ],
)
def test_after_a_kill_the_next_caller_gets_a_live_token(
    world: World, flow: str, exchange: str
) -> None:
    """I4, I6, I10: within one lease, for a kill at each step.

    A lease that ran out makes the token beside it uncertain. A spent renewal token is not resent.
    """
    for step in range(1, MOST_STEPS):
        connection = world.connect(flow)
        if exchange != "first":
            world.call(flow, connection)
            world.service(flow).deps.cache.clear()
        if exchange == "renewal":
            world.fakes[flow].advance(90_000)
            world.ahead += 90_000
        payload = {"connection": connection} | ({"force": True} if exchange == "forced" else {})
        if killed_at(Job(flow, payload, dict(os.environ), world.ahead), step):
            assert step > 4, "it was never killed"
            return
        world.advance(ONE_LEASE)
        answer = world.call(flow, connection)
        assert is_live(world, flow, answer), f"after a death at step {step}"
        assert world.vendorlink.reused == []
    pytest.fail("the exchange has more steps than expected")


def test_a_kill_before_the_rejection_is_stored_costs_one_more_login(
    world: World,
) -> None:
    """I7: at any other step, a wrong password causes one login."""
    for step in range(1, MOST_STEPS):
        connection = world.connect("vendorlink", password="wrong")
        before = len(world.vendorlink.log)
        job = Job("vendorlink", {"connection": connection}, dict(os.environ), world.ahead)
        taken = killed_at(job, step)
        dead_after_login = len(world.vendorlink.log) - before
        world.advance(ONE_LEASE)
        for _ in range(3):
            world.http("vendorlink", connection)
        logins = len(world.vendorlink.log) - before
        recorded = world.item("vendorlink", connection).get("rejected_versions")
        assert recorded
        assert logins <= 1 + dead_after_login
        if taken:
            assert logins == 1
            return
    pytest.fail("the exchange has more steps than expected")


PROBES = {
    "vntana": "/v1/organizations/current",
    "vendorlink": "/API/Queries/List",
    "editor": "/verify",
}


def is_live(world: World, flow: str, answer: dict[str, Any]) -> bool:
    """Return whether the vendor takes the token of *answer*."""
    headers = {name.lower(): value for name, value in answer["headers"].items()}
    fake = world.fakes[flow]
    base = f"http://{fake.address}" if flow == "vendorlink" else fake.url
    response = fake(Request("GET", f"{base}{PROBES[flow]}", "probe", headers))
    return bool(response.status == 200)
