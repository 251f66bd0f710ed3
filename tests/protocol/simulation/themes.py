"""What a run is about: whatever may happen, or what one guard of the protocol is there for."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from tests.protocol.simulation.crowds import checks_of, operation_of, visits_at, visits_of
from tests.protocol.simulation.draws import Draw, chosen
from tests.protocol.simulation.editor_application import CLEAR
from tests.protocol.simulation.excuses import SKEW_SECONDS
from tests.protocol.simulation.invocations import TIMEOUT
from tests.protocol.simulation.mishaps import (
    LONGEST_RUN_STEPS,
    changes_of,
    fault_of,
    faults_of,
    notices_of,
    outages_of,
)
from tests.protocol.simulation.plans import (
    Change,
    ChangeKind,
    Fault,
    FaultKind,
    FlowName,
    Outage,
    Plan,
    Shift,
    Visit,
)
from tests.protocol.simulation.settings import Setting
from tests.protocol.simulation.vendors import GENERIC, VENDORS
from tests.subjects import CHECKED

Theme = Callable[[Draw, Plan], Plan]

LONG = 3600
EVEN = 0.5
DAY = 86_400
HOLD = {"connection": "acme", "action": "hold", "reason": "drill"}
LIFT = {"connection": "acme", "action": "lift"}

COMMITS: Mapping[FlowName, tuple[int, ...]] = {
    "vendorlink": (7, 8),
    "vntana": (),
    "editor": (),
    **dict.fromkeys(GENERIC, ()),
}
"""Steps at which a first exchange keeps its token, where there are few ways to it."""

LAST_WRITES: Mapping[FlowName, tuple[int, ...]] = {
    "vendorlink": (6,),
    "vntana": (13, 19),
    "editor": (11, 12),
    **dict.fromkeys(GENERIC, (6, 11, 12, 13)),
}
"""The same of all flows, as first exchanges are today."""

ROTATIONS: Mapping[FlowName, tuple[ChangeKind, ...]] = {
    "vendorlink": ("other user", "bad secret", "other host", "good secret"),
    "vntana": ("other user", "other user", "bad secret", "other host", "other defaults"),
    "editor": ("other user", "bad secret", "other host", "other defaults"),
    **dict.fromkeys(GENERIC, ("other user", "bad secret", "other host", "good secret")),
}
ONCE: tuple[FaultKind, ...] = ("refused", "denied", "lost")
"""What may become of one call to AWS, with no process that dies."""


def mixed(draw: Draw, plan: Plan) -> Plan:
    """Let anything go wrong."""
    visits = tuple(visits_of(draw("visits"), plan.flow, plan.lifetime))
    ends = max(visit.at for visit in visits) + 20
    return replace(
        plan,
        visits=visits,
        faults=tuple(faults_of(draw("faults"), plan.flow, visits)),
        outages=tuple(outages_of(draw("outages"), visits)),
        changes=tuple(changes_of(draw("changes"), ends)),
    )


def calm(draw: Draw, plan: Plan) -> Plan:
    """Let nothing go wrong that a caller may notice."""
    visits = tuple(visits_of(draw("visits"), plan.flow, plan.lifetime))
    steps, dice = LONGEST_RUN_STEPS[plan.flow], draw("faults")
    names = [dice.choice(visits).name for _ in range(dice.randint(0, 3))]
    faults = [Fault(name, dice.randint(1, steps), "twice") for name in names]
    return replace(plan, visits=visits, faults=tuple(faults))


def frozen(draw: Draw, plan: Plan) -> Plan:
    """Let one stand still amid its exchange, while others come whose clocks are ahead."""
    dice = draw("frozen")
    body = dice.choice(VENDORS[plan.flow].bodies)
    times = [0.0, *sorted(dice.uniform(4, 20) for _ in range(dice.randint(1, 3)))]
    step = dice.randint(3, LONGEST_RUN_STEPS[plan.flow])
    fault = Fault("a", step, dice.choice(("freeze", "freeze after")), dice.uniform(4, 19))
    wrong = (Change(0.0, "bad secret"),) if draw("wrong").random() < 0.25 else ()
    offsets = (-15.0, 15.0, 15.0, 15.0)
    visits = visits_at(times, body)
    return replace(plan, visits=visits, faults=(fault,), offsets=offsets, changes=wrong)


def late(draw: Draw, plan: Plan) -> Plan:
    """Let a write or a request of one who died arrive when the next one is at it."""
    dice = draw("late")
    body = dice.choice(VENDORS[plan.flow].bodies)
    # The lease of the one who died ends 52 s after its begin.
    arrival = dice.choice((dice.uniform(34, 75), dice.uniform(53, 66)))
    times = [0.0, *sorted(arrival - dice.uniform(0, 4) for _ in range(dice.randint(1, 3)))]
    step = dice.choice((dice.randint(3, LONGEST_RUN_STEPS[plan.flow]), *COMMITS[plan.flow]))
    faults = [Fault("a", step, dice.choice(("late", "late", "slow")), arrival)]
    faults += [Fault("a", step + 1, "crash")] if dice.random() < 0.7 else []
    faults += [Fault("a", step - dice.randint(1, 2), "refused")] if dice.random() < 0.4 else []
    kind: FaultKind = dice.choice(("freeze", "slow"))
    own_step = dice.choice((3, 4, 4, dice.randint(3, step + 1)))
    faults.append(Fault("b", own_step, kind, dice.uniform(0.5, 6)))
    offsets = dice.choice(((0.0,), (-15.0, 15.0), (-15.0, 15.0)))
    return replace(plan, visits=visits_at(times, body), faults=tuple(faults), offsets=offsets)


def overtaken(draw: Draw, plan: Plan) -> Plan:
    """Let a commit arrive after its lease's end, between another's look and its acquire."""
    dice = draw("overtaken")
    arrival = TIMEOUT + 2 + SKEW_SECONDS + dice.uniform(3, 14)
    step = dice.choice(LAST_WRITES[plan.flow])
    sent_late = Fault("a", step, "late", arrival - dice.uniform(1, 2))
    faults = (sent_late, Fault("a", step + 1, "crash"), Fault("b", dice.randint(2, 5), "freeze", 5))
    times = [0.0, arrival - dice.uniform(0, 3), arrival + dice.uniform(2, 60)]
    visits = visits_at(times, dice.choice(VENDORS[plan.flow].bodies))
    return replace(plan, visits=visits, faults=faults, offsets=(0.0,), lifetime=LONG)


def abandoned(draw: Draw, plan: Plan) -> Plan:
    """Let one die who replaces a token that lives, with no other call near.

    At VNTANA, where the token that was kept is dead then.
    """
    dice = draw("abandoned")
    body = dice.choice(VENDORS["vntana"].bodies)
    is_forced = dice.random() < EVEN
    first, second = visits_at([0.0, LONG * 0.905], body)
    if is_forced:
        second = replace(second, event={**second.event, "force": True})
    kind: FaultKind = dice.choice(("crash", "crash after"))
    step = dice.randint(4, 14)
    fault = Fault("b" if is_forced else "b>1", step, kind)
    # At the second at which the lease ends that is left behind, and just before and after.
    edge = second.at + TIMEOUT + 2 + SKEW_SECONDS
    others = visits_at([edge + dice.uniform(-2, 1.5) for _ in range(dice.randint(0, 3))], body)
    later = [replace(o, name=f"e{n}") for n, o in enumerate(sorted(others, key=lambda o: o.at))]
    visits = (first, second, *later)
    return replace(plan, modes={}, lifetime=LONG, visits=visits, faults=(fault,))


def doubted(draw: Draw, plan: Plan) -> Plan:
    """Let one die who replaces a token that lives, and the one after it fail before it sends."""
    dice = draw("doubted")
    body = dice.choice(VENDORS[plan.flow].bodies)
    first, second = visits_at([0.0, 600.0], body)
    second = replace(second, event={**second.event, "force": True})
    over = second.at + TIMEOUT + 2 + SKEW_SECONDS
    times = [over + dice.uniform(1, 5), over + dice.uniform(10, 60)]
    later = [replace(one, name=f"e{n}") for n, one in enumerate(visits_at(times, body))]
    faults = [
        Fault(second.name, dice.randint(4, 14), dice.choice(("crash", "crash after"))),
        Fault("e0", dice.randint(4, 10), dice.choice(ONCE)),
    ]
    visits = (first, second, *later)
    return replace(plan, lifetime=LONG, visits=visits, faults=tuple(faults), offsets=(0.0,))


def latched(draw: Draw, plan: Plan) -> Plan:
    """Let many variants meet a wrong secret at once."""
    dice = draw("latched")
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


def rotated(draw: Draw, plan: Plan) -> Plan:
    """Let the secret name another user, a wrong key or another host, and come back.

    The event that tells of it is lost, late or doubled, or one call to AWS fails amid it.
    """
    dice = draw("rotated")
    begins, changes = dice.uniform(1, 30), []
    kinds = dice.choices(ROTATIONS[plan.flow], k=dice.randint(1, 3))
    for kind in kinds:
        changes.append(Change(begins, kind, notices_of(draw(f"notices at {begins}"))))
        begins += dice.choice((dice.uniform(0, 5), dice.uniform(40, 100)))
    bodies = VENDORS[plan.flow].bodies
    before = [dice.uniform(0, 1) for _ in range(dice.randint(2, 4))]
    after = [changes[0].at + dice.uniform(0, begins) for _ in range(dice.randint(1, 4))]
    visits = wishing(dice, [*before, *sorted(after)], bodies)
    faults = [
        Fault(f"event{dice.randint(1, 2)}", dice.randint(1, 25), dice.choice(ONCE))
        for _ in range(dice.choice((0, 1, 1, 2)))
    ]
    lifetime = dice.choice((300, 3600, 3600))
    return replace(
        plan, visits=visits, changes=tuple(changes), faults=tuple(faults), lifetime=lifetime
    )


def pinned(draw: Draw, plan: Plan) -> Plan:
    """Let the secret pin what callers choose, and let it go again, with its event or without."""
    dice = draw("pinned")
    at, told = dice.uniform(1, 60), notices_of(draw("notices"))
    changes = [Change(at, "other pins", told)]
    ends = at + dice.choice((5, 100, 200))
    if dice.random() < 0.4:
        kind: ChangeKind = dice.choice(("other pins", "other pins", "other defaults", "other host"))
        changes.append(Change(ends, kind, notices_of(draw("later notices"))))
    times = sorted(dice.uniform(0, ends + 100) for _ in range(dice.randint(6, 14)))
    visits = wishing(dice, [0.0, *times], VENDORS[plan.flow].bodies)
    outages = (Outage("upstream", at, at + 400),) if dice.random() < 0.3 else ()
    return replace(plan, visits=visits, changes=tuple(changes), outages=outages, lifetime=LONG)


def expelled(draw: Draw, plan: Plan) -> Plan:
    """Let a password that was accepted be wrong from some time on, while callers come again."""
    dice = draw("expelled")
    at = dice.uniform(1, 60)
    times = [0.0, *sorted(at + dice.uniform(0, 400) for _ in range(dice.randint(6, 14)))]
    visits = visits_at(times, dice.choice(VENDORS[plan.flow].bodies))
    visits = tuple(
        replace(one, event={**one.event, "force": True}) if number and dice.random() < EVEN else one
        for number, one in enumerate(visits)
    )
    return replace(plan, visits=visits, changes=(Change(at, "new password"),), lifetime=90)


def pressed(draw: Draw, plan: Plan) -> Plan:
    """Let callers force amid failing logins: the vendor is down, or clearly refuses what worked."""
    dice = draw("pressed")
    at, ends = dice.uniform(0, 10), dice.uniform(50, 150)
    bodies = VENDORS[plan.flow].bodies[: dice.randint(1, 3)]
    times = [0.0, *sorted(at + dice.uniform(0, ends) for _ in range(dice.randint(10, 18)))]
    visits = tuple(
        replace(
            one,
            event={**one.event, **dice.choice(bodies)}
            | ({"force": True} if dice.random() < EVEN else {}),
        )
        for one in visits_at(times, {})
    )
    plan = replace(plan, visits=visits, lifetime=90)
    if dice.random() < EVEN:
        return replace(plan, outages=(Outage("upstream", at, at + ends),))
    modes = {**plan.modes, CLEAR: True} if plan.flow == "editor" else plan.modes
    return replace(plan, changes=(Change(at, "new password"),), modes=modes)


def promoted(draw: Draw, plan: Plan) -> Plan:
    """Let the users change places, with callers before, soon after and long after."""
    dice = draw("promoted")
    at = dice.uniform(1, 4000)
    changes = [Change(at, "other role")]
    if dice.random() < 0.3:
        changes.append(Change(at + dice.uniform(1, 4000), "other role"))
    times = [0.0, dice.uniform(0, at), *(at + dice.uniform(0, 9000) for _ in range(5))]
    visits = wishing(dice, sorted(times), VENDORS[plan.flow].bodies)
    return replace(plan, visits=visits, changes=tuple(changes), lifetime=LONG)


def aged(draw: Draw, plan: Plan) -> Plan:
    """Let days and weeks pass, in a table that drops what has ended: at once, or days later."""
    dice = draw("aged")
    times, at = [], 0.0
    for _ in range(dice.randint(4, 8)):
        times.append(at)
        days = dice.choice((0.02, 0.5, 0.9, 1.1, 7.9, 8.1, 9, 12, 13.5, 14.5, 29, 31, 39))
        at += days * DAY + dice.uniform(0, 100)
    changes = []
    if dice.random() < EVEN:
        kind: ChangeKind = dice.choice(("bad secret", "bad secret", "other user", "new password"))
        changes.append(Change(dice.choice(times[:3]) + dice.uniform(-1, 1), kind))
    return replace(
        plan,
        visits=wishing(dice, times, VENDORS[plan.flow].bodies[:2]),
        changes=tuple(changes),
        lifetime=dice.choice((300, 3600, DAY)),
        lag=dice.choice((0, 3600, 2 * DAY)),
    )


def unshared(draw: Draw, plan: Plan) -> Plan:
    """Let each caller have an editor's token of its own, from the beginning or from some time."""
    dice = draw("unshared")
    visits = tuple(visits_of(draw("visits"), plan.flow, plan.lifetime))
    ends = max(visit.at for visit in visits)
    is_first = dice.random() < EVEN
    told = notices_of(draw("notices"))
    changes = [] if is_first else [Change(dice.uniform(1, ends), "other sharing", told)]
    faults = faults_of(draw("faults"), plan.flow, visits) if dice.random() < EVEN else []
    return replace(
        plan,
        visits=visits,
        changes=tuple(changes),
        faults=tuple(faults),
        outages=tuple(outages_of(draw("outages"), visits)),
        setting=Setting(is_shared=not is_first),
    )


