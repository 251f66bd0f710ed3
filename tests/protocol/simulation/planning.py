"""From a seed to a plan."""

from collections.abc import Mapping
from random import Random
from typing import Any

from tests.protocol.simulation.draws import chosen, draws_of
from tests.protocol.simulation.plans import FlowName, Plan
from tests.protocol.simulation.shrinking import LARGE_PAGE
from tests.protocol.simulation.themes import FITTING, THEMES, WEIGHTS
from tests.protocol.simulation.vendors import GENERIC

FLOWS: Mapping[FlowName, float] = {
    "vendorlink": 2,
    "vntana": 3,
    "editor": 2,
    **dict.fromkeys(GENERIC, 2),
}
LIFETIMES = (90, 300, 3600)
PAGES = (1, 2, 3, LARGE_PAGE)
MODES: Mapping[FlowName, tuple[Mapping[str, Any], ...]] = {
    "vendorlink": (
        {"older_sessions": "killed"},
        {"older_sessions": "killed", "extend_renewal": "null"},
        {"older_sessions": "killed", "extend_renewal": "null_spent"},
        {"older_sessions": "killed", "login_failure": "401"},
    ),
    "vntana": (
        {},
        {"login_token": "spent"},
        {"dead_token": "401"},
        {"wrong_password": "401"},
        {"wrong_workspace": "FORBIDDEN"},
        {"wrong_workspace": "BAD_CREDENTIALS"},
    ),
    "editor": (
        {"auth": "refused", "missing_parameter": "403"},
        {"auth": "refused", "expiration_time": "text"},
        {"auth": "refused", "repeats": True},
    ),
}


def plan_of(seed: int) -> Plan:
    """Return the plan of *seed*: of whatever may happen, or of what one guard is there for."""
    draw = draws_of(seed)
    flow = chosen(draw, FLOWS)
    theme = chosen(
        draw, {name: w for name, w in WEIGHTS.items() if flow in FITTING.get(name, FLOWS)}
    )
    dice = draw("services")
    plan = Plan(
        seed,
        flow,
        draw("lifetime").choice(LIFETIMES),
        (),
        offsets_of(draw("clocks")),
        modes=draw("modes").choice(MODES.get(flow, ({},))),
        page=dice.choice(PAGES),
    )
    return THEMES[theme](draw, plan)


def offsets_of(dice: Random) -> tuple[float, ...]:
    """Return the clocks of the processes: at most thirty seconds apart."""
    if dice.random() < 0.4:
        return (0.0,)
    return tuple(dice.choice((-15.0, 15.0, dice.uniform(-15, 15))) for _ in range(4))
