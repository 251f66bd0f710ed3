"""Derives a plan from a seed."""

from random import Random

from tests.protocol.simulation.plan_parts import chosen, draws_of
from tests.protocol.simulation.plans import Plan
from tests.protocol.simulation.shrinking import LARGE_PAGE
from tests.protocol.simulation.themes import THEMES, fitting
from tests.protocol.simulation.vendors import VENDORS

LIFETIMES = (90, 300, 3600)
PAGES = (1, 2, 3, LARGE_PAGE)


def plan_of(seed: int) -> Plan:
    """Return the plan of *seed*: its flow, its theme and its faults."""
    draw = draws_of(seed)
    flow = chosen(draw, {name: vendor.weight for name, vendor in VENDORS.items()})
    theme = chosen(draw, {name: one.weight for name, one in fitting(flow).items()})
    plan = Plan(
        seed,
        flow,
        draw("lifetime").choice(LIFETIMES),
        (),
        offsets_of(draw("clocks")),
        modes=draw("modes").choice(VENDORS[flow].modes),
        page=draw("services").choice(PAGES),
    )
    return THEMES[theme].plan(draw, plan)


def offsets_of(rng: Random) -> tuple[float, ...]:
    """Return the clock offsets of the processes: at most thirty seconds apart."""
    if rng.random() < 0.4:
        return (0.0,)
    return tuple(rng.choice((-15.0, 15.0, rng.uniform(-15, 15))) for _ in range(4))
