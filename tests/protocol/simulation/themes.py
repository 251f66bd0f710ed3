"""Themes: distributions of plans. Each targets one guard of the protocol; `mixed` is general."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple, TypeAlias

from tests.protocol.simulation.editor_user import CLEAR
from tests.protocol.simulation.excuses import LEASE_SECONDS
from tests.protocol.simulation.plan_parts import (
    Draw,
    changes_of,
    checks_of,
    chosen,
    fault_of,
    faults_of,
    notices_of,
    operation_of,
    outages_of,
    visits_at,
    visits_of,
)
from tests.protocol.simulation.plans import (
    DAY,
    ONCE,
    Change,
    ChangeKind,
    Fault,
    FaultKind,
    FlowName,
    Outage,
    Plan,
    Setting,
    Shift,
    Visit,
)
from tests.protocol.simulation.vendors import VENDORS
from tests.subjects import CHECKED

LONG = 3600
EVEN = 0.5
HOLD = {"connection": "acme", "action": "hold", "reason": "drill"}
LIFT = {"connection": "acme", "action": "lift"}

Draws: TypeAlias = Callable[[Draw, Plan], Plan]


class Theme(NamedTuple):
    """A plan's generator, its weight, its flows, and its weight in the theme `checked`."""

    plan: Draws
    weight: float
    flows: Collection[FlowName]
    amid: float


THEMES: dict[str, Theme] = {}


def theme(
    weight: float, *, amid: float = 0, flows: Collection[FlowName] = tuple(VENDORS)
) -> Callable[[Draws], Draws]:
    """Register the decorated function as a theme."""

    def decorate(plan: Draws) -> Draws:
        THEMES[plan.__name__] = Theme(plan, weight, flows, amid)
        return plan

    return decorate


def fitting(flow: FlowName) -> dict[str, Theme]:
    return {name: one for name, one in THEMES.items() if flow in one.flows}


@theme(30, amid=6)
def mixed(draw: Draw, plan: Plan) -> Plan:
    """Any faults, outages and changes."""
    visits = visits_of(draw("visits"), plan.flow, plan.lifetime)
    ends = max(visit.at for visit in visits) + 20
    return replace(
        plan,
        visits=visits,
        faults=faults_of(draw("faults"), plan.flow, visits),
        outages=outages_of(draw("outages"), visits),
        changes=changes_of(draw("changes"), ends),
    )


@theme(8, amid=2)
def calm(draw: Draw, plan: Plan) -> Plan:
    """Only faults that no caller may notice."""
    visits = visits_of(draw("visits"), plan.flow, plan.lifetime)
    steps, rng = VENDORS[plan.flow].longest_run, draw("faults")
    names = [rng.choice(visits).name for _ in range(rng.randint(0, 3))]
    faults = [Fault(name, rng.randint(1, steps), "twice") for name in names]
    return replace(plan, visits=visits, faults=faults)


@theme(11)
def frozen(draw: Draw, plan: Plan) -> Plan:
    """A holder freezes during its exchange, while callers with faster clocks arrive."""
    rng = draw("frozen")
    body = rng.choice(VENDORS[plan.flow].bodies)
    times = [0.0, *sorted(rng.uniform(4, 20) for _ in range(rng.randint(1, 3)))]
    step = rng.randint(3, VENDORS[plan.flow].longest_run)
    fault = Fault("a", step, rng.choice(("freeze", "freeze after")), rng.uniform(4, 19))
    wrong = (Change(0.0, "bad secret"),) if draw("wrong").random() < 0.25 else ()
    offsets = (-15.0, 15.0, 15.0, 15.0)
    visits = visits_at(times, body)
    return replace(plan, visits=visits, faults=(fault,), offsets=offsets, changes=wrong)


