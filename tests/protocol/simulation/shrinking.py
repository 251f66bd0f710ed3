"""Reduces a plan to a minimal one that still breaks the same invariant."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from tests.protocol.simulation.plans import Plan

Fails = Callable[[Plan], bool]
Part = TypeVar("Part")
LARGE_PAGE = 1000


def shrunk(plan: Plan, fails: Fails) -> Plan:
    """Remove parts of *plan* one by one while it still *fails*."""
    while True:
        smaller = next((one for one in smaller_ones(plan) if fails(one)), None)
        if smaller is None:
            return plan
        plan = smaller


def smaller_ones(plan: Plan) -> Iterator[Plan]:
    """Yield *plan* without each of its parts, the largest first."""
    for name in ("outages", "changes", "shifts", "visits", "faults"):
        parts: Sequence[object] = getattr(plan, name)
        positions = range(len(parts))
        for position in reversed(positions) if name == "visits" else positions:
            if name != "visits" or len(parts) > 1:
                yield replace(plan, **{name: without(parts, position)})  # type: ignore[arg-type]
    yield from simpler_ones(plan)


def simpler_ones(plan: Plan) -> Iterator[Plan]:
    """Yield *plan* with one of its parts at its default."""
    if any(plan.offsets):
        yield replace(plan, offsets=(0.0,))
    if plan.lag is not None:
        yield replace(plan, lag=None)
    if plan.page != LARGE_PAGE:
        yield replace(plan, page=LARGE_PAGE)
    for position, change in enumerate(plan.changes):
        for number in range(len(change.notices)):
            fewer = replace(change, notices=without(change.notices, number))
            yield replace(plan, changes=exchanged(plan.changes, position, fewer))
    for position, visit in enumerate(plan.visits):
        if visit.rejects or "force" in visit.event:
            event = {name: value for name, value in visit.event.items() if name != "force"}
            plain = replace(visit, rejects=None, event=event)
            yield replace(plan, visits=exchanged(plan.visits, position, plain))


def without(parts: Sequence[Part], position: int) -> tuple[Part, ...]:
    return (*parts[:position], *parts[position + 1 :])


def exchanged(parts: Sequence[Part], position: int, part: Part) -> tuple[Part, ...]:
    return (*parts[:position], part, *parts[position + 1 :])
