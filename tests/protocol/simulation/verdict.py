"""The end of a run: all is quiet, nothing goes wrong any more, and what is kept must be live."""

from collections.abc import Mapping
from typing import Any

from tests.protocol.simulation.invocations import Invocation
from tests.protocol.simulation.judge import Credential, Judge, Made
from tests.protocol.simulation.plans import Change, Plan
from tests.protocol.simulation.scheduler import EPOCH
from tests.protocol.simulation.world import World
from token_broker.item_codec import item_of

QUIET_SECONDS = 200
"""Until then each lease is past, and each failure may be tried again."""

NOTICED_SECONDS = 90
"""Until then a new version of the secret is noticed without its event."""


def judged(plan: Plan) -> Judge:
    """Let *plan* happen, then all be quiet, and return what is to be said of it."""
    world = World(plan)
    try:
        world.run()
        if not world.judge.violations:
            settle(world)
            conclude(world)
    finally:
        world.scheduler.close()
    return world.judge


def settle(world: World) -> None:
    """Let time pass, put the secret right, and call for each variant once more."""
    ends = max((outage.ends for outage in world.plan.outages), default=0.0)
    world.scheduler.now = max(world.scheduler.now, EPOCH + ends) + QUIET_SECONDS
    world.judge.calm_since = world.scheduler.now
    if not world.is_secret_good:
        events = (1.0,) if world.plan.seed % 2 else ()
        world.change(Change(0, "good secret", events))
        world.scheduler.run()
        world.scheduler.now += NOTICED_SECONDS
    for number, body in enumerate(bodies(world.plan)):
        check_caller(world, f"last{number}", body)


def bodies(plan: Plan) -> list[Mapping[str, Any]]:
    """Return each way in which a variant was asked for."""
    events = [v.event for v in plan.visits if v.event.get("action", "token") == "token"]
    names = ("connection", "organization", "workspace", "parameters")
    asked = [{name: event[name] for name in names if name in event} for event in events]
    return [body for position, body in enumerate(asked) if body not in asked[:position]]


def check_caller(world: World, name: str, body: Mapping[str, Any]) -> None:
    """I10: a caller gets a token; and if that is dead all the same, a live one by a report."""
    first = call(world, name, body)
    if not first.was_dead or is_replaced_meanwhile(world.judge, first):
        return
    dead = world.judge.made[first.answer["fingerprint"]]
    if not has_excuse(world.judge, dead, first.begun):
        world.judge.violate("I4", f"{name} gets a token that is dead, and nothing excuses it")
    if first.was_begun and is_left_behind(world.judge, dead):
        world.judge.violate("I10", f"{name} gets the token that one who died had replaced")
    again = call(world, f"{name}-report", {**body, "rejected": first.answer["fingerprint"]})
    if again.was_dead:
        world.judge.violate("I10", f"{name} gets a dead token even after its report")


def call(world: World, name: str, body: Mapping[str, Any]) -> Invocation:
    """Call while nothing else happens; that must be answered."""
    invocation = world.invoke(name, body, is_cold=True)
    world.scheduler.run()
    if invocation.end != "answered":
        said = invocation.answer.get("code"), invocation.answer.get("detail")
        world.judge.violate("I10", f"{name} gets no token when all is quiet: {said}")
    return invocation


def is_replaced_meanwhile(judge: Judge, invocation: Invocation) -> bool:
    """Say whether what an invocation was given was renewed while it ran: it started that itself."""
    later = successors(judge, judge.made[invocation.answer["fingerprint"]])
    return bool(later) and later[0].at >= invocation.begun


def successors(judge: Judge, made: Made) -> list[Made]:
    """Return the tokens that were made after one of the same variant."""
    return [m for m in judge.made.values() if m.key == made.key and m.number > made.number]


def has_excuse(judge: Judge, dead: Made, now: float) -> bool:
    """Say whether *dead* may be kept: whoever made the next one could not say so any more."""
    later = [made for made in successors(judge, dead) if made.at < now]
    is_lost = bool(later) and is_lost_exchange(judge, later[-1])
    is_logged_out = any(i.action == "forget" and i.is_excused for i in judge.answered)
    return is_lost or is_logged_out or judge.revoked_at > dead.at


def is_left_behind(judge: Judge, dead: Made) -> bool:
    """Say whether whoever replaced *dead* died at it."""
    later = successors(judge, dead)
    return bool(later) and later[0].maker.is_dead


def is_lost_exchange(judge: Judge, made: Made) -> bool:
    """Say whether a token was made whose maker died, or was kept from keeping it."""
    name = next(name for name, known in judge.made.items() if known is made)
    if name in judge.kept:
        return False
    are_answered = all(sent.is_answered for sent in made.maker.sent)
    return made.maker.is_excused or not are_answered


def conclude(world: World) -> None:
    """Judge what only the end can tell."""
    judge = world.judge
    check_kept(world)
    check_waste(judge)
    for reused in getattr(getattr(world.vendor, "fake", None), "reused", []):
        judge.violate("I6", f"a renewal token was sent again: {reused[:6]}")
    for password, credential in judge.credentials.items():
        check_logins(judge, password, credential)
    for key, count in judge.nudges.items():
        if key and count > judge.elections[key]:
            judge.violate("I5", f"{key[:8]}: {count} renewals started by fewer elections")


def check_kept(world: World) -> None:
    """I4: what is kept is live, for a vendor that keeps one session."""
    for (partition, variant), record in world.table.records.items():
        item = item_of(partition, variant, record)
        made = world.judge.made.get(item.fingerprint or "")
        if made is None or item.is_rejected or not item.token:
            continue
        if world.vendor.is_ended(made.token) and not has_excuse(
            world.judge, made, world.scheduler.now
        ):
            world.judge.violate("I4", f"{variant[:8]} keeps {item.fingerprint}, which is dead")


def check_waste(judge: Judge) -> None:
    """I5: each token that was made was kept, unless its maker died or was kept from it."""
    for name, made in judge.made.items():
        if name not in judge.kept and not is_lost_exchange(judge, made):
            judge.violate("I5", f"{name[:6]} was made for nothing by {made.maker.name}")


def check_logins(judge: Judge, password: str, credential: Credential) -> None:
    """I7: a rejected version of the secret costs one login, and one more for each death amid it."""
    clean = [
        invocation
        for invocation, sent in credential.refused
        if sent.is_answered and not invocation.is_excused
    ]
    if credential.was_accepted:
        known = [judge.recorded[v] for v in credential.versions if v in judge.recorded]
        clean = [i for i in clean if known and i.begun > min(known)]
        allowed = len(credential.versions) * judge.forgotten
    else:
        allowed = len(credential.versions) * (1 + judge.forgotten)
    if len(clean) > allowed:
        judge.violate("I7", f"{len(clean)} logins with {password}, by {[i.name for i in clean]}")