@theme(16)
def late(draw: Draw, plan: Plan) -> Plan:
    """A write or a request of a crashed holder arrives during the next holder's exchange."""
    rng = draw("late")
    body = rng.choice(VENDORS[plan.flow].bodies)
    # The lease of the crashed holder ends 52 s after its begin.
    arrival = rng.choice((rng.uniform(34, 75), rng.uniform(53, 66)))
    times = [0.0, *sorted(arrival - rng.uniform(0, 4) for _ in range(rng.randint(1, 3)))]
    step = rng.choice((rng.randint(3, VENDORS[plan.flow].longest_run), *VENDORS[plan.flow].commits))
    faults = [Fault("a", step, rng.choice(("late", "late", "slow")), arrival)]
    faults += [Fault("a", step + 1, "crash")] if rng.random() < 0.7 else []
    faults += [Fault("a", step - rng.randint(1, 2), "refused")] if rng.random() < 0.4 else []
    kind: FaultKind = rng.choice(("freeze", "slow"))
    own_step = rng.choice((3, 4, 4, rng.randint(3, step + 1)))
    faults.append(Fault("b", own_step, kind, rng.uniform(0.5, 6)))
    offsets = rng.choice(((0.0,), (-15.0, 15.0), (-15.0, 15.0)))
    return replace(plan, visits=visits_at(times, body), faults=faults, offsets=offsets)


@theme(3)
def overtaken(draw: Draw, plan: Plan) -> Plan:
    """A commit arrives after its lease's end, between another's read and its acquire."""
    rng = draw("overtaken")
    arrival = LEASE_SECONDS + rng.uniform(3, 14)
    step = rng.choice(VENDORS[plan.flow].last_writes)
    sent_late = Fault("a", step, "late", arrival - rng.uniform(1, 2))
    faults = (sent_late, Fault("a", step + 1, "crash"), Fault("b", rng.randint(2, 5), "freeze", 5))
    times = [0.0, arrival - rng.uniform(0, 3), arrival + rng.uniform(2, 60)]
    visits = visits_at(times, rng.choice(VENDORS[plan.flow].bodies))
    return replace(plan, visits=visits, faults=faults, offsets=(0.0,), lifetime=LONG)


@theme(10, flows=("vntana",))
def abandoned(draw: Draw, plan: Plan) -> Plan:
    """A holder crashes while it replaces a live token, without concurrent calls.

    For VNTANA, which ends the stored token at that login.
    """
    rng = draw("abandoned")
    body = rng.choice(VENDORS["vntana"].bodies)
    is_forced = rng.random() < EVEN
    first, second = visits_at([0.0, LONG * 0.905], body)
    if is_forced:
        second = replace(second, event={**second.event, "force": True})
    kind: FaultKind = rng.choice(("crash", "crash after"))
    step = rng.randint(4, 14)
    fault = Fault("b" if is_forced else "b>1", step, kind)
    # At the end of the lease that the crash leaves, and just before and after.
    edge = second.at + LEASE_SECONDS
    others = visits_at([edge + rng.uniform(-2, 1.5) for _ in range(rng.randint(0, 3))], body)
    later = [replace(o, name=f"e{n}") for n, o in enumerate(sorted(others, key=lambda o: o.at))]
    visits = (first, second, *later)
    return replace(plan, modes={}, lifetime=LONG, visits=visits, faults=(fault,))


@theme(5)
def doubted(draw: Draw, plan: Plan) -> Plan:
    """A holder crashes while it replaces a live token; the next one fails before it sends."""
    rng = draw("doubted")
    body = rng.choice(VENDORS[plan.flow].bodies)
    first, second = visits_at([0.0, 600.0], body)
    second = replace(second, event={**second.event, "force": True})
    over = second.at + LEASE_SECONDS
    times = [over + rng.uniform(1, 5), over + rng.uniform(10, 60)]
    later = [replace(one, name=f"e{n}") for n, one in enumerate(visits_at(times, body))]
    faults = [
        Fault(second.name, rng.randint(4, 14), rng.choice(("crash", "crash after"))),
        Fault("e0", rng.randint(4, 10), rng.choice(ONCE)),
    ]
    visits = (first, second, *later)
    return replace(plan, lifetime=LONG, visits=visits, faults=faults, offsets=(0.0,))


