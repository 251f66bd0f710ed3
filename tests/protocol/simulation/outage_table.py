"""Measures the outage of a connection for each fault at each step.

One call, refresh or event meets one fault. After the fault's end callers arrive one by one, each in
a new process. The outage ends when one of them has a token; after a rotation, when that token was
made with the new version.
"""

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from math import ceil
from multiprocessing import get_context
from typing import Any

from tests.protocol.simulation.invocations import Invocation
from tests.protocol.simulation.plans import Change, Fault, FaultKind, FlowName, Notice, Plan, Visit
from tests.protocol.simulation.vendors import VENDORS
from tests.protocol.simulation.world import World
from tests.subjects import keeps_gate_apart

LIFETIME = 3600
PROBE_SECONDS, LATE_PROBE_SECONDS = 1.0, 10.0
"""Seconds between two callers: at first, and later."""

PROBES = 10
QUICK_SECONDS = 3.0
"""Seconds of a call with an exchange and without waiting."""

LONGEST_SECONDS = 300.0
BACKOFF_SECONDS = 6.0
"""Seconds until the first back-off has ended and a caller has a token."""

REFUSED_SECONDS = 36.0
"""The same for a refusal by the vendor or a missing permission."""

LEASE_SECONDS = 58.0
"""Seconds until a crashed process's lease has ended and a caller has a token."""

REPEATED_SECONDS = 75.0
"""Seconds until the platform has retried an event's failed invocation."""

KINDS: Mapping[FaultKind, str] = {
    "refused": "throttled, 503",
    "denied": "denied",
    "lost": "answer lost",
    "page": "HTML page",
    "crash": "dies before",
    "crash after": "dies after",
}
ROTATIONS = ("rotation", "a variant's rotation")
"""An event's invocation, and the first invocation that it starts."""

NOTED = "note the event's version"
CALLS: Mapping[str, str] = {
    "GetItem": "read an item",
    "BatchGetItem": "read an item",
    "Query": "list the items",
    "GetSecretValue": "read the secret",
    "DescribeSecret": "read the secret",
    "Invoke": "Invoke",
}
SECOND_CALLS = {
    "token ended": LIFETIME + 1.0,
    "aging": LIFETIME * 0.95,
    "renewal": LIFETIME * 0.95,
    "forced": 600.0,
    "reported": 600.0,
}
"""The time of the call that meets the fault, or whose refresh does."""

SITUATIONS = ("first call", *SECOND_CALLS, *ROTATIONS)


@dataclass(frozen=True, slots=True)
class Measured:
    """The measured outage of one fault."""

    flow: FlowName
    situation: str
    step: str
    kind: FaultKind
    seconds: float


def measure_all() -> list[Measured]:
    """Measure each fault at each step, on all cores."""
    cases = [(flow, situation) for flow in VENDORS for situation in SITUATIONS]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return [one for many in pool.map(measured_in, *zip(*cases, strict=True)) for one in many]


def measured_in(flow: FlowName, situation: str) -> list[Measured]:
    """Measure each fault at each step in one situation of one flow."""
    found: list[Measured] = []
    for step in count(1):
        outcomes = [outcome(flow, situation, step, kind) for kind in KINDS]
        if not any(outcomes):
            break
        found += filter(None, outcomes)
    return found


def outcome(flow: FlowName, situation: str, step: int, kind: FaultKind) -> Measured | None:
    """Measure one fault; return None if the step does not exist or cannot have that fault."""
    plan, hit = plan_for(flow, situation)
    world = World(replace(plan, faults=(Fault(hit, step, kind),)))
    try:
        world.begin()
        met = ended(world, hit)
        is_possible = kind not in ("page", "denied") or (kind == "page") == met.is_hurt_upstream
        label = label_of(world, flow) if met.met and is_possible else "sleep"
        if label == "sleep":
            return None
        return Measured(flow, situation, label, kind, out_for(world, met, plan))
    finally:
        world.scheduler.close()


def plan_for(flow: FlowName, situation: str) -> tuple[Plan, str]:
    """Return a plan without the fault, and the name of the invocation for the fault."""
    body = VENDORS[flow].bodies[3 if flow == "vntana" else 0]
    event: dict[str, Any] = {"connection": "acme", **body}
    first = Visit("a", 0.0, event, is_cold=True)
    plan = Plan(1, flow, LIFETIME, (first,))
    if situation == "first call":
        return plan, "a"
    if situation in SECOND_CALLS:
        forced = {"force": True} if situation == "forced" else {}
        reported = "a" if situation == "reported" else None
        second = Visit("b", SECOND_CALLS[situation], event | forced, reported, is_cold=True)
        return replace(plan, visits=(first, second)), "b>1" if situation == "renewal" else "b"
    change = Change(600.0, "other host", (Notice(1.0),))
    return replace(plan, changes=(change,)), "event1" if situation == "rotation" else "event1>1"


