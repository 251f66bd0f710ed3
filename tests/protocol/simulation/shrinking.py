"""A plan with a violation, made as small as it can be while the violation remains."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from tests.protocol.simulation.plans import Plan

Fails = Callable[[Plan], bool]
Part = TypeVar("Part")


def shrunk(plan: Plan, fails: Fails) -> Plan:
    """Drop one thing after another from *plan* for as long as it still *fails*."""
    while True:
        smaller = next((one for one in smaller_ones(plan) if fails(one)), None)
        if smaller is None:
            return plan
        plan = smaller


def smaller_ones(plan: Plan) -> Iterator[Plan]:
    """Yield *plan* without each of its parts, the greatest first."""
    for position in range(len(plan.outages)):
        yield replace(plan, outages=without(plan.outages, position))
    for position in range(len(plan.changes)):
        yield replace(plan, changes=without(plan.changes, position))
    if len(plan.visits) > 1:
        for position in reversed(range(len(plan.visits))):
            yield replace(plan, visits=without(plan.visits, position))
    for position in range(len(plan.faults)):
        yield replace(plan, faults=without(plan.faults, position))
    if any(plan.offsets):
        yield replace(plan, offsets=(0.0,))


def without(parts: tuple[Part, ...], position: int) -> tuple[Part, ...]:
    """Return *parts* but for one of them."""
    return parts[:position] + parts[position + 1 :]