def strangers(draw: Draw, plan: Plan) -> Plan:
    """Let one caller ask for what there is not, again and again, beside others who are right."""
    dice = draw("strangers")
    vendor = VENDORS[plan.flow]
    times = sorted(dice.uniform(0, dice.choice((3, 60, 200))) for _ in range(dice.randint(4, 9)))
    wrong = dice.choice(vendor.bad_bodies)
    visits = [
        replace(
            visit,
            event={**visit.event, **(wrong if is_bad else dice.choice(vendor.bodies))},
            is_bad=is_bad,
            is_cold=dice.random() < EVEN,
        )
        for visit in visits_at(times, {})
        for is_bad in [dice.random() < EVEN]
    ]
    return replace(plan, visits=tuple(visits))


def hurt(draw: Draw, plan: Plan) -> Plan:
    """Let one call fail or lose its answer, with no process that dies, and others come soon."""
    dice = draw("hurt")
    body = dice.choice(VENDORS[plan.flow].bodies)
    begins = dice.choice((0.0, 0.0, plan.lifetime * 0.9, plan.lifetime + 1.0))
    times = [0.0, begins] if begins else [0.0]
    times += [begins + dice.uniform(0.1, dice.choice((2, 20, 60))) for _ in range(3)]
    visits = wishing(dice, sorted(times), [body])
    hit = visits[1 if begins else 0].name + dice.choice(("", "", ">1"))
    step = dice.randint(1, LONGEST_RUN_STEPS[plan.flow])
    kind: FaultKind = dice.choice((*ONCE, *ONCE, "page"))
    return replace(plan, visits=visits, faults=(Fault(hit, step, kind),))


