"""What a run is about: whatever may happen, or what one guard of the protocol is there for."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from tests.protocol.simulation.crowds import visits_at, visits_of
from tests.protocol.simulation.mishaps import (
    LONGEST_RUN_STEPS,
    changes_of,
    fault_of,
    faults_of,
    outages_of,
)
from tests.protocol.simulation.plans import Change, Fault, FaultKind, FlowName, Plan
from tests.protocol.simulation.vendors import VENDORS

LONG = 3600
EVEN = 0.5

COMMITS: Mapping[FlowName, tuple[int, ...]] = {"vendorlink": (7, 8), "vntana": (), "editor": ()}
"""Steps at which a first exchange keeps what it earned, where there are few ways to it."""


def mixed(dice: Random, plan: Plan) -> Plan:
    """Let anything go wrong."""
    visits = tuple(visits_of(dice, plan.flow, plan.lifetime))
    ends = max(visit.at for visit in visits) + 20
    return replace(
        plan,
        visits=visits,
        faults=tuple(faults_of(dice, plan.flow, visits)),
        outages=tuple(outages_of(dice, visits)),
        changes=tuple(changes_of(dice, ends)),
    )


def calm(dice: Random, plan: Plan) -> Plan:
    """Let nothing go wrong that a caller may notice."""
    visits = tuple(visits_of(dice, plan.flow, plan.lifetime))
    steps = LONGEST_RUN_STEPS[plan.flow]
    names = [dice.choice(visits).name for _ in range(dice.randint(0, 3))]
    faults = [Fault(name, dice.randint(1, steps), "twice") for name in names]
    return replace(plan, visits=visits, faults=tuple(faults))


def frozen(dice: Random, plan: Plan) -> Plan:
    """Let one stand still amid its exchange, while others come whose clocks are ahead."""
    body = dice.choice(VENDORS[plan.flow].bodies)
    times = [0.0, *sorted(dice.uniform(4, 20) for _ in range(dice.randint(1, 3)))]
    step = dice.randint(3, LONGEST_RUN_STEPS[plan.flow])
    fault = Fault("a", step, dice.choice(("freeze", "freeze after")), dice.uniform(4, 19))
    visits = visits_at(times, body)
    return replace(plan, visits=visits, faults=(fault,), offsets=(-15.0, 15.0, 15.0, 15.0))


def late(dice: Random, plan: Plan) -> Plan:
    """Let a write or a request of one who died arrive when the next one is at it."""
    body = dice.choice(VENDORS[plan.flow].bodies)
    arrival = dice.uniform(34, 75)
    times = [0.0, *sorted(arrival - dice.uniform(0, 4) for _ in range(dice.randint(1, 3)))]
    step = dice.choice((dice.randint(3, LONGEST_RUN_STEPS[plan.flow]), *COMMITS[plan.flow]))
    faults = [Fault("a", step, dice.choice(("late", "late", "slow")), arrival)]
    faults += [Fault("a", step + 1, "crash")] if dice.random() < 0.7 else []
    faults += [Fault("a", step - dice.randint(1, 2), "refused")] if dice.random() < 0.4 else []
    kind: FaultKind = dice.choice(("freeze", "slow"))
    own_step = dice.choice((3, 4, dice.randint(3, step + 1)))
    faults.append(Fault("b", own_step, kind, dice.uniform(0.5, 6)))
    offsets = dice.choice(((0.0,), (-15.0, 15.0), (-15.0, 15.0)))
    return replace(plan, visits=visits_at(times, body), faults=tuple(faults), offsets=offsets)


def abandoned(dice: Random, plan: Plan) -> Plan:
    """Let one die who replaces a token that lives, with nobody near.

    At VNTANA, where the token that was kept is dead then.
    """
    body = dice.choice(VENDORS["vntana"].bodies)
    is_forced = dice.random() < EVEN
    first, second = visits_at([0.0, LONG * 0.905], body)
    if is_forced:
        second = replace(second, event={**second.event, "force": True})
    kind: FaultKind = dice.choice(("crash", "crash after"))
    step = dice.randint(4, 14)
    fault = Fault("b" if is_forced else "b>1", step, kind)
    visits = (first, second)
    return replace(plan, flow="vntana", modes={}, lifetime=LONG, visits=visits, faults=(fault,))


def latched(dice: Random, plan: Plan) -> Plan:
    """Let many variants meet a wrong secret at once."""
    bodies = VENDORS[plan.flow].bodies
    wrong: list[Change] = [Change(dice.uniform(0, 1), "bad secret")]
    if dice.random() < 0.5:
        wrong.append(Change(dice.uniform(0, 2), dice.choice(("bad secret", "new password"))))
    first = dice.choice((0.0, plan.lifetime * 1.2))
    times = [*([0.0] if first else []), *(first + dice.uniform(2, 3) for _ in range(5))]
    visits = tuple(
        replace(visit, event={"connection": "acme", **dice.choice(bodies)})
        for visit in visits_at(times, {})
    )
    faults = [fault_of(dice, plan.flow, visits[1].name) for _ in range(dice.choice((0, 0, 1, 2)))]
    return replace(plan, visits=visits, changes=tuple(wrong), faults=tuple(faults))