@theme(8, amid=2)
def latched(draw: Draw, plan: Plan) -> Plan:
    """Many variants use a wrong secret concurrently."""
    rng = draw("latched")
    bodies = VENDORS[plan.flow].bodies
    wrong: list[Change] = [Change(rng.uniform(0, 1), "bad secret")]
    if rng.random() < 0.5:
        wrong.append(Change(rng.uniform(0, 2), rng.choice(("bad secret", "new password"))))
    first = rng.choice((0.0, plan.lifetime * 1.2))
    times = [*([0.0] if first else []), *(first + rng.uniform(2, 3) for _ in range(5))]
    visits = [
        replace(visit, event={"connection": "acme", **rng.choice(bodies)})
        for visit in visits_at(times, {})
    ]
    faults = [fault_of(rng, plan.flow, visits[1].name) for _ in range(rng.choice((0, 0, 1, 2)))]
    return replace(plan, visits=visits, changes=wrong, faults=faults)


@theme(14, amid=4)
def rotated(draw: Draw, plan: Plan) -> Plan:
    """The secret is rotated to another user, a wrong key or another host, and back.

    The event is lost, late or doubled, or one of its calls to AWS fails.
    """
    rng = draw("rotated")
    begins, changes = rng.uniform(1, 30), []
    kinds = rng.choices(VENDORS[plan.flow].rotations, k=rng.randint(1, 3))
    for kind in kinds:
        changes.append(Change(begins, kind, notices_of(draw(f"notices at {begins}"))))
        begins += rng.choice((rng.uniform(0, 5), rng.uniform(40, 100)))
    bodies = VENDORS[plan.flow].bodies
    before = [rng.uniform(0, 1) for _ in range(rng.randint(2, 4))]
    after = [changes[0].at + rng.uniform(0, begins) for _ in range(rng.randint(1, 4))]
    visits = calls_with_options(rng, [*before, *sorted(after)], bodies)
    faults = [
        Fault(f"event{rng.randint(1, 2)}", rng.randint(1, 25), rng.choice(ONCE))
        for _ in range(rng.choice((0, 1, 1, 2)))
    ]
    lifetime = rng.choice((300, 3600, 3600))
    return replace(plan, visits=visits, changes=changes, faults=faults, lifetime=lifetime)


@theme(5, amid=2, flows=("vntana", "editor"))
def pinned(draw: Draw, plan: Plan) -> Plan:
    """The secret pins what callers choose, and unpins it, with or without events."""
    rng = draw("pinned")
    at, events = rng.uniform(1, 60), notices_of(draw("notices"))
    changes = [Change(at, "other pins", events)]
    ends = at + rng.choice((5, 100, 200))
    if rng.random() < 0.4:
        kind: ChangeKind = rng.choice(("other pins", "other pins", "other defaults", "other host"))
        changes.append(Change(ends, kind, notices_of(draw("later notices"))))
    times = sorted(rng.uniform(0, ends + 100) for _ in range(rng.randint(6, 14)))
    visits = calls_with_options(rng, [0.0, *times], VENDORS[plan.flow].bodies)
    outages = (Outage("upstream", at, at + 400),) if rng.random() < 0.3 else ()
    return replace(plan, visits=visits, changes=changes, outages=outages, lifetime=LONG)


@theme(3, amid=2)
def expelled(draw: Draw, plan: Plan) -> Plan:
    """An accepted password becomes wrong, while callers retry."""
    rng = draw("expelled")
    at = rng.uniform(1, 60)
    times = [0.0, *sorted(at + rng.uniform(0, 400) for _ in range(rng.randint(6, 14)))]
    visits = visits_at(times, rng.choice(VENDORS[plan.flow].bodies))
    visits = [
        replace(one, event={**one.event, "force": True}) if number and rng.random() < EVEN else one
        for number, one in enumerate(visits)
    ]
    return replace(plan, visits=visits, changes=(Change(at, "new password"),), lifetime=90)


@theme(4)
def pressed(draw: Draw, plan: Plan) -> Plan:
    """Forced calls during failing logins: the vendor is down, or rejects an accepted password."""
    rng = draw("pressed")
    at, ends = rng.uniform(0, 10), rng.uniform(50, 150)
    bodies = VENDORS[plan.flow].bodies[: rng.randint(1, 3)]
    times = [0.0, *sorted(at + rng.uniform(0, ends) for _ in range(rng.randint(10, 18)))]
    visits = [
        replace(
            one,
            event={**one.event, **rng.choice(bodies)}
            | ({"force": True} if rng.random() < EVEN else {}),
        )
        for one in visits_at(times, {})
    ]
    plan = replace(plan, visits=visits, lifetime=90)
    if rng.random() < EVEN:
        return replace(plan, outages=(Outage("upstream", at, at + ends),))
    modes = {**plan.modes, CLEAR: True} if plan.flow == "editor" else plan.modes
    return replace(plan, changes=(Change(at, "new password"),), modes=modes)