def unsealed(draw: Draw, plan: Plan) -> Plan:
    """Let the key be out of use for a while, in which tokens cannot be kept."""
    dice = draw("unsealed")
    is_denied = dice.random() < EVEN
    outage = Outage("key", dice.choice((0.0, 5.0)), dice.uniform(10, 60), is_denied)
    spread = dice.choice((4, 20, outage.ends + 5))
    times = sorted(dice.uniform(0, spread) for _ in range(dice.randint(4, 8)))
    visits = wishing(dice, times, VENDORS[plan.flow].bodies[: dice.randint(1, 2)])
    return replace(plan, visits=visits, outages=(outage,))


def down(draw: Draw, plan: Plan) -> Plan:
    """Let the vendor be down for long, while callers come again and again."""
    dice = draw("down")
    body = dice.choice(VENDORS[plan.flow].bodies)
    begins = dice.choice((0.0, 40.0))
    lasts = dice.uniform(100, 900)
    times = [0.0, *sorted(begins + dice.uniform(0, lasts) for _ in range(dice.randint(8, 20)))]
    visits = [replace(one, name=f"d{n}") for n, one in enumerate(visits_at(times, body))]
    outage = Outage("upstream", begins, begins + lasts)
    return replace(plan, visits=tuple(visits), outages=(outage,), lifetime=90)


