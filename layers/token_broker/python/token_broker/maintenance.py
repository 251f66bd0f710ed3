"""Work on all variants of a connection: background renewal, rotation, and DELETE."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from token_broker.aws.clients import FAST_SECONDS, LAST
from token_broker.errors import (
    BrokerError,
    ConnectionHeld,
    NotConfigured,
    RefreshInProgress,
    StoreUnavailable,
)
from token_broker.holds import gate_of, is_held
from token_broker.item import CLAIM_SECONDS, Item
from token_broker.look import Look
from token_broker.measured import Sender
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.refresher import Refresher
from token_broker.refresh.requirement import Requirement
from token_broker.secrets_manager import Secret
from token_broker.tokens import encode

LEAST_ITEM_SECONDS = FAST_SECONDS + 2 * LAST.worst_seconds
"""With less time than this left, no further item is read, or dropped.

A write without an answer, by both clients, and the read that shows whether it was done take it.
"""

LOG_OUT_SECONDS = 3.0
"""Seconds for the vendor to end a session, after its token is dropped."""

LEAST_SESSION_SECONDS = LEAST_ITEM_SECONDS + LOG_OUT_SECONDS
"""With less time than this left, no further token with a session is dropped."""

MOST_RENEWED = 100
"""Tokens that a rotation renews, each in a separate invocation."""

MOST_DROPPED = 50
"""Tokens that one invocation drops."""

PASSING = (StoreUnavailable, RefreshInProgress, NotConfigured)
"""Errors that may not occur on a retry: AWS refused, or another caller had the lease."""


def renew(invocation: Invocation, key: str, *, is_rotation: bool) -> int:
    """Renew the variant *key* if it is due; return how many were.

    After a rotation, it is due while its token is of another version than the current one. An error
    of the vendor is emitted, not raised: its failure is kept. After a rotation, the errors in
    `PASSING` are raised, so that the platform tries again.
    """
    try:
        seen = invocation.look(key)
    except ConnectionHeld as error:
        return _unrenewed(invocation, key, error)
    item, now = seen.own, invocation.deps.clock.now()
    if not is_rotation:
        if not item.is_due(now):
            return 0  # an earlier delivery of the same event has renewed it
        return _renew(invocation, seen, Requirement(newer_than=item.generation))
    is_old = is_of_another(item, now, invocation.secret.version())
    if not is_old or not is_token(invocation, item):
        return 0
    return _renew(invocation, seen, Requirement(of_version_in_use=True), raises=PASSING)


def renew_all(invocation: Invocation) -> int:
    """Start the renewal of each variant that is due and not claimed by a caller."""
    deps = invocation.deps
    if is_held(deps, invocation.connection):
        return 0
    now = deps.clock.now()
    due = [i for i in _tokens(invocation) if i.awaits_refresh(now)]
    until = now + CLAIM_SECONDS
    # One after the other: if the table or Lambda fails, each claim before has its renewal.
    return _start(invocation, (i for i in due[:MOST_RENEWED] if deps.store.claim_refresh(i, until)))


def rotate(invocation: Invocation) -> int:
    """Renew every live token with the current version of the secret; return how many started.

    Each renewal is a separate invocation. Tokens that other tokens need come first. The oldest
    beyond `MOST_RENEWED` are dropped, by further invocations; the next call for one of these makes
    it again.
    """
    deps, connection = invocation.deps, invocation.connection
    current = invocation.secret.version()
    gate = gate_of(deps, connection)
    if gate.raw:
        deps.store.notice(gate, current)
    if is_held(deps, connection, gate):
        return 0  # lifting the hold rotates again
    now = deps.clock.now()
    old = [item for item in _tokens(invocation) if is_of_another(item, now, current)]
    kinds = deps.flow.vendor.token_kinds
    old.sort(key=lambda item: (kinds.index(item.kind or ""), -item.issued_at))
    started = _start(invocation, old[:MOST_RENEWED], version=current)
    rest = [item.variant for item in old[MOST_RENEWED:]]
    for first in range(0, len(rest), MOST_DROPPED):
        payload = {"connection": connection, "drop": rest[first : first + MOST_DROPPED]}
        deps.invoke({"action": "rotate", "version": current} | payload)
    return started


def drop(invocation: Invocation, keys: Sequence[str]) -> int:
    """Drop the tokens of these variants, if they are not of the secret's current version."""
    store, now = invocation.deps.store, invocation.deps.clock.now()
    current = invocation.secret.version()
    items = store.read_all(invocation.partition, *keys)
    old = [item for item in items if is_of_another(item, now, current)]
    for item in old:
        store.drop(item)
    return len(old)


def forget(invocation: Invocation) -> dict[str, Any]:
    """End the sessions and drop the tokens, failures and latches; return how many tokens.

    A hold stays. While it lasts, no session is ended: nothing is sent to the vendor.
    ``complete`` is false if the time was too short for all: the next call goes on. Raises
    `UnknownConnection` if there is neither an item nor a secret.
    """
    try:
        return _forget(invocation)
    finally:  # also if the table fails after some items
        invocation.deps.cache.drop(invocation.partition)
        invocation.deps.versions_seen.pop(invocation.connection, None)


