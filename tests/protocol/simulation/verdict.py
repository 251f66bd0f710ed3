"""The end of a run: all is quiet, nothing goes wrong any more, and what is kept must be live."""

from collections import Counter
from collections.abc import Mapping
from itertools import takewhile
from math import inf
from typing import Any

from tests.protocol.simulation.answers import body_of
from tests.protocol.simulation.editor_application import CLEAR
from tests.protocol.simulation.excuses import clocks_apart, leaves_lease
from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.judge import Credential, Judge, Made
from tests.protocol.simulation.pinning import is_refused
from tests.protocol.simulation.plans import Change, Notice, Plan
from tests.protocol.simulation.scheduler import EPOCH
from tests.protocol.simulation.world import World
from tests.subjects import refuses_clearly

QUIET_SECONDS = 200
"""Until then each lease is past, and each failure may be tried again."""

MOST_VARIANTS = 3
"""Variants, where a vendor's refusal is not clear, that a version is tried for which none took."""

APART_SECONDS, EDITOR_APART_SECONDS = 55, 12
"""Within these seconds a login that was refused is surely not repeated."""

UNSTEADY = frozenset({"new password", "revoked", "other role"})
"""What may make a rotation fail that was told of."""

NOTICED_SECONDS = 90
"""Until then a new version of the secret is noticed without its event."""


def judged(plan: Plan, *, has_model: bool = False) -> Judge:
    """Let *plan* happen, then all be quiet, and return what is to be said of it.

    With *has_model* each step is replayed through the protocol's model.
    """
    world = World(plan, has_model=has_model)
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
    if world.judge.holding.is_held:
        world.invoke("lift", {"connection": "acme", "action": "lift"}, is_cold=True)
        world.scheduler.run()
    check_rotation(world)
    if not world.is_secret_good:
        notices = (Notice(1.0),) if world.plan.seed % 2 else ()
        world.change(Change(0, "good secret", notices))
        world.scheduler.run()
        world.scheduler.now += NOTICED_SECONDS
    for number, body in enumerate(bodies(world)):
        check_caller(world, f"last{number}", body)


def check_rotation(world: World) -> None:
    """I11: what an event told of is carried out, once the platform has repeated what failed."""
    judge, version = world.judge, world.secrets.versions[-1].id
    is_excused = bool(world.plan.outages) or any(c.kind in UNSTEADY for c in world.plan.changes)
    is_excused |= any(
        i.is_hindered
        for one in judge.answered
        if one.action == "lift"
        for i in world.invocations.values()
        if i.name.startswith(one.name)
    )
    events = carried_out(world, judge.put_at[version])
    if is_excused or not events or not world.is_secret_good or len(judge.put_at) == 1:
        return
    for item in judge.items():
        made = judge.made.get(item.fingerprint or "")
        is_live = item.is_live(int(world.scheduler.now) + 60)
        if not made or not is_live or version in judge.versions_of(made):
            continue
        if judge.kept[made.name] < events[0].begun:
            text = f"{item.variant[:8]} keeps the token of an older version"
            judge.violate("I11", f"{text}, though {events[0].name} told of {version}")


def carried_out(world: World, since: float) -> list[Invocation]:
    """Return the events *since* then whose invocations nothing hindered but one call to AWS."""
    found = []
    for one in world.invocations.values():
        if "detail" not in one.event or one.begun < since or one.tries:
            continue
        name = one.name.partition("~")[0]
        tree = [i for i in world.invocations.values() if i.name.startswith(name)]
        if not any(leaves_lease(i) or i.is_hurt_upstream for i in tree):
            found.append(one)
    return found


def bodies(world: World) -> list[Mapping[str, Any]]:
    """Return each way in which a variant was asked for."""
    visits = [v for v in world.plan.visits if not v.is_bad]
    events = [v.event for v in visits if v.event.get("action", "token") == "token"]
    asked = [{"connection": "acme", **body_of(world.judge, event)} for event in events]
    return [body for position, body in enumerate(asked) if body not in asked[:position]]


def check_caller(world: World, name: str, body: Mapping[str, Any]) -> None:
    """I10: a caller gets a token; and if that is dead all the same, a live one by a report."""
    first = call(world, name, body)
    if not first.was_dead or is_replaced_meanwhile(world.judge, first):
        return
    dead = world.judge.made[first.answer["fingerprint"]]
    is_doubtful = bool(first.answer["stale"]) and is_unkept(world.judge, dead)
    if not (has_excuse(world.judge, dead, first.begun) or is_doubtful):
        world.judge.violate("I4", f"{name} gets a token that is dead, and nothing excuses it")
    if first.was_begun and is_left_behind(world.judge, dead):
        world.judge.violate("I10", f"{name} gets the token that one who died had replaced")
    again = call(world, f"{name}-report", {**body, "rejected": first.answer["fingerprint"]})
    if again.was_dead:
        world.judge.violate("I10", f"{name} gets a dead token even after its report")


