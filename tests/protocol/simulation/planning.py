"""From a seed to a plan."""

from collections.abc import Mapping
from random import Random
from typing import Any

from tests.protocol.simulation.plans import FlowName, Plan
from tests.protocol.simulation.themes import abandoned, calm, frozen, latched, late, mixed

FLOWS: tuple[FlowName, ...] = ("vendorlink", "vendorlink", "vntana", "vntana", "editor")
LIFETIMES = (90, 300, 3600)
MODES: Mapping[FlowName, tuple[Mapping[str, Any], ...]] = {
    "vendorlink": (
        {"older_sessions": "killed"},
        {"older_sessions": "killed", "extend_renewal": "null"},
        {"older_sessions": "killed", "extend_renewal": "null_spent"},
        {"older_sessions": "killed", "login_failure": "401"},
    ),
    "vntana": ({}, {"login_token": "spent"}, {"dead_token": "401"}, {"wrong_password": "401"}),
    "editor": ({}, {"expiration_time": "text"}),
}


def plan_of(seed: int) -> Plan:
    """Return the plan of *seed*: of whatever may happen, or of what one guard is there for."""
    dice = Random(seed)
    flow = dice.choice(FLOWS)
    lifetime = dice.choice(LIFETIMES)
    plan = Plan(seed, flow, lifetime, (), offsets_of(dice), modes=dice.choice(MODES[flow]))
    theme = dice.choices((mixed, calm, frozen, late, abandoned, latched), (42, 12, 15, 14, 6, 11))[
        0
    ]
    return theme(dice, plan)


def offsets_of(dice: Random) -> tuple[float, ...]:
    """Return the clocks of the processes: at most thirty seconds apart."""
    if dice.random() < 0.4:
        return (0.0,)
    return tuple(dice.choice((-15.0, 15.0, dice.uniform(-15, 15))) for _ in range(4))
