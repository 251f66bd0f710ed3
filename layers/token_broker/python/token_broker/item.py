"""What the table keeps of one variant, and the decisions that are made from it.

Everything here is a function of values: the item, the second it is, and what a call asks for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from math import ceil
from typing import Any

DEFAULT_MIN_TTL = 30
"""Seconds that a token must still live, where a call does not say."""

FORCE_INTERVAL = 10
"""Seconds within which a variant is exchanged on demand once."""

REPORT_WINDOW = 60
SECOND_LOOK = 60
"""Seconds after which a version that was accepted, and then rejected once, is tried once more."""

MOST_SUSPECTS = 3
"""Variants that may each be refused with a version of the secret that nobody proved yet."""

MOST_VERSIONS = 8
"""Rejected versions of a secret that are remembered; Secrets Manager stages three at most."""

MOST_REPORTS = 3
"""Reports of a rejected token that may each cause an exchange, in a `REPORT_WINDOW` of seconds."""

LONGEST_REFUSAL = 3600
LONGEST_OUTAGE = 60
"""Seconds, at most, between two attempts after refusals, and while the upstream is down."""

LONGEST_LEASE = 1_000
"""Seconds that a lease may still last: more than the 900 that Lambda lets an invocation live.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html
"""

LONGEST_CLAIM = 90
"""Seconds that a caller's claim to start a background refresh may still last, skew included."""

LATCH_LOOK = 30
"""Seconds between two looks at whether a secret that was rejected has a new version."""

LATCHES = "credential_rejected"
"""The code of the failure that is not tried again with the same version of the secret."""


KEPT_AFTER_END = 15 * 86_400
"""Seconds after its end before the table may drop an item: a renewal token lives fourteen days."""


class Verdict(Enum):
    """What a rejection says of the version of the secret that it was sent with."""

    LATCH = "it is wrong, and is not tried again"
    SUSPECT = "it was right before: it is tried once more, a minute later"
    REFUSE_VARIANT = "it may be wrong: this variant does not try it again"
    BLAME_VARIANT = "it is right: what the variant adds to it is wrong"


class State(Enum):
    """The age of a kept token, as far as one call is concerned."""

    FRESH = "fresh"
    AGING = "aging"
    STALE = "stale"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Failure:
    """The last exchange went wrong, *count* times in a row since *since*."""

    code: str
    detail: str
    since: int
    count: int
    retry_at: int
    secret_version: str | None = None
    upstream_status: int | None = None
    upstream_code: str | None = None
    upstream_message: str | None = None
    is_login: bool = False
    """Whether the last request that was sent showed the credentials."""

    def is_backing_off(self, now: int) -> bool:
        """Say whether it is too early for another attempt."""
        return is_ahead(self.retry_at, now, LONGEST_REFUSAL)