def _forget(invocation: Invocation) -> dict[str, Any]:
    deps, connection = invocation.deps, invocation.connection
    forgotten, is_complete, is_known = 0, False, False
    gate = gate_of(deps, connection)
    for item in items_in_time(invocation):
        is_known = True
        if item is None:
            break
        if item.is_bare:
            continue  # so that repeated calls come to an end
        ends_session = not gate.held and _has_session(invocation, item)
        if ends_session and forgotten and invocation.deadline.seconds_left < LEAST_SESSION_SECONDS:
            break  # the next call begins with it, and has the time for its session
        try:
            removed = deps.store.forget(item)  # whose token may be newer than that of `item`
        except BrokerError as error:
            if ends_session:  # it may have been removed all the same
                deps.emit("log out failed", variant=item.variant, code=error.code)
            raise
        if not gate.held and _has_session(invocation, removed):
            # After the table: until then, an exchange may use the token for another one.
            _log_out(invocation, removed, gate)
        forgotten += is_token(invocation, removed)
        if removed.is_gate and removed.awaits_recovery:
            version = removed.failure.secret_version if removed.failure else None
            version = removed.latched_version or version or ""
            invocation.announcements.send("Connection Recovered", version)
    else:
        is_complete = True
    if not is_known:
        deps.secrets.version(connection)  # raises if there is no secret
    return {"forgotten": forgotten, "complete": is_complete}


def _tokens(invocation: Invocation) -> list[Item]:
    items = invocation.deps.store.list(invocation.partition)
    return [item for item in items if is_token(invocation, item)]


def items_in_time(invocation: Invocation) -> Iterator[Item | None]:
    """Yield the items of a connection, and None instead of the rest if too little time is left.

    The time counts before an item is handled, and after it: the next one may be on another page.
    """
    for item in invocation.deps.store.list(invocation.partition):
        if invocation.deadline.seconds_left < LEAST_ITEM_SECONDS:
            break
        yield item
        if invocation.deadline.seconds_left < LEAST_ITEM_SECONDS:
            break
    else:
        return
    yield None


def is_token(invocation: Invocation, item: Item) -> bool:
    """Say whether *item* has a token for callers: it is neither an alias nor a gate alone."""
    return item.token is not None and item.kind in invocation.deps.flow.vendor.token_kinds


def _start(invocation: Invocation, items: Iterable[Item], **members: str) -> int:
    """Start one invocation for the renewal of each of *items*; return how many.

    *members* are added to the payload of each. No renewal starts another invocation, because
    Lambda ends a chain of invocations after sixteen.
    """
    started = 0
    for item in items:
        payload = {"connection": invocation.connection, "variant": item.variant}
        invocation.deps.invoke({"action": "renew"} | payload | members)
        started += 1
    return started


def _renew(
    invocation: Invocation,
    seen: Look,
    requirement: Requirement,
    raises: tuple[type[BrokerError], ...] = (),
) -> int:
    item = seen.own
    variant = invocation.sealer.open_variant(item)
    if variant is None:
        return 0
    try:
        if not invocation.secret.is_shared() or _may_be_pinned_away(invocation, item):
            invocation.deps.store.drop(item)
            return 0
        Refresher(invocation).obtain(variant, requirement, seen)
    except raises:
        raise
    except BrokerError as error:
        return _unrenewed(invocation, item.variant, error)
    return 1


def _unrenewed(invocation: Invocation, key: str, error: BrokerError) -> int:
    """Emit why the variant *key* was not renewed, and return how many were: 0."""
    invocation.deps.emit(
        "unrenewed", variant=key, code=error.code, upstream_message=error.upstream_message
    )
    return 0


def _may_be_pinned_away(invocation: Invocation, item: Item) -> bool:
    """Say whether *item* may have a value that a newer pin of the secret forbids.

    It has none if it was made under the same pins: a new password alone forbids nothing.
    """
    deps, secret = invocation.deps, invocation.secret
    vendor = deps.flow.vendor
    pins = vendor.pins(secret.credentials())
    if not pins or item.secret_version == secret.version():
        return False
    before = deps.secrets.of_version(invocation.connection, item.secret_version or "")
    pins_before = vendor.pins(vendor.parse(before.content)) if before else {}
    return any(
        name not in pins_before or encode(value) != encode(pins_before[name])
        for name, value in pins.items()
    )


def _has_session(invocation: Invocation, item: Item) -> bool:
    """Say whether *item* has a live token, and the vendor a way to end its session."""
    deps = invocation.deps
    is_live = is_token(invocation, item) and item.is_live(deps.clock.now())
    return is_live and deps.flow.vendor.ends_sessions


def _log_out(invocation: Invocation, item: Item, gate: Item) -> None:
    """End the session of a token at the vendor. An error, also a lack of time, is emitted."""
    deps, vendor = invocation.deps, invocation.deps.flow.vendor
    try:
        token = deps.sealer.open_token(item)
        if not token:  # its session cannot be ended
            deps.emit("log out failed", variant=item.variant, code="damaged")
        else:
            is_known = vendor.revoke and item.secret_version not in gate.rejected_versions
            secret = _secret_of(invocation, item) if is_known else None
            credentials = vendor.parse(secret.content) if secret else None
            seconds = min(LOG_OUT_SECONDS, invocation.deadline.seconds_left)
            sender = Sender(deps, deps.clock.monotonic() + seconds)
            conversation = vendor.end_session(credentials, token, deps.clock.now())
            sender.run(conversation, secret=None)  # of an error, only the code is shown
    except BrokerError as error:
        deps.emit("log out failed", variant=item.variant, code=error.code)


def _secret_of(invocation: Invocation, item: Item) -> Secret | None:
    """Return the version of the secret that made the token of *item*; None if it is gone."""
    secret, version = invocation.secret.in_use(), item.secret_version or ""
    if version == secret.version:
        return secret
    return invocation.deps.secrets.of_version(invocation.connection, version)


def is_of_another(item: Item, now: int, version: str | None) -> bool:
    """Say whether a token that lives, or whose renewal failed, is of another version."""
    return item.secret_version != version and (item.is_live(now) or item.failure is not None)
