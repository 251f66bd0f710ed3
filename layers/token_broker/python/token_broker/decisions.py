"""The decisions of the protocol: pure functions of an item, the time, and what a call wants."""

from enum import Enum
from math import ceil
from typing import Any

from token_broker.errors import (
    BrokerError,
    Internal,
    InvalidRequest,
    NotConfigured,
    upstream_of,
)
from token_broker.item import (
    CREDENTIAL_REJECTED,
    LONGEST_BACKOFF_SECONDS,
    MAX_SKEW_SECONDS,
    REPORT_WINDOW_SECONDS,
    SUSPECT_RETRY_SECONDS,
    UPSTREAM_UNAVAILABLE,
    Failure,
    Item,
    default_min_ttl,
    is_ahead,
)

FORCE_INTERVAL_SECONDS = 10
"""Seconds between two exchanges of a variant on demand, at least."""

MAX_SUSPECTS = 3
"""Variants that may each be refused with a version of the secret that was never accepted."""

MAX_VERSIONS = 8
"""Rejected versions of a secret that are remembered; Secrets Manager stages three at most."""

MAX_REPORTS = 3
"""Reports of a rejected token that may each cause an exchange, in `REPORT_WINDOW_SECONDS`."""

LONGEST_OUTAGE_BACKOFF_SECONDS = 60
"""Seconds, at most, between two attempts while the upstream is unavailable."""

SECRET_RECHECK_SECONDS = 30
"""Seconds between two checks whether a rejected secret has a new version."""

SHUTDOWN_SECONDS = 2
"""Seconds for rounding to whole seconds, and for the end of an invocation after its deadline."""

KEPT_AFTER_END = 15 * 86_400
"""Seconds after its end before the table may drop an item: a renewal token lives fourteen days."""


NOT_THERE = frozenset({InvalidRequest.code, NotConfigured.code})
"""Codes of an exchange that found that the account does not have what was asked for."""


class AliasState(Enum):
    """Whether an alias is still right, as far as the table shows it."""

    VALID = "a hit follows it"
    UNCONFIRMED = "its token is of another version of the secret, which may have other defaults"
    OTHER_ROLE = "its token shows another role than the alias expects"
    TARGET_LOST = "the version of the secret that works now cannot make the target's token"


WRONG = frozenset({AliasState.OTHER_ROLE, AliasState.TARGET_LOST})
"""An alias in one of these states must be resolved again, whatever the secret says."""


class Verdict(Enum):
    """What a rejection proves about the version of the secret."""

    LATCH = "it is wrong, and is not tried again"
    SUSPECT = "it was right before: it is tried once more, a minute later"
    REFUSE_VARIANT = "it may be wrong: this variant does not try it again"
    BLAME_VARIANT = "it is right: the parameters of the request are wrong"


def alias_state(alias: Item, target: Item, gate: Item) -> AliasState:
    """Return whether *alias*, which leads to *target*, is still right. An item may be no alias."""
    if alias.target is None:
        return AliasState.VALID
    failure, works = target.failure, gate.accepted_version
    is_lost = failure is not None and failure.code in NOT_THERE and failure.secret_version == works
    if is_lost and works not in (None, alias.secret_version):
        return AliasState.TARGET_LOST
    if expects_another(alias, target):
        return AliasState.OTHER_ROLE
    is_other = alias.secret_version != target.secret_version and not is_newer(alias, target)
    return AliasState.UNCONFIRMED if is_other else AliasState.VALID


def is_newer(alias: Item, item: Item) -> bool:
    """Say whether *alias* was certainly made after *item*, by any clock."""
    return alias.issued_at > item.issued_at + MAX_SKEW_SECONDS


def expects_another(alias: Item, item: Item) -> bool:
    """Say whether the token of *item* may be newer than *alias*, and has another role."""
    expected = expected_by(alias)
    if not expected or item.target or is_newer(alias, item):
        return False
    found = item.decoded_context()
    return isinstance(found, dict) and any(found.get(n) != value for n, value in expected.items())


def expected_by(alias: Item) -> dict[str, Any]:
    """Return what *alias* expects of its token's context; nothing if the attribute is damaged."""
    expected = alias.decoded_context()
    return expected if isinstance(expected, dict) else {}


