"""I16, what operators are promised: DELETE leaves nothing, and during a hold nothing happens."""

from math import inf

from tests.protocol.simulation.excuses import KNOWN_FOR, LATCHED
from tests.protocol.simulation.history import History, Hold, Update, text
from tests.protocol.simulation.invocations import Invocation, Sent
from token_broker.item import Item
from token_broker.tokens import ONLY, fingerprint

LIVE_SECONDS = 60


def find_sessions(history: History, delete: Invocation) -> None:
    """Record the sessions that a DELETE can end when it begins."""
    current = next(reversed(history.settings))
    found = [item for item in history.items() if is_endable(history, item, current)]
    made = [history.made.get(item.fingerprint or "") for item in found]
    delete.sessions = [one.token for one in made if one]


def find_removed_session(history: History, update: Update) -> None:
    """Record a token that a DELETE removes, and its session: it may just have been stored."""
    delete, name = update.writer, text(update.before, "fingerprint")
    made = history.made.get(name or "")
    if delete.action != "forget" or not made or not update.is_new("fingerprint"):
        return
    history.deleted.add(made.name)
    current = next(reversed(history.settings))
    item = history.item(update.variant, update.before)
    if made.token not in delete.sessions and is_endable(history, item, current):
        delete.sessions.append(made.token)


def is_endable(history: History, item: Item, version: str) -> bool:
    """Return whether a DELETE can end the session of an item by the current *version*.

    What tokens are made from, and no caller gets, may have no end.
    """
    is_live = item.is_live(int(history.now) + LIVE_SECONDS)
    is_doubtful = item.fingerprint in history.caller_reports or item.lease_owner is not None
    is_for_callers = item.kind in history.vendor.flow.vendor.token_kinds
    return is_live and is_for_callers and not is_doubtful and item.secret_version == version


def check_delete(history: History, delete: Invocation) -> None:
    if delete.end != "answered":
        return
    is_complete = delete.answer.get("complete", True)
    if is_complete:
        history.deletes.append(delete)
    for item in history.items():
        is_newer = history.last_written.get(item.variant, 0.0) >= delete.begun
        if is_complete and not item.is_bare and not is_newer:
            history.violate("I16", f"{delete.name} leaves data in {item.variant[:8]}")
    if not delete.is_only_late:
        return
    kept = {item.fingerprint for item in history.items()}
    for token in delete.sessions:
        if is_complete or fingerprint(token) not in kept:
            check_session(history, token)


def check_session(history: History, token: str) -> None:
    """Check that a session is ended after the last DELETE that found it.

    A DELETE that was delayed may end it too late for an answer, or report that it has no time.
    """
    finders = [one for one in history.operations if token in one.sessions]
    if any(one.ended is None or not one.is_only_late for one in finders):
        return  # only the last one is checked; one that met a fault may have taken the session
    if any(history.was_held(one) for one in finders):
        return  # no request is sent during a hold
    if fingerprint(token) in history.caller_reports or not history.vendor.flow.vendor.ends_sessions:
        return  # a caller reported it meanwhile
    late = [one for one in finders if one.is_hindered]
    if any(one.unended or any(sent.shows(token) for sent in one.sent) for one in late):
        return
    if not history.vendor.is_ended(token):
        names = ", ".join(one.name for one in finders)
        history.violate("I16", f"{names}: did not end the session of {token[:6]}")


def check_deleted_token(history: History, invocation: Invocation, kept_at: float) -> None:
    """Check that an invocation gets no token that a DELETE removed before.

    Another process returns it from its cache while a call fails to read the table.
    """
    is_unread = invocation.answer["source"] == "memory" and invocation.is_hindered
    for delete in history.deletes:
        over = delete.ended or 0.0
        is_own = invocation.container == delete.container
        is_over = invocation.begun > over + (0.0 if is_own else inf if is_unread else KNOWN_FOR)
        if kept_at < delete.begun and is_over and not history.plan.shifts:
            what = f"{invocation.name} gets a token that {delete.name} removed"
            history.violate("I16", f"{what} ({history.now - delete.begun:.0f} s before)")
            return


def check_deleted_latch(history: History, invocation: Invocation) -> None:
    """Check that a DELETE lifts a latch: the next call tries the secret again."""
    if not history.deletes or invocation.answer["code"] not in LATCHED or invocation.sent:
        return
    delete = history.deletes[-1]
    tried = [
        sent.processed_at or 0.0
        for credential in history.credentials.values()
        for _, sent in credential.refused
    ]
    is_new = invocation.begun > (delete.ended or 0.0) and not delete.is_hindered
    if is_new and max(tried, default=0.0) < delete.begun:
        history.violate("I16", f"{invocation.name} is latched after a DELETE")


def check_hold_write(history: History, update: Update) -> None:
    """Check that only operators change a hold, and that a held item has no `ttl`."""
    writer, before, after = update.writer, update.before, update.after
    if update.is_new("lease_owner") and writer.owns(text(after, "lease_owner")):
        writer.leased_at = history.now
    if update.variant != ONLY:
        return
    if "held" in after and "ttl" in after:
        history.violate("I15", f"{writer.name} writes a ttl to an item with a hold")
    if not update.is_new("held"):
        return
    if writer.action not in ("hold", "lift"):
        history.violate("I16", f"{writer.name} changes a hold by {writer.action}")
    if "held" not in after:
        history.holds[-1].until = history.now
    elif "held" not in before:
        history.holds.append(Hold(history.now, writer))


def check_sent_amid_hold(history: History, invocation: Invocation, sent: Sent) -> None:
    """Check that an invocation which began after the hold sends no request.

    An exchange that began before the hold may finish, but sends no login under a lease that it
    acquired later, nor after it has read the hold.
    """
    for hold in history.holds:
        known_at = max(invocation.leased_at, invocation.looked_at)
        is_late_login = sent.credential is not None and known_at > hold.since
        if hold.until == inf and (invocation.begun > hold.since or is_late_login):
            what = f"{invocation.name} sends {sent.step} during a hold"
            history.violate("I16", what)


def check_answer_amid_hold(history: History, invocation: Invocation) -> None:
    """Check what an invocation returns while the connection is held.

    An invocation that began before the hold may return a token. A later one may return a token
    from its process's cache for `MEMORY_SECONDS`, unless the process has read the hold; for longer
    only while the table cannot be read.
    """
    if invocation.answer.get("code") == "connection_held":
        history.told_of_hold[invocation.container] = history.now
    hold = next((h for h in history.holds if h.since < invocation.begun and h.until == inf), None)
    if not hold or invocation.action != "token" or invocation.end != "answered":
        return
    source, name = invocation.answer["source"], invocation.name
    seconds = invocation.begun - hold.since
    is_late = not invocation.is_hindered and not history.plan.shifts and seconds > KNOWN_FOR
    if source != "memory":
        history.violate("I16", f"{name} is given a token from the {source} during a hold")
    elif is_known(history, invocation, hold):
        history.violate("I16", f"{name} is given a token by a process that knows the hold")
    elif is_late:
        history.violate("I16", f"{name} is given a cached token {seconds:.0f} s after a hold")


def is_known(history: History, invocation: Invocation, hold: Hold) -> bool:
    """Return whether a process set or read the hold before an invocation began."""
    putter = hold.putter
    has_put = putter.container == invocation.container and putter.end == "answered"
    told_at = history.told_of_hold.get(invocation.container, 0.0)
    is_later = has_put and (putter.ended or inf) <= invocation.begun
    return is_later or hold.since < told_at <= invocation.begun
