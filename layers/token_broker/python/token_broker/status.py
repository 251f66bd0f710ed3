"""What an operator sees of a connection: each variant, and what a call would do with it now.

`next_step` says what `Broker.token` and `Refresher` do, and does nothing: change them together.
"""

from enum import Enum
from typing import Any

from token_broker.decisions import latched_by
from token_broker.holds import gate_of
from token_broker.item import Item, rfc3339
from token_broker.maintenance import is_token, items_in_time
from token_broker.refresh.invocation import Invocation


def status(invocation: Invocation) -> dict[str, Any]:
    """Return the state of each variant. Never a token."""
    deps, connection = invocation.deps, invocation.connection
    version = deps.secrets.version(connection)
    gate, now = gate_of(deps, connection), deps.clock.now()
    variants, is_complete = [], True
    for item in items_in_time(invocation):
        if item is None:
            is_complete = False
        elif is_token(invocation, item) or item.failure:  # which is the reason for no token
            variants.append(entry(item, gate, now, version))
    return {
        "flow": deps.flow.name,
        "connection": connection,
        "secret_version": version,
        "variants": variants,
        "held": gate.held.to_dict() if gate.held else None,
        "complete": is_complete,
    }


def entry(item: Item, gate: Item, now: int, version: str) -> dict[str, Any]:
    """Return one variant as an operator sees it."""
    failure = item.failure
    following, because = next_step(item, gate, now, version)
    return {
        "variant": item.variant,
        "state": state(item, now, version).value,
        "generation": item.generation,
        "fingerprint": item.fingerprint,
        "issued_at": rfc3339(item.issued_at),
        "expires_at": rfc3339(item.expires_at),
        "refresh_after": rfc3339(item.refresh_at),
        "context": item.decoded_context(),
        "failure": {
            "code": failure.code,
            "since": rfc3339(failure.since),
            "count": failure.count,
            "retry_at": rfc3339(failure.retry_at),
        }
        if failure
        else None,
        "latched": latched_by(gate, item, version) is not None,
        "renewing": item.is_leased(now) or item.is_claimed(now),
        "next": following.value,
        "because": because,
    }


class State(Enum):
    """The age of a kept token, as far as one call is concerned."""

    FRESH = "fresh"
    AGING = "aging"
    STALE = "stale"
    DEAD = "dead"


def state(item: Item, now: int, version: str) -> State:
    """Return the state of *item*. A token of another *version* than the secret's is aging."""
    if not item.lives_for(now, None):
        return State.DEAD
    if item.is_stale:
        return State.STALE
    if now >= item.refresh_at or version != item.secret_version:
        return State.AGING
    return State.FRESH


class Next(Enum):
    """What the broker would do now for a call without particular wishes."""

    HAND_OUT = "hand_out"
    REFRESH = "refresh"
    EXCHANGE = "exchange"
    WAIT = "wait"
    REFUSE = "refuse"


def next_step(item: Item, gate: Item, now: int, version: str) -> tuple[Next, str]:
    """Return what a call would do with *item* now, and why, for a person to read.

    *gate* is the connection's gate, and *version* the current version of the secret.
    """
    if gate.held:
        return Next.REFUSE, gate.held.words
    if item.is_good(now):
        return _hand_out(item, now, version)
    if item.is_leased(now):
        return Next.WAIT, "another caller is exchanging; this one waits for its token"
    if why := _why_refused(item, gate, now, version):
        # The exchange is refused, so the call gets the old token, as stale.
        is_old = item.lives_for(now, None)
        return (Next.HAND_OUT, f"the token still lives; {why}") if is_old else (Next.REFUSE, why)
    return Next.EXCHANGE, _why_exchange(item, now)


def _why_refused(item: Item, gate: Item, now: int, version: str) -> str | None:
    """Return why no exchange may begin; None if one may."""
    failure = item.failure if item.failure and item.failure.is_backing_off(now) else None
    is_outage = failure is not None and failure.is_outage
    if latched_by(gate, item, version) and not is_outage:
        return "this version of the secret was rejected: set a new one, or DELETE"
    if failure and (is_outage or version == failure.secret_version):
        return f"the last exchange failed ({failure.code}): it is backing off"
    if gate.awaits_second_try(version, now):
        return "this version of the secret was rejected once: it is tried once more in a minute"
    return None


def _hand_out(item: Item, now: int, version: str) -> tuple[Next, str]:
    if item.awaits_refresh(now):
        return (
            Next.REFRESH,
            "the token is handed out, and its refresh starts in the background",
        )
    if item.lease_owner is not None:
        return Next.HAND_OUT, "the token lives; another one is being made"
    if item.failure:
        return Next.HAND_OUT, "the last refresh failed; the token still lives"
    if now >= item.refresh_at:
        return Next.HAND_OUT, "the token lives, and its refresh has been started"
    if version != item.secret_version:
        return Next.HAND_OUT, "the token lives; it was made with another version of the secret"
    return Next.HAND_OUT, "the token is fresh"


def _why_exchange(item: Item, now: int) -> str:
    if item.token is None:
        return "no token is kept"
    if item.is_rejected:
        return "the token was reported as rejected"
    if item.lives_for(now, None):
        return "an exchange was begun and not finished, so the token may be dead"
    return "the token has ended, or has too little time left"