@dataclass(frozen=True, slots=True)
class Item:
    """One variant: its token, its lease and its last failure, all in one item of the table."""

    connection: str
    """``<flow>#<connection>``, the partition key."""
    variant: str
    kind: str | None = None
    generation: int = 0
    fence: int = 0
    token: bytes | None = field(default=None, repr=False)
    """The sealed token or, where there is a *target*, the sealed variant that it leads to."""
    target: str | None = None
    fingerprint: str | None = None
    issued_at: int = 0
    expires_at: int = 0
    refresh_at: int = 0
    secret_version: str | None = None
    accepted_version: str | None = None
    latched_version: str | None = None
    """The version of the secret whose latch was announced, until a recovery is; on the gate."""
    noticed_version: str | None = None
    """The version of the secret that an event told of last; the gate alone has it."""
    suspect_version: str | None = None
    """On the gate: a version that may be wrong, since *suspect_at* or of *suspect_variants*."""
    suspect_at: int = 0
    suspect_variants: tuple[str, ...] = ()
    context: str | None = field(default=None, repr=False)
    lease_owner: str | None = None
    lease_until: int = 0
    renewal: str | None = None
    failure: Failure | None = None
    rejected: str | None = None
    rejected_versions: tuple[str, ...] = ()
    """Versions of the secret that the upstream rejected: never tried again."""
    report_times: tuple[int, ...] = ()
    forced_at: int = 0
    nudged_until: int = 0
    corrupt: tuple[str, ...] = ()
    """Attributes that could not be read; whoever takes the lease removes them."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Attributes as they were read, for a compare and swap: even of nonsense."""

    def told(self) -> Any:
        """Return the context that callers are told with the token, None if it cannot be read."""
        try:
            return json.loads(self.context) if self.context else None
        except ValueError:
            return None

    def without_token(self) -> "Item":
        """Return this item as if no token were kept."""
        return replace(self, token=None, target=None, fingerprint=None, renewal=None, context=None)

    @property
    def is_bare(self) -> bool:
        """Say whether DELETE would find nothing here: at most fence, generation and a lease."""
        kept = (self.token, self.fingerprint, self.target, self.failure, self.rejected_versions)
        of_gate = (self.accepted_version, self.suspect_version, self.latched_version)
        return not any((*kept, *of_gate, self.report_times, self.corrupt))

    @property
    def lifetime(self) -> int:
        """Seconds that the kept token lived for in all."""
        return self.expires_at - self.issued_at

    @property
    def is_rejected(self) -> bool:
        """Say whether a caller reported the kept token as refused."""
        return self.rejected is not None and self.rejected == self.fingerprint

    def min_ttl(self, wanted: int | None) -> int:
        """Return the seconds that the token must still live for a call that wants *wanted*."""
        return default_min_ttl(self.lifetime) if wanted is None else wanted

    def is_live(self, now: int, min_ttl: int | None = 0) -> bool:
        """Say whether the kept token may be handed out to a call that wants *min_ttl*."""
        return (
            self.token is not None
            and self.target is None
            and not self.is_rejected
            and now < self.expires_at - self.min_ttl(min_ttl)
        )

    def is_leased(self, now: int) -> bool:
        """Say whether somebody may still be exchanging this variant.

        A lease that ends later than any invocation was written by a clock that is wrong.
        """
        return self.lease_owner is not None and is_ahead(self.lease_until, now, LONGEST_LEASE)

    def is_in_doubt(self, now: int) -> bool:
        """Say whether somebody began to replace the kept token and never finished.

        The upstream may have done its part: where it keeps one session, the kept token is dead.
        """
        return self.lease_owner is not None and not self.is_leased(now)

    def is_latched(self, secret_version: str | None) -> bool:
        """Say whether this version of the secret, or whichever failed last, was rejected."""
        if secret_version is None and self.failure and self.failure.code == LATCHES:
            secret_version = self.failure.secret_version
        return secret_version in self.rejected_versions

    @property
    def is_closed(self) -> bool:
        """Say whether a latch was announced, and no recovery since."""
        return self.latched_version is not None or self.is_latched(None)

    def has_accepted(self, version: str) -> bool:
        """Say whether the upstream took this version of the secret, as far as the gate knows."""
        return version in (self.accepted_version, self.secret_version)

    def is_suspect(self, version: str) -> bool:
        """Say whether this version, which was accepted before, was rejected once since."""
        return version == self.suspect_version and self.has_accepted(version)

    def is_too_early(self, now: int) -> bool:
        """Say whether a suspect version has to wait for its second try."""
        return is_ahead(self.suspect_at + SECOND_LOOK, now, 2 * SECOND_LOOK)

    def is_renewal_due(self, now: int) -> bool:
        """Say whether to start a renewal off the caller's path, unless that was just done."""
        if is_ahead(self.nudged_until, now, LONGEST_CLAIM) or self.is_leased(now):
            return False
        return not self.failure.is_backing_off(now) if self.failure else now >= self.refresh_at


def is_ahead(moment: int, now: int, longest: int) -> bool:
    """Say whether *moment* is still to come, and not so far ahead that a wrong clock wrote it."""
    return now < moment <= now + longest


def verdict(gate: Item, version: str, variant: str, now: int, *, is_certain: bool) -> Verdict:
    """Return what it means that *version* was rejected when it was tried for *variant*.

    *is_certain* says whether the upstream's answer can only be about the credentials.
    """
    if gate.has_accepted(version):
        if not is_certain:
            return Verdict.BLAME_VARIANT
        is_second = gate.is_suspect(version) and now - gate.suspect_at >= SECOND_LOOK
        return Verdict.LATCH if is_second else Verdict.SUSPECT
    if is_certain or len(suspects(gate, version, variant)) >= MOST_SUSPECTS:
        return Verdict.LATCH
    return Verdict.REFUSE_VARIANT


def suspects(gate: Item, version: str, variant: str) -> tuple[str, ...]:
    """Return the variants that *version* was tried for, with *variant*."""
    known = gate.suspect_variants if gate.suspect_version == version else ()
    return (*(one for one in known if one != variant), variant)


def state(item: Item, now: int, min_ttl: int | None = None, version: str | None = None) -> State:
    """Return how *item* may serve a call that wants *min_ttl* seconds.

    *version* is the secret's current one, where it is known: a token of another is due.
    """
    if not item.is_live(now, min_ttl):
        return State.DEAD
    if item.failure or item.lease_owner is not None:
        return State.STALE
    if now >= item.refresh_at or version not in (None, item.secret_version):
        return State.AGING
    return State.FRESH


class Next(Enum):
    """What the broker would do now for a call that wants nothing particular."""

    HAND_OUT = "hand_out"
    REFRESH = "refresh"
    EXCHANGE = "exchange"
    WAIT = "wait"
    REFUSE = "refuse"


