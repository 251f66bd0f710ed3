"""The end of a run: faults stop, leases and back-offs end, and stored tokens must be live."""

from collections import Counter
from collections.abc import Mapping
from itertools import takewhile
from math import inf
from typing import Any

from tests.protocol.simulation.editor_user import CLEAR
from tests.protocol.simulation.excuses import leaves_lease
from tests.protocol.simulation.history import Credential, History, Made
from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.judge import Judge
from tests.protocol.simulation.plans import Change, Notice, Plan
from tests.protocol.simulation.scheduler import EPOCH
from tests.protocol.simulation.world import World
from tests.subjects import refuses_clearly
from token_broker.item import default_min_ttl
from token_broker.tokens import ONLY

QUIET_SECONDS = 200
"""Seconds after which each lease and each back-off has ended."""

MOST_VARIANTS = 3
"""Variants that try an unaccepted version of the secret, if a rejection may be about a variant."""

APART_SECONDS, EDITOR_APART_SECONDS = 55, 12
"""Seconds within which a rejected login must not be repeated."""

UNSTEADY = frozenset({"new password", "revoked", "other role"})
"""Changes that may make an announced rotation fail."""

NOTICED_SECONDS = 90
"""Seconds after which the broker reads a new version of the secret without an event."""


def judged(plan: Plan, *, has_model: bool = False) -> Judge:
    """Run *plan*, settle the world, and return the judge with all violations.

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
    """Let leases and back-offs end, put a good secret, and call once for each variant."""
    ends = max((outage.ends for outage in world.plan.outages), default=0.0)
    world.scheduler.now = max(world.scheduler.now, EPOCH + ends) + QUIET_SECONDS
    if world.judge.is_held:
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
        check_hit(world, f"again{number}", body)


def check_rotation(world: World) -> None:
    """I11: a rotation that an event announced is done after the platform's retries."""
    history, version = world.judge, world.secrets.versions[-1].id
    is_excused = bool(world.plan.outages) or any(c.kind in UNSTEADY for c in world.plan.changes)
    is_excused |= any(
        i.is_hindered
        for one in history.answered
        if one.action == "lift"
        for i in world.invocations.values()
        if i.name.startswith(one.name)
    )
    events = carried_out(world, history.put_at[version])
    if is_excused or not events or not world.is_secret_good or len(history.put_at) == 1:
        return
    for item in history.items():
        made = history.made.get(item.fingerprint or "")
        is_live = item.is_live(int(world.scheduler.now) + 60)
        if not made or not is_live or version in history.versions_of(made):
            continue
        if history.kept[made.name] < events[0].begun:
            text = f"{item.variant[:8]} keeps the token of an older version"
            history.violate("I11", f"{text}, though {events[0].name} announced {version}")


def carried_out(world: World, since: float) -> list[Invocation]:
    """Return the event invocations after *since* that met at most one failed call to AWS."""
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
    """Return each distinct request body of the plan's callers."""
    visits = [v for v in world.plan.visits if not v.is_bad]
    events = [v.event for v in visits if v.event.get("action", "token") == "token"]
    asked = [{"connection": "acme", **world.judge.body_of(event)} for event in events]
    return [body for position, body in enumerate(asked) if body not in asked[:position]]


def check_caller(world: World, name: str, body: Mapping[str, Any]) -> None:
    """I10: a caller gets a token; if it is dead with an excuse, a report gets a live one."""
    history = world.judge
    first = call(world, name, body)
    if not first.was_dead:
        return
    dead = history.made[first.answer["fingerprint"]]
    later = history.successors(dead)
    if later and later[0].at >= first.begun:
        return  # a refresh that it started replaced its token meanwhile
    is_doubtful = bool(first.answer["stale"]) and has_unstored_successor(history, dead)
    if not (has_excuse(history, dead, first.begun) or is_doubtful):
        history.violate("I4", f"{name} gets a dead token without an excuse")
    if first.had_open_lease and later and later[0].maker.is_dead:
        history.violate("I10", f"{name} gets a token that a crashed invocation had replaced")
    again = call(world, f"{name}-report", {**body, "rejected": first.answer["fingerprint"]})
    if again.was_dead:
        history.violate("I10", f"{name} gets a dead token after it reported one")