def call(world: World, name: str, body: Mapping[str, Any]) -> Invocation:
    """Call while nothing else happens; that must be answered, unless it chooses what is pinned."""
    invocation = world.invoke(name, body, is_cold=True)
    world.scheduler.run()
    if invocation.end != "answered" and not is_refused(world.judge, invocation, invocation.begun):
        said = invocation.answer.get("code"), invocation.answer.get("detail")
        world.judge.violate("I10", f"{name} gets no token when all is quiet: {said}")
    return invocation


def is_replaced_meanwhile(judge: Judge, invocation: Invocation) -> bool:
    """Say whether what an invocation was given was renewed while it ran: it started that itself."""
    later = judge.successors(judge.made[invocation.answer["fingerprint"]])
    return bool(later) and later[0].at >= invocation.begun


def has_excuse(judge: Judge, dead: Made, now: float) -> bool:
    """Say whether *dead* may be kept: whoever made the next one could not say so any more."""
    later = [made for made in judge.successors(dead) if made.at < now]
    is_lost = bool(later) and is_lost_exchange(judge, later[-1])
    is_logged_out = any(i.action == "forget" and i.is_excused for i in judge.answered)
    return is_lost or is_logged_out or judge.revoked_at > dead.at


def is_unkept(judge: Judge, dead: Made) -> bool:
    """Say whether the maker of the next token could not keep that: then *dead* is stale.

    Each token that was not kept needs a reason of its own.
    """
    unkept = list(takewhile(lambda made: made.name not in judge.kept, judge.successors(dead)))
    are_denied = [may_not_keep(made) for made in unkept]
    return any(are_denied) and all(
        is_denied or is_lost_exchange(judge, made)
        for made, is_denied in zip(unkept, are_denied, strict=True)
    )


def may_not_keep(made: Made) -> bool:
    """Say whether the maker of a token had no permission to keep it, or no key for as long."""
    later = any(fault.kind == "denied" and fault.step > made.step for fault in made.maker.met)
    return later or made.maker.was_denied or "key" in made.maker.refused_by


def is_left_behind(judge: Judge, dead: Made) -> bool:
    """Say whether whoever replaced *dead* died at it."""
    later = judge.successors(dead)
    return bool(later) and later[0].maker.is_dead


def is_lost_exchange(judge: Judge, made: Made) -> bool:
    """Say whether a token was made whose maker died, or was kept from keeping it."""
    if made.name in judge.kept or made.maker.answer.get("fingerprint") == made.name:
        return False
    are_answered = all(sent.is_answered for sent in made.maker.sent)
    return made.maker.is_excused or not are_answered


def conclude(world: World) -> None:
    """Judge what only the end can tell."""
    judge = world.judge
    check_kept(world)
    check_waste(judge)
    check_announcements(judge)
    check_outages(judge)
    check_news(judge)
    for reused in getattr(getattr(world.vendor, "fake", None), "reused", []):
        judge.violate("I6", f"a renewal token was sent again: {reused[:6]}")
    for name, credential in judge.credentials.items():
        check_logins(judge, name, credential)
    for key, count in judge.refreshes_started.items():
        if key and count > judge.refresh_claims[key]:
            judge.violate("I5", f"{key[:8]}: {count} renewals started by fewer claims")


def check_kept(world: World) -> None:
    """I4: what is kept is live, for a vendor that keeps one session."""
    judge = world.judge
    for item in judge.items():
        made = judge.made.get(item.fingerprint or "")
        if made is None or item.is_rejected or not item.token:
            continue
        is_dead = world.vendor.is_ended(made.token)
        if is_dead and not has_excuse(judge, made, world.scheduler.now):
            judge.violate("I4", f"{item.variant[:8]} keeps {made.name}, which is dead")


def check_announcements(judge: Judge) -> None:
    """What is told to have latched is told to have recovered, once a login shows that."""
    if not judge.announcements or any(one.is_hindered for one in judge.answered):
        return
    at, last, _ = judge.announcements[-1]
    current = judge.secrets.versions[-1].id
    is_shown = any(
        sent.credential in judge.valid and (sent.processed_at or 0) > at and current in one.read
        for one in judge.answered
        for sent in one.sent
        if sent.credential == judge.settings[current].credential and not one.is_bad
    )
    if last == "Connection Latched" and is_shown:
        judge.violate("latch", "no event tells that the connection has recovered")