@theme(4, amid=1, flows=("vntana",))
def promoted(draw: Draw, plan: Plan) -> Plan:
    """The users swap roles, with callers before, soon after and long after."""
    rng = draw("promoted")
    at = rng.uniform(1, 4000)
    changes = [Change(at, "other role")]
    if rng.random() < 0.3:
        changes.append(Change(at + rng.uniform(1, 4000), "other role"))
    times = [0.0, rng.uniform(0, at), *(at + rng.uniform(0, 9000) for _ in range(5))]
    visits = calls_with_options(rng, sorted(times), VENDORS[plan.flow].bodies)
    return replace(plan, visits=visits, changes=changes, lifetime=LONG)


@theme(6)
def aged(draw: Draw, plan: Plan) -> Plan:
    """Days and weeks pass; the table drops items at their `ttl`, or days later."""
    rng = draw("aged")
    times, at = [], 0.0
    for _ in range(rng.randint(4, 8)):
        times.append(at)
        days = rng.choice((0.02, 0.5, 0.9, 1.1, 7.9, 8.1, 9, 12, 13.5, 14.5, 29, 31, 39))
        at += days * DAY + rng.uniform(0, 100)
    changes = []
    if rng.random() < EVEN:
        kind: ChangeKind = rng.choice(("bad secret", "bad secret", "other user", "new password"))
        changes.append(Change(rng.choice(times[:3]) + rng.uniform(-1, 1), kind))
    return replace(
        plan,
        visits=calls_with_options(rng, times, VENDORS[plan.flow].bodies[:2]),
        changes=changes,
        lifetime=rng.choice((300, 3600, DAY)),
        lag=rng.choice((0, 3600, 2 * DAY)),
    )


@theme(6, amid=2, flows=("editor",))
def unshared(draw: Draw, plan: Plan) -> Plan:
    """Callers do not share editor tokens, from the first call or after a change."""
    rng = draw("unshared")
    visits = visits_of(draw("visits"), plan.flow, plan.lifetime)
    ends = max(visit.at for visit in visits)
    is_first = rng.random() < EVEN
    events = notices_of(draw("notices"))
    changes = [] if is_first else [Change(rng.uniform(1, ends), "other sharing", events)]
    faults = faults_of(draw("faults"), plan.flow, visits) if rng.random() < EVEN else []
    return replace(
        plan,
        visits=visits,
        changes=changes,
        faults=faults,
        outages=outages_of(draw("outages"), visits),
        setting=Setting(is_shared=not is_first),
    )


@theme(5, flows=("vntana", "editor"))
def strangers(draw: Draw, plan: Plan) -> Plan:
    """Requests for a nonexistent variant, repeated, among valid requests."""
    rng = draw("strangers")
    vendor = VENDORS[plan.flow]
    times = sorted(rng.uniform(0, rng.choice((3, 60, 200))) for _ in range(rng.randint(4, 9)))
    wrong = rng.choice(vendor.bad_bodies)
    visits = [
        replace(
            visit,
            event={**visit.event, **(wrong if is_bad else rng.choice(vendor.bodies))},
            is_bad=is_bad,
            is_cold=rng.random() < EVEN,
        )
        for visit in visits_at(times, {})
        for is_bad in [rng.random() < EVEN]
    ]
    return replace(plan, visits=visits)


@theme(12, amid=3)
def hurt(draw: Draw, plan: Plan) -> Plan:
    """One call fails or loses its answer, without a crash, and other callers follow."""
    rng = draw("hurt")
    body = rng.choice(VENDORS[plan.flow].bodies)
    begins = rng.choice((0.0, 0.0, plan.lifetime * 0.9, plan.lifetime + 1.0))
    times = [0.0, begins] if begins else [0.0]
    times += [begins + rng.uniform(0.1, rng.choice((2, 20, 60))) for _ in range(3)]
    visits = calls_with_options(rng, sorted(times), [body])
    hit = visits[1 if begins else 0].name + rng.choice(("", "", ">1"))
    step = rng.randint(1, VENDORS[plan.flow].longest_run)
    kind: FaultKind = rng.choice((*ONCE, *ONCE, "page"))
    return replace(plan, visits=visits, faults=(Fault(hit, step, kind),))