def check_hit(world: World, name: str, body: Mapping[str, Any]) -> None:
    """I5: a caller after that, in another process, is served by the table alone.

    So is the second one if the first found the token due or ended; and the third, if it has ended
    since the first.
    """
    history = world.judge
    if history.is_unshared(world.secrets.versions[-1].id):
        return
    for number in range(3):
        before = {item.variant: item for item in history.items()}
        later = call(world, f"{name}-{number}", body)
        if later.end != "answered" or not (later.read or later.sent):
            return
        made = history.made[later.answer["fingerprint"]]
        old, now = before.get(made.key), (later.ended or 0.0) + later.offset
        has_ended = old and now >= old.expires_at - default_min_ttl(old.lifetime)
        if number and not (has_ended and made.maker is later):
            break
    history.violate("I5", f"{name} reads the secret, though the table has its token")


def call(world: World, name: str, body: Mapping[str, Any]) -> Invocation:
    """Call without faults: the call must succeed, unless the secret pins what it chooses."""
    history = world.judge
    invocation = world.invoke(name, body, is_cold=True)
    world.scheduler.run()
    if invocation.end != "answered" and not history.is_refused(invocation, invocation.begun):
        result = invocation.answer.get("code"), invocation.answer.get("detail")
        history.violate("I10", f"{name} gets no token after the faults have ended: {result}")
    return invocation


def has_excuse(history: History, dead: Made, now: float) -> bool:
    """Return whether *dead* may still be stored, since its successor could not be."""
    later = [made for made in history.successors(dead) if made.at < now]
    is_lost = bool(later) and is_lost_exchange(history, later[-1])
    is_logged_out = any(i.action == "forget" and i.is_excused for i in history.answered)
    return is_lost or is_logged_out or history.revoked_at > dead.at


def has_unstored_successor(history: History, dead: Made) -> bool:
    """Return whether the next token could not be stored, so *dead* is served as stale.

    Each token that was not stored needs a separate reason.
    """
    unkept = list(takewhile(lambda made: made.name not in history.kept, history.successors(dead)))
    are_denied = [made.maker.may_not_keep(made.step) for made in unkept]
    return any(are_denied) and all(
        is_denied or is_lost_exchange(history, made)
        for made, is_denied in zip(unkept, are_denied, strict=True)
    )


def is_lost_exchange(history: History, made: Made) -> bool:
    """Return whether the maker of a token crashed, or could not store it."""
    if made.name in history.kept or made.maker.answer.get("fingerprint") == made.name:
        return False
    are_answered = all(sent.is_answered for sent in made.maker.sent)
    return made.maker.is_excused or not are_answered


def conclude(world: World) -> None:
    """Check the invariants that need the complete run."""
    history = world.judge
    check_kept(history)
    check_unused_tokens(history)
    check_latch_events(history)
    check_outage_events(history)
    check_token_events(history)
    for reused in getattr(getattr(world.vendor, "fake", None), "reused", []):
        history.violate("I6", f"a renewal token was sent again: {reused[:6]}")
    for name, credential in history.credentials.items():
        check_logins(history, name, credential)
    for key, count in history.refreshes_started.items():
        if key and count > history.refresh_claims[key]:
            history.violate("I5", f"{key[:8]}: {count} renewals started by fewer claims")


def check_kept(history: History) -> None:
    """I4: each stored token is live, for a vendor with one session per user."""
    for item in history.items():
        made = history.made.get(item.fingerprint or "")
        if made is None or item.is_rejected or not item.token:
            continue
        is_dead = history.vendor.is_ended(made.token)
        if is_dead and not has_excuse(history, made, history.now):
            history.violate("I4", f"{item.variant[:8]} stores {made.name}, which is dead")


def check_latch_events(history: History) -> None:
    """Each `Connection Latched` event is followed by `Connection Recovered` after a good login."""
    if not history.latch_events or any(one.is_hindered for one in history.answered):
        return
    at, last, _ = history.latch_events[-1]
    current = history.secrets.versions[-1].id
    is_shown = any(
        sent.credential in history.valid and (sent.processed_at or 0) > at and current in one.read
        for one in history.answered
        for sent in one.sent
        if sent.credential == history.settings[current].credential and not one.is_bad
    )
    if last == "Connection Latched" and is_shown:
        history.violate("latch", "no Connection Recovered event was sent")