def tight(draw: Draw, plan: Plan) -> Plan:
    """Let callers want nearly as much life as a token has, or more, of tokens that change."""
    dice = draw("tight")
    times = sorted(dice.uniform(0, plan.lifetime * 1.5) for _ in range(dice.randint(4, 9)))
    share = (0.3, 0.8, 0.9, 0.97, 0.99, 1.0, 1.5)
    visits = [
        replace(visit, event={**visit.event, "min_ttl": int(plan.lifetime * dice.choice(share))})
        if dice.random() < 0.6
        else visit
        for visit in visits_at(times, dice.choice(VENDORS[plan.flow].bodies))
    ]
    changes = []
    if plan.flow != "vntana" and dice.random() < EVEN:
        changes.append(Change(dice.uniform(0, plan.lifetime), "other lifetime"))
    return replace(plan, visits=tuple(visits), changes=tuple(changes))


def emptied(draw: Draw, plan: Plan) -> Plan:
    """Let operators forget, look and rotate amid calls by processes that remember."""
    dice = draw("emptied")
    bodies = VENDORS[plan.flow].bodies
    times = sorted(dice.uniform(0, dice.choice((5, 100, 200))) for _ in range(dice.randint(6, 12)))
    visits = [
        replace(
            visit,
            event=operation_of(dice, bodies[0])
            if dice.random() < 0.3
            else {**visit.event, **dice.choice(bodies)},
            is_cold=dice.random() < 0.3,
        )
        for visit in visits_at(times, {})
    ]
    return replace(plan, visits=tuple(visits), lifetime=LONG)