@theme(4, amid=1)
def unsealed(draw: Draw, plan: Plan) -> Plan:
    """The KMS key is disabled for a while, so tokens cannot be stored."""
    rng = draw("unsealed")
    is_denied = rng.random() < EVEN
    outage = Outage("key", rng.choice((0.0, 5.0)), rng.uniform(10, 60), is_denied)
    spread = rng.choice((4, 20, outage.ends + 5))
    times = sorted(rng.uniform(0, spread) for _ in range(rng.randint(4, 8)))
    visits = calls_with_options(rng, times, VENDORS[plan.flow].bodies[: rng.randint(1, 2)])
    return replace(plan, visits=visits, outages=(outage,))


@theme(2, amid=1)
def down(draw: Draw, plan: Plan) -> Plan:
    """The vendor is down for long, while callers retry."""
    rng = draw("down")
    body = rng.choice(VENDORS[plan.flow].bodies)
    begins = rng.choice((0.0, 40.0))
    lasts = rng.uniform(100, 900)
    times = [0.0, *sorted(begins + rng.uniform(0, lasts) for _ in range(rng.randint(8, 20)))]
    visits = [replace(one, name=f"d{n}") for n, one in enumerate(visits_at(times, body))]
    outage = Outage("upstream", begins, begins + lasts)
    return replace(plan, visits=visits, outages=(outage,), lifetime=90)


@theme(4)
def tight(draw: Draw, plan: Plan) -> Plan:
    """Callers ask for a `min_ttl` near or above the tokens' lifetime, which changes."""
    rng = draw("tight")
    times = sorted(rng.uniform(0, plan.lifetime * 1.5) for _ in range(rng.randint(4, 9)))
    share = (0.3, 0.8, 0.9, 0.97, 0.99, 1.0, 1.5)
    visits = [
        replace(visit, event={**visit.event, "min_ttl": int(plan.lifetime * rng.choice(share))})
        if rng.random() < 0.6
        else visit
        for visit in visits_at(times, rng.choice(VENDORS[plan.flow].bodies))
    ]
    changes = []
    if plan.flow != "vntana" and rng.random() < EVEN:
        changes.append(Change(rng.uniform(0, plan.lifetime), "other lifetime"))
    return replace(plan, visits=visits, changes=changes)


@theme(5, amid=2)
def emptied(draw: Draw, plan: Plan) -> Plan:
    """Operators forget, read the status and rotate, during calls to processes with a cache."""
    rng = draw("emptied")
    bodies = VENDORS[plan.flow].bodies
    times = sorted(rng.uniform(0, rng.choice((5, 100, 200))) for _ in range(rng.randint(6, 12)))
    visits = [
        replace(
            visit,
            event=operation_of(rng, bodies[0])
            if rng.random() < 0.3
            else {**visit.event, **rng.choice(bodies)},
            is_cold=rng.random() < 0.3,
        )
        for visit in visits_at(times, {})
    ]
    rng = draw("delays")  # so that a DELETE has too little time for some of the sessions
    faults = [
        Fault(visit.name, rng.randint(2, 6), "freeze", rng.uniform(9, 15))
        for visit in visits
        if visit.event.get("action") == "forget" and rng.random() < EVEN
    ]
    return replace(plan, visits=visits, faults=faults, lifetime=LONG)