def check_outage_events(history: History) -> None:
    """Each outage sends one `Upstream Down` and one `Upstream Up`, unless a sender met a fault."""
    counts = Counter((what, since) for _, what, since in history.outage_events)
    is_hindered = any(one.is_hindered for one in history.answered)
    if not is_hindered:
        for (what, since), count in counts.items():
            if count > 1:
                history.violate("outage", f"{what} of {since} was sent {count} times")
            if what == "Upstream Up" and ("Upstream Down", since) not in counts:
                history.violate("outage", f"the outage of {since} sent no Upstream Down event")
    for at, what, since in history.outage_events:
        is_over = any(
            not one.maker.is_hindered and one.maker.end == "answered"
            for one in history.made.values()
            if one.at > at and not is_lost_exchange(history, one)
        )
        if what == "Upstream Down" and is_over and not counts["Upstream Up", since]:
            history.violate("outage", f"the outage of {since} sent no Upstream Up event")


def check_token_events(history: History) -> None:
    """Each stored token of the `token_kinds` sends one event, unless its maker crashed before.

    What those are made from sends none, and neither does a maker whose write got no answer, and
    whose token was replaced before it read.
    """
    for name in history.kept:
        made = history.made.get(name)
        if made is None or made.maker.is_dead or name in history.reissued_at:
            continue
        gone_at = history.gone.get(name, inf)
        is_overtaken = made.maker.has_lost(made.step) and gone_at <= (made.maker.ended or inf)
        sent = history.token_events[name]
        if sent != (name in history.for_callers) and not (sent == 0 and is_overtaken):
            history.violate("news", f"{name[:6]} sent {sent} events")


def check_unused_tokens(history: History) -> None:
    """I5: each issued token was stored, unless its maker crashed or met a fault."""
    for name, made in history.made.items():
        # An unshared token that ends too soon cannot serve another caller.
        is_own = history.is_unshared(made.maker.version) and (
            made.maker.answer.get("code") == "invalid_request"
            or any(sent.bearer == made.token for sent in made.maker.sent)  # a check used it
        )
        is_given = made.maker.answer.get("fingerprint") == name or is_own
        if not is_given and name not in history.kept and not is_lost_exchange(history, made):
            history.violate("I5", f"{name[:6]} was made by {made.maker.name} and never used")


def check_logins(history: History, name: str, credential: Credential) -> None:
    """I7: a rejected version of the secret costs one login, plus one for each crash during a login.

    A version that was accepted before latches after two rejections, a minute apart. Some vendors,
    as the editor's, reject wrong parameters with the same response. A version that such a vendor
    never accepted is tried for three variants, once each.
    """
    clean = [
        (invocation, sent)
        for invocation, sent in credential.refused
        if sent.is_answered and not sent.is_unclear and not invocation.is_excused
    ]
    times = len(credential.versions) * (1 + history.forgotten)
    if credential.was_accepted:
        check_accepted(history, name, credential, clean)
    elif not refuses_clearly(history.plan.flow):
        by_variant = Counter(sent.key for _, sent in clean)
        is_much = len(clean) > MOST_VARIANTS * times
        if is_much or any(count > times for count in by_variant.values()):
            text = f"{len(clean)} logins with {name}, by {[i.name for i, _ in clean]}"
            history.violate("I7", text)
    elif len(clean) > times:
        history.violate("I7", f"{len(clean)} logins with {name}, by {[i.name for i, _ in clean]}")


def check_accepted(
    history: History, name: str, credential: Credential, clean: list[tuple[Invocation, Sent]]
) -> None:
    """I7 for a credential that was accepted before: a proxy may have sent the rejection."""
    known = [(key, at) for (key, v), at in history.recorded.items() if v in credential.versions]
    late = [i.name for i, s in clean if any(k in (ONLY, s.key) and i.begun > at for k, at in known)]
    if len(late) > len(credential.versions) * history.forgotten:
        history.violate("I7", f"{name} is latched, and {late} tried it again")
    if not clean or history.forgotten or len(credential.versions) > 1:
        return
    first, refused = clean[0]
    begins = first.ended or 0.0
    is_same = not refuses_clearly(history.plan.flow) and CLEAR not in history.plan.modes
    apart = EDITOR_APART_SECONDS if is_same else APART_SECONDS
    later = [i for i, _ in clean if i.begun > begins]
    third = [i.name for i in later if i.begun > (later[0].ended or 0.0)]
    if third and not is_same:
        history.violate("I7", f"{name} was rejected twice, and {third} tried it again")
    soon = [
        i.name
        for i, sent in clean[1:]
        if begins < i.begun
        and (sent.processed_at or 0.0) < begins + apart - history.plan.clocks_apart
        and not (is_same and sent.key != refused.key)
    ]
    if soon:
        history.violate(
            "I7", f"{name} was just rejected for {first.name}, and {soon} tried it again"
        )
