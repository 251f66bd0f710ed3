"""Draws the parts of plans: calls, faults, outages and changes.

Calls come in bursts at the critical times: before the first token, when a token is due for refresh
or ends, and when a lease ends.
"""

from collections.abc import Callable, Mapping, Sequence
from math import log
from random import Random
from typing import Any, TypeAlias, TypeVar

from tests.protocol.simulation.plans import (
    Change,
    ChangeKind,
    Fault,
    FaultKind,
    FlowName,
    Notice,
    Outage,
    Plan,
    Service,
    Visit,
)
from tests.protocol.simulation.vendors import VENDORS

Choice = TypeVar("Choice", bound=str)


Draw: TypeAlias = Callable[[str], Random]
"""Returns a new generator for a name; the same name gives the same sequence."""


def draws_of(seed: int) -> Draw:
    return lambda name: Random(f"{seed}/{name}")


def chosen(draw: Draw, weights: Mapping[Choice, float]) -> Choice:
    """Return one of *weights* with a probability in proportion to its weight.

    Each choice draws a number of its own and the largest wins, so a new choice changes only the
    seeds that it wins.
    """
    return max(weights, key=lambda one: -weights[one] / log(draw(f"lot of {one}").random()))


def visits_of(rng: Random, flow: FlowName, lifetime: int) -> list[Visit]:
    visits: list[Visit] = []
    begins = 0.0
    bodies = rng.sample(VENDORS[flow].bodies, rng.randint(1, len(VENDORS[flow].bodies)))
    for _ in range(rng.randint(2, 4)):
        spread = rng.choice((0.02, 0.5, 4.0, 30.0))
        for _ in range(rng.randint(1, 4)):
            name = chr(ord("a") + len(visits))
            at = begins + rng.uniform(0, spread)
            visits.append(visit_of(rng, name, at, rng.choice(bodies), lifetime))
        begins += pause_of(rng, lifetime)
    return visits


def pause_of(rng: Random, lifetime: int) -> float:
    """Return the seconds until the next burst: mostly until a refresh, an expiry or a lease end."""
    return rng.choice(
        (
            rng.uniform(0, 30),
            rng.uniform(20, 95),
            lifetime * rng.uniform(0.8, 0.9),
            lifetime * rng.uniform(0.85, 1.0),
            lifetime + rng.uniform(-2, 5),
            lifetime * 1.1,
        )
    )


def visit_of(rng: Random, name: str, at: float, body: Mapping[str, Any], lifetime: int) -> Visit:
    """Return one call; most have no options."""
    event: dict[str, Any] = {"connection": "acme", **body}
    is_cold = rng.random() < 0.4
    reported = None
    kind = rng.random()
    if kind < 0.06:
        event = operation_of(rng, body)
    elif kind < 0.12:
        event["force"] = True
    elif kind < 0.2:
        event["min_ttl"] = int(lifetime * rng.choice((0.6, 1.1)) * rng.random())
    elif kind < 0.35 and name > "a":
        reported = chr(rng.randint(max(ord("a"), ord(name) - 4), ord(name) - 1))
    return Visit(name, at, event, reported, is_cold)


def operation_of(rng: Random, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of an operator or a schedule."""
    action = rng.choice(("forget", "forget", "status", "renew", "rotate", "warm"))
    if action == "warm":
        return {"action": action, "calls": [{"connection": "acme", **body}]}
    return {"connection": "acme", "action": action}


def checks_of(rng: Random, plan: Plan) -> list[Visit]:
    """Return checks by operators and schedules, near a plan's events or at any time."""
    vendor, ends = VENDORS[plan.flow], max(visit.at for visit in plan.visits)
    times = [*(visit.at for visit in plan.visits), *(change.at for change in plan.changes)]
    near = [at for at in times if at <= ends]
    checks = []
    for number in range(rng.randint(2, 6)):
        at = rng.choice((rng.choice(near) + rng.uniform(0, 5), rng.uniform(0, ends)))
        is_bad = bool(vendor.bad_bodies) and rng.random() < 0.1
        body = {"connection": "acme", **rng.choice(vendor.bad_bodies if is_bad else vendor.bodies)}
        event: dict[str, Any] = {"action": "check", **body}
        if not is_bad and rng.random() < 0.2:
            event = {"action": "warm", "each": "check", "calls": [body]}
        checks.append(Visit(f"q{number}", at, event, None, rng.random() < 0.5, is_bad))
    return checks


def visits_at(times: Sequence[float], body: Mapping[str, Any]) -> list[Visit]:
    """Return a call at each of *times*, each to a new process."""
    event = {"connection": "acme", **body}
    return [
        Visit(chr(ord("a") + position), at, event, is_cold=True)
        for position, at in enumerate(times)
    ]


KINDS: tuple[FaultKind, ...] = (
    *("crash", "crash after", "freeze", "freeze after", "refused", "lost", "late", "twice", "slow"),
    *("crash after", "lost", "freeze"),
)
CHANGES: tuple[ChangeKind, ...] = (
    *("good secret", "bad secret", "bad secret", "new password", "other defaults", "revoked"),
    *("other user", "other host"),
)


def faults_of(rng: Random, flow: FlowName, visits: Sequence[Visit]) -> list[Fault]:
    """Return the faults: none, a few, or many."""
    many = rng.choice((0, 1, 2, 2, 3, 4, 6))
    return [fault_of(rng, flow, rng.choice(visits).name) for _ in range(many)]


def fault_of(rng: Random, flow: FlowName, name: str) -> Fault:
    """Return one fault of a visit, or of a refresh that it starts."""
    name += rng.choice(("", "", "", ">1", ">1'"))
    kind = rng.choice(KINDS)
    step = rng.randint(1, VENDORS[flow].longest_run)
    if rng.random() < 0.05:
        step = 0
    # Some exceed any lease.
    longest = {"freeze": 60.0, "freeze after": 60.0, "late": 90.0, "slow": 25.0}.get(kind, 0.0)
    return Fault(name, step, kind, longest * rng.random() ** 2)


def outages_of(rng: Random, visits: Sequence[Visit]) -> list[Outage]:
    if rng.random() < 0.8:
        return []
    begins = rng.choice(visits).at - rng.uniform(0, 1)
    service: Service = rng.choice(("upstream", "upstream", "table", "key", "secrets"))
    return [Outage(service, begins, begins + 60 * rng.random() ** 2)]


def changes_of(rng: Random, ends: float) -> list[Change]:
    if rng.random() < 0.6:
        return []
    return [change_of(rng, rng.uniform(-1, ends)) for _ in range(rng.randint(1, 3))]


def change_of(rng: Random, at: float) -> Change:
    kind = rng.choice(CHANGES)
    is_told = kind.endswith(("secret", "defaults", "user", "host"))
    return Change(max(0.0, at), kind, notices_of(rng) if is_told else ())


def notices_of(rng: Random) -> tuple[Notice, ...]:
    """Return the EventBridge events for a new version: none, a late one or two, of either kind."""
    delays = rng.choice(((), (1.0,), (0.2, 3.0), (20.0,), (1.0, 1.5, 40.0)))
    return tuple(Notice(delay, rng.choice(("trail", "label"))) for delay in delays)