def held(draw: Draw, plan: Plan) -> Plan:
    """Let operators hold and lift amid calls, renewals, rotations and faults."""
    dice = draw("held")
    bodies = VENDORS[plan.flow].bodies
    if dice.random() < EVEN:
        return held_amid(dice, plan)
    at, spread = dice.uniform(0, 8), dice.choice((3, 60, 200))
    times = sorted(dice.uniform(0, at + spread) for _ in range(dice.randint(5, 10)))
    visits = [*wishing(dice, times, bodies[: dice.randint(1, 3)])]
    ends = at + dice.choice((0.05, 2, 30, 90, 150)) * dice.uniform(0.5, 1.5)
    visits += [Visit("x", at, HOLD, is_cold=dice.random() < EVEN), Visit("y", ends, LIFT)]
    if dice.random() < EVEN:
        visits.append(Visit("z", dice.uniform(at, ends), operation_of(dice, bodies[0])))
    if dice.random() < 0.3:
        visits.append(Visit("w", ends + dice.uniform(0, 20), HOLD))
    faults = faults_of(draw("faults"), plan.flow, tuple(visits)) if dice.random() < EVEN else []
    changes = changes_of(draw("changes"), ends) if dice.random() < EVEN else []
    return replace(
        plan,
        visits=tuple(visits),
        faults=tuple(faults),
        changes=tuple(changes),
        lifetime=dice.choice((90, 300, LONG)),
        lag=dice.choice((None, None, 0)),
    )


def held_amid(dice: Random, plan: Plan) -> Plan:
    """Put a hold amid a long exchange, and call when memory ends that is as old as its gate."""
    body = dice.choice(VENDORS[plan.flow].bodies)
    at = dice.uniform(0.1, 3)
    after = at + dice.uniform(59, 74)
    # The later one of two calls at once comes to the process that made the exchange.
    calls = visits_at([0.0, after, after + 0.001], body)
    visits = (*(replace(call, is_cold=False) for call in calls), Visit("x", at, HOLD))
    step = dice.randint(3, LONGEST_RUN_STEPS[plan.flow])
    fault = Fault("a", step, dice.choice(("slow", "freeze", "freeze after")), dice.uniform(3, 13))
    return replace(plan, visits=visits, faults=(fault,), lifetime=LONG)


