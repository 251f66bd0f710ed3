"""From a seed to a plan: who calls when, and what goes wrong.

Calls come in crowds, at the moments that matter: when there is no token yet, when one ages or ends,
when a lease runs out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from tests.protocol.simulation.plans import (
    Change,
    ChangeKind,
    Fault,
    FaultKind,
    FlowName,
    Outage,
    Plan,
    Visit,
)
from tests.protocol.simulation.vendors import VENDORS

FLOWS: tuple[FlowName, ...] = ("vendorlink", "vendorlink", "vntana", "vntana", "editor")
LIFETIMES = (90, 300, 3600)
LONGEST_RUN_STEPS: Mapping[FlowName, int] = {"vendorlink": 10, "vntana": 36, "editor": 14}
"""About as many steps as an exchange takes, from the first look to the answer."""

COMMITS: Mapping[FlowName, tuple[int, ...]] = {"vendorlink": (7, 8), "vntana": (), "editor": ()}
"""Steps at which a first exchange keeps what it earned, where there are few ways to it."""

KINDS: tuple[FaultKind, ...] = (
    *("crash", "crash after", "freeze", "freeze after", "refused", "lost", "late", "twice", "slow"),
    *("crash after", "lost", "freeze"),
)
CHANGES: tuple[ChangeKind, ...] = (
    *("good secret", "bad secret", "bad secret", "new password", "other defaults", "revoked"),
)
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
    theme = dice.choices((mixed, calm, frozen, late, latched), (45, 12, 16, 15, 12))[0]
    return theme(dice, plan)


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


def visits_at(times: Sequence[float], body: Mapping[str, Any]) -> tuple[Visit, ...]:
    """Return a call at each of *times*, each to a process of its own."""
    event = {"connection": "acme", **body}
    return tuple(
        Visit(chr(ord("a") + position), at, event, is_cold=True)
        for position, at in enumerate(times)
    )


def offsets_of(dice: Random) -> tuple[float, ...]:
    """Return the clocks of the processes: at most thirty seconds apart."""
    if dice.random() < 0.4:
        return (0.0,)
    return tuple(dice.choice((-15.0, 15.0, dice.uniform(-15, 15))) for _ in range(4))


def visits_of(dice: Random, flow: FlowName, lifetime: int) -> list[Visit]:
    """Return crowds of calls."""
    visits: list[Visit] = []
    begins = 0.0
    bodies = dice.sample(VENDORS[flow].bodies, dice.randint(1, len(VENDORS[flow].bodies)))
    for _ in range(dice.randint(2, 4)):
        spread = dice.choice((0.02, 0.5, 4.0, 30.0))
        for _ in range(dice.randint(1, 4)):
            name = chr(ord("a") + len(visits))
            at = begins + dice.uniform(0, spread)
            visits.append(visit_of(dice, name, at, dice.choice(bodies), lifetime))
        begins += pause_of(dice, lifetime)
    return visits


def pause_of(dice: Random, lifetime: int) -> float:
    """Return how long until the next crowd: until something is due, mostly."""
    return dice.choice(
        (
            dice.uniform(0, 30),
            dice.uniform(20, 95),
            lifetime * dice.uniform(0.8, 0.9),
            lifetime * dice.uniform(0.85, 1.0),
            lifetime + dice.uniform(-2, 5),
            lifetime * 1.1,
        )
    )


def visit_of(dice: Random, name: str, at: float, body: Mapping[str, Any], lifetime: int) -> Visit:
    """Return one call: most want whatever there is."""
    event: dict[str, Any] = {"connection": "acme", **body}
    is_cold = dice.random() < 0.4
    reported = None
    kind = dice.random()
    if kind < 0.05:
        event = {"connection": "acme", "action": dice.choice(("forget", "status", "renew"))}
    elif kind < 0.12:
        event["force"] = True
    elif kind < 0.2:
        event["min_ttl"] = int(lifetime * dice.uniform(0, 0.6))
    elif kind < 0.35 and name > "a":
        reported = chr(dice.randint(max(ord("a"), ord(name) - 4), ord(name) - 1))
    return Visit(name, at, event, reported, is_cold)


def faults_of(dice: Random, flow: FlowName, visits: tuple[Visit, ...]) -> list[Fault]:
    """Return what goes wrong: nothing, a few things, or many."""
    many = dice.choice((0, 1, 2, 2, 3, 4, 6))
    return [fault_of(dice, flow, dice.choice(visits).name) for _ in range(many)]


def fault_of(dice: Random, flow: FlowName, name: str) -> Fault:
    """Return one fault of a visit, or of a renewal that it starts."""
    name += dice.choice(("", "", "", ">1", ">1'"))
    kind = dice.choice(KINDS)
    step = dice.randint(1, LONGEST_RUN_STEPS[flow])
    if dice.random() < 0.05:
        step = 0
    return Fault(name, step, kind, seconds_of(dice, kind))


def seconds_of(dice: Random, kind: FaultKind) -> float:
    """Return how long a fault takes: some last longer than any lease."""
    longest = {"freeze": 60.0, "freeze after": 60.0, "late": 90.0, "slow": 25.0}.get(kind, 0.0)
    return longest * dice.random() ** 2


def outages_of(dice: Random, visits: tuple[Visit, ...]) -> list[Outage]:
    """Return when a service is down, if one is."""
    if dice.random() < 0.8:
        return []
    begins = dice.choice(visits).at - dice.uniform(0, 1)
    service = dice.choice(("upstream", "upstream", "table", "key", "secrets"))
    return [Outage(service, begins, begins + 60 * dice.random() ** 2)]  # type: ignore[arg-type]  # all are services


def changes_of(dice: Random, ends: float) -> list[Change]:
    """Return what somebody does to the secret or at the vendor's, if anything."""
    if dice.random() < 0.6:
        return []
    return [change_of(dice, dice.uniform(-1, ends)) for _ in range(dice.randint(1, 3))]


def change_of(dice: Random, at: float) -> Change:
    """Return one change, and whether EventBridge tells of it."""
    kind = dice.choice(CHANGES)
    is_told = kind.endswith(("secret", "defaults"))
    events = dice.choice(((), (1.0,), (0.2, 3.0), (20.0,))) if is_told else ()
    return Change(max(0.0, at), kind, events)