def next_step(item: Item, gate: Item, now: int, version: str | None) -> tuple[Next, str]:
    """Return what a call would do with *item* now, and why, for a person to read.

    *gate* is the connection's gate, and *version* the current version of the secret.
    """
    if item.is_live(now, None) and not item.is_in_doubt(now):
        return _hand_out(item, now, version)
    if item.is_leased(now):
        return Next.WAIT, "another caller is exchanging; this one waits for its token"
    if gate.is_latched(version):
        return Next.REFUSE, "this version of the secret was rejected: set a new one, or DELETE"
    if item.failure and item.failure.is_backing_off(now):
        return Next.REFUSE, f"the last exchange failed ({item.failure.code}): it is backing off"
    return Next.EXCHANGE, _why_exchange(item, now)


def _hand_out(item: Item, now: int, version: str | None) -> tuple[Next, str]:
    if item.is_renewal_due(now):
        return Next.REFRESH, "the token is handed out, and its refresh is due: it starts beside"
    if item.failure:
        return Next.HAND_OUT, "the last refresh failed; the token still lives"
    if version not in (None, item.secret_version):
        return Next.HAND_OUT, "the token lives; it was made with another version of the secret"
    return Next.HAND_OUT, "the token is fresh"


def _why_exchange(item: Item, now: int) -> str:
    if item.token is None:
        return "no token is kept"
    if item.is_rejected:
        return "the token was reported as rejected"
    if item.is_live(now, None):
        return "an exchange was begun and not finished, so the token may be dead"
    return "the token has ended, or has too little time left"


def ttl_of(item: Item) -> int | None:
    """Return the second from which the table may drop *item*, None if it may not.

    Not a verdict on the secret, be it good or bad: without it, a login would be tried in vain.
    """
    if item.rejected_versions or item.accepted_version or item.suspect_version:
        return None
    failed = item.failure.retry_at if item.failure else 0
    ends = max(item.expires_at, item.lease_until, failed)
    return ends + KEPT_AFTER_END if ends else None


def lease_end(now: int, remaining: float, skew: int) -> int:
    """Return the second at which the platform has certainly ended this invocation.

    Not before: whoever takes the lease then must be alone, even if its clock is ahead by *skew*.
    Whole seconds hide up to one at either end, and the answer takes a moment after *remaining*.
    """
    return now + ceil(remaining) + 2 + skew


def default_min_ttl(lifetime: int) -> int:
    """Return the seconds that a token must still live for a call that says nothing of it."""
    return min(DEFAULT_MIN_TTL, max(0, lifetime // 10))


def longest_min_ttl(lifetime: int) -> int:
    """Return the most seconds that a new token surely still has when its exchange has ended."""
    return lifetime - default_min_ttl(lifetime)


def refresh_at(issued_at: int, expires_at: int, spread: float) -> int:
    """Return when to renew: 10 to 20 % of its life before a token is too old for most calls.

    How much, *spread* (0 to 1) says; it is an hour at most.
    """
    lifetime = expires_at - issued_at
    margin = min(lifetime * (0.1 + 0.1 * spread), 3600 * (0.5 + 0.5 * spread))
    return expires_at - default_min_ttl(lifetime) - int(margin)


def next_failure(
    item: Item,
    now: int,
    *,
    code: str,
    detail: str,
    secret_version: str | None,
    retry_after: int | None = None,
    upstream_status: int | None = None,
    upstream_code: str | None = None,
    upstream_message: str | None = None,
    is_login: bool = False,
) -> Failure:
    """Return the failure to keep after one more attempt that ended with *code*."""
    last = item.failure
    is_same = last is not None and (last.code, last.secret_version) == (code, secret_version)
    count = last.count + 1 if last and is_same else 1
    return Failure(
        code=code,
        detail=detail,
        since=last.since if last and is_same else now,
        count=count,
        retry_at=now + max(retry_after or 0, patience(code, count)),
        secret_version=secret_version,
        upstream_status=upstream_status,
        upstream_code=upstream_code,
        upstream_message=upstream_message,
        is_login=is_login,
    )


def patience(code: str, count: int) -> int:
    """Return the seconds to wait after *count* failures in a row, doubling up to a bound."""
    if code == LATCHES:
        return LATCH_LOOK
    if code == "upstream_unavailable":
        return min(1 << min(count, 16), LONGEST_OUTAGE)
    return min(15 << min(count, 16), LONGEST_REFUSAL)


def may_force(item: Item, now: int) -> bool:
    """Say whether this variant was not exchanged on demand a moment ago."""
    return not is_ahead(item.forced_at + FORCE_INTERVAL, now, LONGEST_CLAIM)


def recent_reports(item: Item, now: int) -> tuple[int, ...]:
    """Return the seconds of the reports that still count against the limit."""
    return tuple(
        at for at in item.report_times if is_ahead(at + REPORT_WINDOW, now, 2 * REPORT_WINDOW)
    )