def checked(draw: Draw, plan: Plan) -> Plan:
    """Let operators and schedules check amid what another theme is about, or the vendor revokes."""
    fitting = {name: w for name, w in AMID.items() if plan.flow in FITTING.get(name, (plan.flow,))}
    plan = THEMES[chosen(lambda name: draw(f"checked amid {name}"), fitting)](draw, plan)
    checks = checks_of(draw("checks"), plan)
    held_at = [visit.at for visit in plan.visits if visit.event == HOLD]
    if held_at:  # the later one comes to a process that may remember a token of before the hold
        dice = draw("checks amid a hold")
        at = dice.choice(held_at) + dice.uniform(0, 60)
        amid = [replace(one, at=at + n / 1000, is_cold=False) for n, one in enumerate(checks[:2])]
        checks = [*amid, *checks[2:]]
    dice = draw("revocations")
    ended_at = [one.at + dice.uniform(-5, 1) for one in checks if dice.random() < 0.2]
    dice = draw("faults of checks")
    faults = faults_of(dice, plan.flow, tuple(checks)) if dice.random() < EVEN else []
    return replace(
        plan,
        visits=(*plan.visits, *checks),
        changes=(*plan.changes, *(Change(max(0.0, at), "revoked") for at in ended_at)),
        faults=(*plan.faults, *faults),
    )


def shifted(draw: Draw, plan: Plan) -> Plan:
    """Let the clocks of processes step forward and back, amid their work and between."""
    dice = draw("shifted")
    visits = tuple(visits_of(draw("visits"), plan.flow, plan.lifetime))
    ends = max(visit.at for visit in visits) + 5
    shifts = [
        Shift(dice.uniform(0, ends), dice.randint(0, 2), dice.choice((-15.0, 0.0, 15.0)))
        for _ in range(dice.randint(1, 6))
    ]
    return replace(plan, visits=visits, shifts=tuple(shifts))


def wishing(
    dice: Random, times: Sequence[float], bodies: Sequence[Mapping[str, Any]]
) -> tuple[Visit, ...]:
    """Return calls at *times*: plain ones, forced ones and reports of what came before."""
    visits = []
    for number, visit in enumerate(visits_at(times, {})):
        event: dict[str, Any] = {**visit.event, **dice.choice(bodies)}
        reported = None
        if dice.random() < 0.2:
            event["force"] = True
        elif number and dice.random() < 0.2:
            reported = chr(ord(visit.name) - dice.randint(1, min(3, number)))
        is_cold = dice.random() < EVEN
        visits.append(replace(visit, event=event, rejects=reported, is_cold=is_cold))
    return tuple(visits)


THEMES: Mapping[str, Theme] = {
    theme.__name__: theme
    for theme in (
        *(
            mixed,
            calm,
            frozen,
            late,
            overtaken,
            abandoned,
            doubted,
            latched,
            rotated,
            pinned,
            expelled,
            pressed,
            promoted,
            aged,
            unshared,
        ),
        *(strangers, hurt, unsealed, down, tight, emptied, shifted, held, checked),
    )
}
AMID: Mapping[str, float] = {
    "mixed": 6,
    "calm": 2,
    "hurt": 3,
    "held": 4,
    "rotated": 4,
    "pinned": 2,
    "down": 1,
    "expelled": 2,
    "latched": 2,
    "unsealed": 1,
    "emptied": 2,
    "unshared": 2,
    "promoted": 1,
}
"""What checks come amid."""

WEIGHTS: Mapping[str, float] = {
    "mixed": 30,
    "calm": 8,
    "frozen": 11,
    "late": 16,
    "overtaken": 3,
    "abandoned": 10,
    "doubted": 5,
    "latched": 8,
    "rotated": 14,
    "pinned": 5,
    "expelled": 3,
    "pressed": 4,
    "promoted": 4,
    "aged": 6,
    "unshared": 6,
    "strangers": 5,
    "hurt": 12,
    "unsealed": 4,
    "down": 2,
    "tight": 4,
    "emptied": 5,
    "shifted": 4,
    "held": 8,
    "checked": 12,
}
WITH_ROLES: tuple[FlowName, ...] = ("vntana",)
WITH_SHARING: tuple[FlowName, ...] = ("editor",)
WITH_NAMES: tuple[FlowName, ...] = ("vntana", "editor")
FITTING: Mapping[str, Collection[FlowName]] = {
    "abandoned": WITH_ROLES,
    "promoted": WITH_ROLES,
    "unshared": WITH_SHARING,
    "strangers": WITH_NAMES,
    "pinned": WITH_NAMES,
    "checked": CHECKED,
}
"""The flows that a theme is about, where it is not about all."""
