"""I8: after an announced rotation no caller gets a token that the secret's pins forbid."""

from typing import TYPE_CHECKING

from tests.protocol.simulation.excuses import KNOWN_FOR, clocks_apart
from tests.protocol.simulation.invocations import Invocation

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge, Made


def is_refused(judge: "Judge", invocation: Invocation, since: float) -> bool:
    """Return whether a version of the secret after *since* forbids an invocation's request."""
    return any(judge.forbids(invocation, version) for version in judge.versions_since(since))


def check_pin(judge: "Judge", invocation: Invocation, made: "Made") -> None:
    """Check that the pins of the secret allow the token of an answer.

    A call with an exchange must obey the version that it read. Any other call may return a stored
    or cached token of before the pin, until a fixed time after the rotation was carried out.
    """
    if invocation.read and made.maker is invocation:
        if all(judge.forbids(invocation, version) for version in invocation.read):
            judge.violate("I8", f"{invocation.name} obtains a token that the secret forbids")
        return
    carried_out = rotation_at(judge)
    if carried_out is None:
        return
    begun, ended = carried_out
    forbidden = all(judge.forbids(invocation, version) for version in judge.versions_since(begun))
    is_late = judge.kept.get(made.name, made.at) > begun
    was_under_way = is_late and made.maker.begun < list(judge.put_at.values())[-1]
    known_until = ended + KNOWN_FOR + clocks_apart(judge.plan)
    if forbidden and not was_under_way and invocation.begun > known_until:
        judge.violate("I8", f"{invocation.name} gets a token that the rotated secret forbids")


def rotation_at(judge: "Judge") -> tuple[float, float] | None:
    """Return the begin and end of an event of the current version that met no AWS fault.

    Faults of the vendor do not count.
    """
    current = list(judge.put_at.values())[-1]
    events = judge.event_invocations
    roots = [one for one in events if one.begun > current and ">" not in one.name]
    if not roots or any(is_hurt(one) for one in events):
        return None
    first = min(roots, key=lambda one: one.begun)
    if any(one.is_asynchronous for one in judge.wire.running.values() if one.ended is None):
        return None
    return first.begun, max(one.ended or 0.0 for one in events)


def is_hurt(invocation: Invocation) -> bool:
    """Return whether an invocation met a fault other than a vendor without an answer."""
    is_amiss = bool(invocation.met or invocation.refused_by - {"upstream"})
    return is_amiss or invocation.is_dead or bool(invocation.offsets)
