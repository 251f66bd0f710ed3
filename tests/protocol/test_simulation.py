"""The shipped code under a deterministic simulation: thousands of seeds, and planted bugs.

Each failure prints the command that replays it: ``python -m tests.protocol.simulation --seed N``.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from tests.protocol.simulation.bugs import BUGS
from tests.protocol.simulation.campaign import Wanted, hunt, kill_table, run_seeds, shown
from tests.protocol.simulation.plan_parts import chosen, draws_of
from tests.protocol.simulation.planning import plan_of
from tests.protocol.simulation.plans import Change, FlowName, Notice, Plan, Visit
from tests.protocol.simulation.planting import planted
from tests.protocol.simulation.shrinking import shrunk
from tests.protocol.simulation.traces import trace_of
from tests.protocol.simulation.vendors import VENDORS
from tests.protocol.simulation.verdict import judged

CALLS, LIFETIMES = 3400, 40
"""For each of the three flows: ten thousand calls in all."""

LIFETIME = 3600
MANY = 600
"""Variants of one connection: more than a thousand items with their aliases."""

Record = Callable[[str, object], None]

FIRST, _, LAST = os.environ.get("SIMULATION_SEEDS", "6000").rpartition("-")
SEEDS = range(int(FIRST or 0), int(LAST))
"""The runs of the shipped code, from 0 on or as in ``40000-80000``.

Each planted bug shows in the first 1,700.
"""


@pytest.mark.slow
def test_no_seed_breaks_an_invariant() -> None:
    """I1 to I17 hold for the shipped code under crashes, freezes, lost and late messages."""
    found, _ = run_seeds(SEEDS)

    assert not found, shown(found)


@pytest.mark.slow
def test_each_planted_bug_is_found(record_property: Record) -> None:
    """Removing any one guard from the shipped code breaks an invariant."""
    hunts = hunt([Wanted(bug.name, near=bug.near) for bug in BUGS.values()]).values()
    record_property("table: bugs planted in the shipped code", kill_table(hunts))

    assert [one.bug for one in hunts if not one.finding] == []


def test_a_seed_replays_the_same_steps() -> None:
    """A seed gives the same trace on every machine."""
    once, again = (trace_of(judged(plan_of(12))) for _ in range(2))

    assert once == again


def test_a_planted_bug_is_removed_after_its_run() -> None:
    for bug in BUGS.values():
        with planted(bug):
            judged(plan_of(0))

    assert not judged(plan_of(0)).violations


def test_a_failing_plan_is_shrunk_while_it_fails() -> None:
    """The shrunk plan is small, and breaks the same invariant."""
    with planted(BUGS["renewal-resent"]):
        plan = next(plan for plan in map(plan_of, range(1000)) if judged(plan).breaks("I6"))
        smallest = shrunk(plan, lambda smaller: judged(smaller).breaks("I6"))

        assert judged(smallest).breaks("I6")
    assert len(smallest.visits) <= len(plan.visits)
    assert len(smallest.faults) <= 2


def test_a_plan_stays_as_it_is_when_a_flow_or_a_theme_is_added() -> None:
    """Only the seeds that choose the new one change: each name has independent draws."""
    lots = {"one": 1.0, "two": 2.0}
    draws = [draws_of(seed) for seed in range(1000)]
    before = [chosen(draw, lots) for draw in draws]
    after = [chosen(draw, lots | {"three": 1.0}) for draw in draws]

    assert all(new in (old, "three") for old, new in zip(before, after, strict=True))
    assert 200 < after.count("three") < 300
    assert 600 < before.count("two") < 733


@pytest.mark.slow
def test_delete_removes_more_variants_than_one_query_reads() -> None:
    """I16: `forgotten` is their number, and none of them is left."""
    event = {"connection": "acme", "action": "forget"}
    calls = range(12)  # each continues where the one before ran out of time
    judge = judged(many(MANY, *(Visit(f"z{n}", MANY + 10.0 + 30 * n, event) for n in calls)))
    answers = [one.answer for one in judge.answered if one.action == "forget"]

    assert not judge.violations
    assert judge.deletes
    assert sum(answer["forgotten"] for answer in answers) == MANY


@pytest.mark.slow
def test_a_rotation_renews_more_variants_than_one_invocation_can() -> None:
    """I11 holds for more variants than a chain of sixteen invocations renews."""
    plan = many(MANY)
    change = Change(MANY + 10.0, "other host", (Notice(1.0),))

    assert not judged(replace(plan, changes=(change,))).violations


def many(number: int, *more: Visit) -> Plan:
    """Return calls for *number* variants, each of which has two items."""
    visits = [
        Visit(f"{n:04}", n * 1.0, {"connection": "acme", "parameters": {"userId": f"user {n}"}})
        for n in range(number)
    ]
    return Plan(1, "editor", 86_400, (*visits, *more), page=100)


@pytest.mark.parametrize("flow", VENDORS)
def test_renewal_is_off_the_callers_path(flow: FlowName) -> None:
    """Over many lifetimes, a call never waits while a token lives, and gets its `min_ttl`."""
    judge = judged(traffic(flow))
    calls = [one for one in judge.answered if one.action == "token" and one.is_plain]
    waited = [one for one in calls if one.slept or one.sent]

    assert not judge.violations
    assert len(judge.made) > LIFETIMES
    assert {one.end for one in calls} == {"answered"}
    assert not any(one.usable_at_begin for one in waited)
    assert len(waited) < len(calls) / 100


def traffic(flow: FlowName) -> Plan:
    """Return calls for all variants, through tens of lifetimes."""
    rng = Random(flow)
    bodies = VENDORS[flow].bodies
    times = sorted(rng.uniform(0, LIFETIMES * LIFETIME) for _ in range(CALLS))
    options: list[dict[str, int]] = [{}] * 9 + [{"min_ttl": 45}]
    visits = [
        Visit(f"c{number}", at, {"connection": "acme", **rng.choice(bodies), **rng.choice(options)})
        for number, at in enumerate(times)
    ]
    return Plan(1, flow, LIFETIME, visits, (-15.0, 15.0, 0.0, 4.2))
