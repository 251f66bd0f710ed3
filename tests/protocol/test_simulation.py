"""The shipped code under a deterministic simulation: thousands of seeds, and bugs that are planted.

What each failure prints, replays it: ``python -m tests.protocol.simulation --seed N``.
"""

import os
from collections.abc import Callable
from random import Random

import pytest

from tests.protocol.simulation.bugs import BUGS, planted
from tests.protocol.simulation.campaign import hunt_all, kill_table, run_seeds
from tests.protocol.simulation.planning import plan_of
from tests.protocol.simulation.plans import HARMLESS, FlowName, Plan, Visit
from tests.protocol.simulation.shrinking import shrunk
from tests.protocol.simulation.stories import story
from tests.protocol.simulation.vendors import VENDORS
from tests.protocol.simulation.verdict import judged

CALLS, LIFETIMES = 3400, 40
"""Of each of the three flows: ten thousand calls in all."""

LIFETIME = 3600

Record = Callable[[str, object], None]

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "10000"))
"""How many runs there are of the shipped code: two cores take a minute or two for as many."""


@pytest.mark.slow
def test_no_seed_breaks_an_invariant() -> None:
    """I1 to I10 hold for the shipped code, whatever dies, stands still, is lost or comes late."""
    findings = run_seeds(range(SEEDS))

    assert not findings, "\n" + "\n".join(
        f"{finding.invariant}: {finding.text}\n    {finding.command}" for finding in findings
    )


@pytest.mark.slow
def test_each_planted_bug_is_found(record_property: Record) -> None:
    """Taking any one guard out of the shipped code turns this suite red."""
    hunts = hunt_all()
    record_property("table: bugs planted in the shipped code", kill_table(hunts))

    assert [hunt.bug for hunt in hunts if hunt.finding is None] == []


def test_a_seed_is_one_story() -> None:
    """A seed that failed elsewhere fails here, in the same steps."""
    once, again = (story(judged(plan_of(12))) for _ in range(2))

    assert once == again


def test_what_is_planted_is_gone_afterwards() -> None:
    """A planted bug stays in its own run."""
    seed = 0
    for bug in BUGS:
        with planted(bug):
            judged(plan_of(seed))

    assert not judged(plan_of(seed)).violations


def test_a_story_is_shrunk_to_what_it_takes() -> None:
    """What is left of a plan is small, and breaks the same invariant."""
    bug = next(bug for bug in BUGS if bug.name == "renewal-resent")
    with planted(bug):
        plan = next(plan for plan in map(plan_of, range(1000)) if breaks(plan, "I6"))
        smallest = shrunk(plan, lambda smaller: breaks(smaller, "I6"))

        assert breaks(smallest, "I6")
    assert len(smallest.visits) <= len(plan.visits)
    assert len(smallest.faults) <= 2


def test_a_calm_plan_excuses_nothing() -> None:
    """In one of eight plans, each caller has to get a token."""
    plans = [plan_of(seed) for seed in range(400)]
    calm = [plan for plan in plans if plan.is_calm]

    assert len(calm) > len(plans) / 10
    assert all(fault.kind in HARMLESS for plan in calm for fault in plan.faults)


def breaks(plan: Plan, invariant: str) -> bool:
    """Say whether *plan* breaks an invariant."""
    return any(found.invariant == invariant for found in judged(plan).violations)


@pytest.mark.parametrize("flow", VENDORS)
def test_renewal_is_off_the_callers_path(flow: FlowName) -> None:
    """In many lifetimes of a token, who calls while it lives never waits, and has its `min_ttl`."""
    judge = judged(traffic(flow))
    calls = [one for one in judge.answered if one.action == "token" and one.is_plain]
    waited = [one for one in calls if one.slept or one.sent]

    assert not judge.violations
    assert len(judge.made) > LIFETIMES
    assert {one.end for one in calls} == {"answered"}
    assert not any(one.had_live for one in waited)
    assert len(waited) < len(calls) / 100


def traffic(flow: FlowName) -> Plan:
    """Return calls for all variants, through tens of lifetimes."""
    dice = Random(flow)
    bodies = VENDORS[flow].bodies
    times = sorted(dice.uniform(0, LIFETIMES * LIFETIME) for _ in range(CALLS))
    wishes: list[dict[str, int]] = [{}] * 9 + [{"min_ttl": 45}]
    visits = [
        Visit(
            f"c{number}", at, {"connection": "acme", **dice.choice(bodies), **dice.choice(wishes)}
        )
        for number, at in enumerate(times)
    ]
    return Plan(1, flow, LIFETIME, tuple(visits), (-15.0, 15.0, 0.0, 4.2))