def check_outages(judge: Judge) -> None:
    """An outage is told of once, and once that it is over, unless who told of it was hindered."""
    told = Counter((what, since) for _, what, since in judge.outages)
    is_hindered = any(one.is_hindered for one in judge.answered)
    if not is_hindered:
        for (what, since), count in told.items():
            if count > 1:
                judge.violate("outage", f"{what} of {since} is told {count} times")
            if what == "Upstream Up" and ("Upstream Down", since) not in told:
                judge.violate("outage", f"the outage of {since} ends, and nobody told of it")
    if not judge.outages:
        return
    at, last, since = judge.outages[-1]
    since_then = [
        one for one in judge.made.values() if one.at > at and not is_lost_exchange(judge, one)
    ]
    is_over = any(not one.maker.is_hindered and one.maker.end == "answered" for one in since_then)
    if last == "Upstream Down" and is_over:
        judge.violate("outage", f"no event tells that the outage of {since} is over")


def check_news(judge: Judge) -> None:
    """The bus is told once of each token that was kept, unless its maker died before.

    Nor where the answer of the write was lost, and the token was gone when it was settled.
    """
    for name in judge.kept:
        made = judge.made.get(name)
        if made is None or made.maker.is_dead or name in judge.made_again:
            continue
        gone_at = judge.gone.get(name, inf)
        is_overtaken = made.maker.has_lost(made.step) and gone_at <= (made.maker.ended or inf)
        if judge.news[name] != 1 and not (judge.news[name] == 0 and is_overtaken):
            judge.violate("news", f"{name[:6]} was told {judge.news[name]} times")


def check_waste(judge: Judge) -> None:
    """I5: each token that was made was kept, unless its maker died or was kept from it."""
    for name, made in judge.made.items():
        # Where each caller has a token of its own, one that ends too soon is no other's.
        is_own = judge.is_unshared(next(reversed(made.maker.read), None)) and (
            made.maker.answer.get("code") == "invalid_request"
            or any(sent.bearer == made.token for sent in made.maker.sent)  # it is checked
        )
        is_given = made.maker.answer.get("fingerprint") == name or is_own
        if not is_given and name not in judge.kept and not is_lost_exchange(judge, made):
            judge.violate("I5", f"{name[:6]} was made for nothing by {made.maker.name}")


def check_logins(judge: Judge, name: str, credential: Credential) -> None:
    """I7: a rejected version of the secret costs one login, and one more for each death amid it.

    One that was accepted before is rejected twice before it latches, a minute apart. Some vendors,
    as the editor's, say the same of wrong parameters: so a version that such a one never took is
    tried for three variants, and each of those once.
    """
    clean = [
        (invocation, sent)
        for invocation, sent in credential.refused
        if sent.is_answered and not sent.is_unclear and not invocation.is_excused
    ]
    times = len(credential.versions) * (1 + judge.forgotten)
    if credential.was_accepted:
        check_accepted(judge, name, credential, clean)
    elif not refuses_clearly(judge.plan.flow):
        by_variant = Counter(sent.key for _, sent in clean)
        is_much = len(clean) > MOST_VARIANTS * times
        if is_much or any(count > times for count in by_variant.values()):
            text = f"{len(clean)} logins with {name}, by {[i.name for i, _ in clean]}"
            judge.violate("I7", text)
    elif len(clean) > times:
        judge.violate("I7", f"{len(clean)} logins with {name}, by {[i.name for i, _ in clean]}")


def check_accepted(
    judge: Judge, name: str, credential: Credential, clean: list[tuple[Invocation, Sent]]
) -> None:
    """I7 of a credential that was accepted before: it may have been a proxy's word."""
    known = [judge.recorded[v] for v in credential.versions if v in judge.recorded]
    late = [i.name for i, _ in clean if known and i.begun > min(known)]
    if len(late) > len(credential.versions) * judge.forgotten:
        judge.violate("I7", f"{name} is known to be rejected, and tried again by {late}")
    if not clean or judge.forgotten or len(credential.versions) > 1:
        return
    first, refused = clean[0]
    begins = first.ended or 0.0
    is_same = not refuses_clearly(judge.plan.flow) and CLEAR not in judge.plan.modes
    apart = EDITOR_APART_SECONDS if is_same else APART_SECONDS
    later = [i for i, _ in clean if i.begun > begins]
    third = [i.name for i in later if i.begun > (later[0].ended or 0.0)]
    if third and not is_same:
        judge.violate("I7", f"{name} was refused twice, and is tried by {third}")
    soon = [
        i.name
        for i, sent in clean[1:]
        if begins < i.begun
        and (sent.processed_at or 0.0) < begins + apart - clocks_apart(judge.plan)
        and not (is_same and sent.key != refused.key)
    ]
    if soon:
        judge.violate("I7", f"{name} was just refused to {first.name}, and is tried by {soon}")