def verdict(gate: Item, version: str, variant: str, now: int, *, is_certain: bool) -> Verdict:
    """Return what the rejection of *version* means, after an exchange of *variant*.

    *is_certain* says whether the upstream's answer can only be about the credentials.
    """
    if gate.has_accepted(version):
        if not is_certain:
            return Verdict.BLAME_VARIANT
        is_second = gate.is_suspect(version) and now - gate.suspect_at >= SUSPECT_RETRY_SECONDS
        return Verdict.LATCH if is_second else Verdict.SUSPECT
    if is_certain or len(suspects(gate, version, variant)) >= MAX_SUSPECTS:
        return Verdict.LATCH
    return Verdict.REFUSE_VARIANT


def suspects(gate: Item, version: str, variant: str) -> tuple[str, ...]:
    """Return the variants that were refused with *version*; *variant* is the last."""
    return (*(one for one in _refused(gate, version) if one != variant), variant)


def _refused(gate: Item, version: str) -> tuple[str, ...]:
    return gate.suspect_variants if gate.suspect_version == version else ()


def latched_by(gate: Item, own: Item, version: str) -> Item | None:
    """Return the item that forbids another login with *version*; None if there is none.

    A rejection for one variant counts until another variant proves the version.
    """
    if gate.is_latched(version):
        return gate
    is_refused = own.is_latched(version) or own.variant in _refused(gate, version)
    return own if is_refused and not gate.has_accepted(version) else None


def ttl_of(item: Item) -> int | None:
    """Return from when the table may drop *item*; None for a hold, or a version's verdict."""
    if item.held or item.rejected_versions or item.accepted_version or item.suspect_version:
        return None
    failed = item.failure.retry_at if item.failure else 0
    ends = max(item.expires_at, item.lease_until, failed)
    return ends + KEPT_AFTER_END if ends else None


def lease_end(now: int, remaining: float, skew: int) -> int:
    """Return when the platform has certainly ended this invocation, by any clock within *skew*."""
    return now + ceil(remaining) + SHUTDOWN_SECONDS + skew


def refresh_at(issued_at: int, expires_at: int, spread: float) -> int:
    """Return when to renew a token: 10 to 20 % of its life before it is too old for most calls.

    That is half an hour to an hour at most. *spread*, from 0 to 1, says where in between.
    """
    lifetime = expires_at - issued_at
    margin = min(lifetime * (0.1 + 0.1 * spread), 3600 * (0.5 + 0.5 * spread))
    return expires_at - default_min_ttl(lifetime) - int(margin)


def next_failure(
    last: Failure | None, error: BrokerError, now: int, version: str | None, *, is_login: bool
) -> Failure:
    """Return the failure to keep after *error*: it continues the *last* one of code and version."""
    same = last if last and (last.code, last.secret_version) == (error.code, version) else None
    count = same.count + 1 if same else 1
    return Failure(
        code=error.code,
        detail=error.detail,
        since=same.since if same else now,
        count=count,
        retry_at=now + max(error.retry_after or 0, backoff_seconds(error.code, count)),
        secret_version=version,
        **upstream_of(error),
        is_login=is_login,
    )


def backoff_seconds(code: str, count: int) -> int:
    """Return the seconds to wait after *count* failures in a row: they double up to a limit."""
    if code == CREDENTIAL_REJECTED:
        return SECRET_RECHECK_SECONDS
    if code in (UPSTREAM_UNAVAILABLE, Internal.code):
        return min(1 << min(count, 16), LONGEST_OUTAGE_BACKOFF_SECONDS)
    return min(15 << min(count, 16), LONGEST_BACKOFF_SECONDS)


def may_force(item: Item, now: int) -> bool:
    """Say whether the last exchange on demand was long enough ago."""
    return not is_ahead(item.forced_at + FORCE_INTERVAL_SECONDS, now, FORCE_INTERVAL_SECONDS)


def recent_reports(item: Item, now: int) -> tuple[int, ...]:
    """Return the seconds of the reports that still count against the limit."""
    window = REPORT_WINDOW_SECONDS
    return tuple(at for at in item.report_times if is_ahead(at + window, now, window))


def stored_error(failure: Failure, now: int) -> BrokerError:
    """Return the error of the kept failure, with the seconds until the next attempt."""
    classes = {error.code: error for error in _descendants(BrokerError)}
    error = classes.get(failure.code, Internal)
    wait = max(1, failure.retry_at - now)
    return error(failure.detail, retry_after=wait, **upstream_of(failure))


def _descendants(of: type[BrokerError]) -> list[type[BrokerError]]:
    return [d for child in of.__subclasses__() for d in (child, *_descendants(child))]