@theme(8, amid=4)
def held(draw: Draw, plan: Plan) -> Plan:
    """Operators hold and lift during calls, refreshes, rotations and faults."""
    rng = draw("held")
    bodies = VENDORS[plan.flow].bodies
    if rng.random() < EVEN:
        return held_amid(rng, plan)
    at, spread = rng.uniform(0, 8), rng.choice((3, 60, 200))
    times = sorted(rng.uniform(0, at + spread) for _ in range(rng.randint(5, 10)))
    visits = [*calls_with_options(rng, times, bodies[: rng.randint(1, 3)])]
    ends = at + rng.choice((0.05, 2, 30, 90, 150)) * rng.uniform(0.5, 1.5)
    visits += [Visit("x", at, HOLD, is_cold=rng.random() < EVEN), Visit("y", ends, LIFT)]
    if rng.random() < EVEN:
        visits.append(Visit("z", rng.uniform(at, ends), operation_of(rng, bodies[0])))
    if rng.random() < 0.3:
        visits.append(Visit("w", ends + rng.uniform(0, 20), HOLD))
    faults = faults_of(draw("faults"), plan.flow, visits) if rng.random() < EVEN else []
    changes = changes_of(draw("changes"), ends) if rng.random() < EVEN else []
    return replace(
        plan,
        visits=visits,
        faults=faults,
        changes=changes,
        lifetime=rng.choice((90, 300, LONG)),
        lag=rng.choice((None, None, 0)),
    )


def held_amid(rng: Random, plan: Plan) -> Plan:
    """Set a hold during a long exchange, and call when the cache ends by its gate's age."""
    body = rng.choice(VENDORS[plan.flow].bodies)
    at = rng.uniform(0.1, 3)
    after = at + rng.uniform(59, 74)
    # Of two concurrent calls the later one reaches the process of the exchange.
    calls = visits_at([0.0, after, after + 0.001], body)
    visits = (*(replace(call, is_cold=False) for call in calls), Visit("x", at, HOLD))
    step = rng.randint(3, VENDORS[plan.flow].longest_run)
    fault = Fault("a", step, rng.choice(("slow", "freeze", "freeze after")), rng.uniform(3, 13))
    return replace(plan, visits=visits, faults=(fault,), lifetime=LONG)


@theme(12, flows=CHECKED)
def checked(draw: Draw, plan: Plan) -> Plan:
    """Operators and schedules run checks during another theme, or the vendor revokes tokens."""
    weights = {name: one.amid for name, one in fitting(plan.flow).items() if one.amid}
    plan = THEMES[chosen(lambda name: draw(f"checked amid {name}"), weights)].plan(draw, plan)
    checks = checks_of(draw("checks"), plan)
    held_at = [visit.at for visit in plan.visits if visit.event == HOLD]
    if held_at:  # the later one reaches a process that may cache a token of before the hold
        rng = draw("checks amid a hold")
        at = rng.choice(held_at) + rng.uniform(0, 60)
        amid = [replace(one, at=at + n / 1000, is_cold=False) for n, one in enumerate(checks[:2])]
        checks = [*amid, *checks[2:]]
    rng = draw("revocations")
    ended_at = [one.at + rng.uniform(-5, 1) for one in checks if rng.random() < 0.2]
    rng = draw("faults of checks")
    faults = faults_of(rng, plan.flow, checks) if rng.random() < EVEN else []
    return replace(
        plan,
        visits=(*plan.visits, *checks),
        changes=(*plan.changes, *(Change(max(0.0, at), "revoked") for at in ended_at)),
        faults=(*plan.faults, *faults),
    )


@theme(4)
def shifted(draw: Draw, plan: Plan) -> Plan:
    """The clocks of processes step forward and back, during invocations and between."""
    rng = draw("shifted")
    visits = visits_of(draw("visits"), plan.flow, plan.lifetime)
    ends = max(visit.at for visit in visits) + 5
    shifts = [
        Shift(rng.uniform(0, ends), rng.randint(0, 2), rng.choice((-15.0, 0.0, 15.0)))
        for _ in range(rng.randint(1, 6))
    ]
    return replace(plan, visits=visits, shifts=shifts)


def calls_with_options(
    rng: Random, times: Sequence[float], bodies: Sequence[Mapping[str, Any]]
) -> list[Visit]:
    """Return calls at *times*: plain ones, forced ones, and reports of earlier tokens."""
    visits = []
    for number, visit in enumerate(visits_at(times, {})):
        event: dict[str, Any] = {**visit.event, **rng.choice(bodies)}
        reported = None
        if rng.random() < 0.2:
            event["force"] = True
        elif number and rng.random() < 0.2:
            reported = chr(ord(visit.name) - rng.randint(1, min(3, number)))
        is_cold = rng.random() < EVEN
        visits.append(replace(visit, event=event, rejects=reported, is_cold=is_cold))
    return visits