def ended(world: World, name: str) -> Invocation:
    """Return an invocation after its end."""
    known = world.invocations
    world.scheduler.run(lambda: name in known and known[name].ended is not None)
    return known[name]


def out_for(world: World, met: Invocation, plan: Plan) -> float:
    """Return the seconds from the fault's end until a caller has the expected token."""
    begins = met.ended or 0.0
    version = world.secrets.versions[-1].id
    probe = met
    while world.scheduler.now < begins + LONGEST_SECONDS:
        probe = later_call(world, plan)
        if probe.end == "answered":
            made = world.judge.made[probe.answer["fingerprint"]]
            if version in world.judge.versions_of(made):
                break
    seconds = (probe.ended or 0.0) - begins - PROBE_SECONDS
    return 0.0 if seconds < QUICK_SECONDS else seconds


def later_call(world: World, plan: Plan) -> Invocation:
    """Return a later call, after its end."""
    name = f"probe{len(world.invocations)}"
    is_late = len(world.invocations) > PROBES
    at = world.scheduler.now + (LATE_PROBE_SECONDS if is_late else PROBE_SECONDS)
    world.scheduler.at(at, lambda: world.invoke(name, plan.visits[0].event, is_cold=True))
    return ended(world, name)


def label_of(world: World, flow: FlowName) -> str:
    """Return a short name of the step at which the fault came."""
    trace = world.judge.trace
    position = next(n for n, (_, _, what) in enumerate(trace) if what.startswith("  fault"))
    what = trace[position - 1][2]
    operation, _, rest = what.partition(" ")
    if operation != "UpdateItem":
        return CALLS.get(operation, what.strip())
    place = "the gate" if rest.startswith("- ") and keeps_gate_apart(flow) else "the variant"
    write = written(rest)
    return write if write == NOTED else f"{write} ({place})"


def written(changes: str) -> str:
    """Return the name of the protocol's write that an update is."""
    setting, _, removing = changes.partition(" REMOVE ")
    marks = {
        "#lease_owner =": "acquire",
        "#target =": "keep an alias",
        "#fingerprint =": "commit",
        "#accepted_version": "accept",
        "#rejected_versions": "reject",
        "#rejected =": "report",
        "#nudged_until": "elect a renewer",
        "#noticed_version": NOTED,
    }
    found = next((name for mark, name in marks.items() if mark in setting), "")
    if not found and "#token" in removing:
        return "drop"
    return found or ("end the lease" if "#lease_owner" in removing else "write")


def bound(one: Measured) -> float:
    """Return the longest allowed outage in seconds, the same as in the excuses."""
    if one.situation in ROTATIONS:
        return REPEATED_SECONDS
    if one.kind.startswith("crash"):
        return LEASE_SECONDS
    return REFUSED_SECONDS if one.kind in ("page", "denied") else BACKOFF_SECONDS


def too_long(measured: list[Measured]) -> list[str]:
    return [
        f"{one.flow}, {one.situation}: {one.step} {one.kind}: {one.seconds:.0f} s"
        for one in measured
        if one.seconds > bound(one)
    ]


def tables(measured: list[Measured]) -> str:
    """Return the tables: seconds without a token, and without the new version's token."""
    callers = [one for one in measured if one.situation not in ROTATIONS]
    rotations = [one for one in measured if one.situation in ROTATIONS]
    return f"{table_of(callers)}\n\n{table_of(rotations)}"


def rounded(seconds: float) -> int:
    """Return the smallest bound that is not exceeded, so that tables are stable."""
    bounds = (0, BACKOFF_SECONDS, REFUSED_SECONDS, LEASE_SECONDS, REPEATED_SECONDS)
    return next((int(one) for one in bounds if seconds <= one), ceil(seconds))


def table_of(measured: list[Measured]) -> str:
    """Return a table of the bounds by step and kind of fault."""
    lines = ["| step | " + " | ".join(KINDS.values()) + " |", "|---|" + "---|" * len(KINDS)]
    longest: dict[tuple[str, FaultKind], float] = {}
    for one in measured:
        place = one.step, one.kind
        longest[place] = max(one.seconds, longest.get(place, 0.0))
    for step in sorted({step for step, _ in longest}):
        cells = [longest.get((step, kind)) for kind in KINDS]
        texts = ["" if cell is None else str(rounded(cell)) for cell in cells]
        lines.append(f"| {step} | " + " | ".join(texts) + " |")
    return "\n".join(lines)
