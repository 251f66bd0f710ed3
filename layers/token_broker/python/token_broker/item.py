"""One variant's item in the table: its token, its lease and its last failure.

docs/protocol.md says what each attribute means, and how a gate differs.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from token_broker.records import Record, field, replace

GATE = "-"
"""Key of a connection's gate. A flow with one variant keeps that under the same key, so that its
gate and its token are one item, with one lease."""

DEFAULT_MIN_TTL = 30
"""Seconds that a token must still live, if a call does not say how many."""

REPORT_WINDOW_SECONDS = 60
"""Seconds in which a limited number of reports may each cause an exchange."""

SUSPECT_RETRY_SECONDS = 60
"""Seconds after which a version that was accepted, and then rejected once, is tried once more."""

LONGEST_BACKOFF_SECONDS = 3600
"""Seconds of the longest back-off."""

LONGEST_LEASE_SECONDS = 940
"""Seconds of the longest lease: more than the 900 that Lambda lets an invocation live.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html
"""

MAX_SKEW_SECONDS = 60
"""Seconds. The clocks of two Lambdas certainly differ by less."""

CLAIM_SECONDS = 30
"""Seconds for which the claim of one caller keeps others from the same work."""

CREDENTIAL_REJECTED = "credential_rejected"
"""The code of the failure that is not tried again with the same version of the secret."""

UPSTREAM_UNAVAILABLE = "upstream_unavailable"
"""The code of the failure that backs off for every version of the secret."""


class Failure(Record):
    """A series of *count* failed exchanges, the first of them at *since*."""

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
    """Whether the last request that was sent contained the credentials."""

    @property
    def is_outage(self) -> bool:
        """Say whether the upstream was unavailable, whichever version of the secret was used."""
        return self.code == UPSTREAM_UNAVAILABLE

    def is_backing_off(self, now: int) -> bool:
        """Say whether it is too early for another exchange."""
        return is_ahead(self.retry_at, now, LONGEST_BACKOFF_SECONDS)


class Hold(Record):
    """An operator's order: hand out no token of a connection, send nothing to the vendor."""

    since: int
    by: str
    reason: str

    @property
    def words(self) -> str:
        """Since when and why the connection is held."""
        return f"an operator has held the connection since {rfc3339(self.since)}: {self.reason}"

    def to_dict(self) -> dict[str, str | None]:
        """Return this hold as callers see it."""
        return {"since": rfc3339(self.since), "by": self.by, "reason": self.reason}


class Item(Record):
    """One variant: its token, its lease and its last failure. Empty if the table has none."""

    partition: str
    """``<flow>#<connection>``, the partition key: the attribute `connection`."""
    variant: str
    kind: str | None = None
    generation: int = 0
    fence: int = 0
    token: bytes | None = field(default=None, repr=False)
    """The sealed token. Of an alias, which has a *target*: the sealed variant of that."""
    target: str | None = None
    fingerprint: str | None = None
    issued_at: int = 0
    expires_at: int = 0
    refresh_at: int = 0
    secret_version: str | None = None
    accepted_version: str | None = None
    latched_version: str | None = None
    """On the gate: the version whose latch was announced, but not yet its recovery."""
    outage_since: int = 0
    """On the gate: when the outage of the upstream began."""
    outage_phase: str | None = None
    """On the gate: which of the outage's events is being sent or was sent: see `announcements`."""
    outage_claim: int = 0
    """End of the time in which one invocation alone sends the event."""
    noticed_version: str | None = None
    """On the gate: the version of the secret that the last event named."""
    suspect_version: str | None = None
    """On the gate: a version that worked, and was rejected once, at *suspect_at*; or one that never
    did, and was refused for each of *suspect_variants*."""
    suspect_at: int = 0
    suspect_variants: tuple[str, ...] = ()
    held: Hold | None = None
    """On the gate: an operator's hold. Neither DELETE, a rotation nor an exchange removes it."""
    context: str | None = field(default=None, repr=False)
    lease_owner: str | None = None
    lease_until: int = 0
    renewal: str | None = None
    failure: Failure | None = None
    rejected: str | None = None
    rejected_versions: tuple[str, ...] = ()
    """Versions of the secret that the upstream rejected: never tried again."""
    latched_at: int = 0
    """When the last of the *rejected_versions* was rejected."""
    report_times: tuple[int, ...] = ()
    forced_at: int = 0
    nudged_until: int = 0
    """Until when a caller has claimed the background refresh."""
    corrupt: tuple[str, ...] = ()
    """Attributes that could not be read; the next holder of the lease removes them."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Attributes as they were read, even if corrupt, for conditional writes."""

    def decoded_context(self) -> Any:
        """Return the context that callers get with the token. None if it is not JSON."""
        try:
            return json.loads(self.context) if self.context else None
        except ValueError:
            return None

    def without_token(self) -> "Item":
        """Return this item as if no token were kept."""
        gone = ("token", "target", "fingerprint", "renewal", "context", "rejected")
        return replace(self, **dict.fromkeys(gone))

    def bare(self) -> "Item":
        """Return this item as DELETE leaves it: a running lease and a hold stay."""
        return Item(
            self.partition,
            self.variant,
            expires_at=self.expires_at,
            lease_until=self.lease_until,
            held=self.held,
        )

    @property
    def is_bare(self) -> bool:
        """Say whether DELETE has nothing to remove here."""
        kept = (self.token, self.fingerprint, self.target, self.failure, self.rejected_versions)
        of_gate = (self.accepted_version, self.suspect_version, self.latched_version)
        return not any((*kept, *of_gate, self.report_times, self.corrupt))

    @property
    def lifetime(self) -> int:
        """Seconds from the token's issue to its end."""
        return self.expires_at - self.issued_at

    @property
    def is_rejected(self) -> bool:
        """Say whether a caller reported the kept token as refused."""
        return self.rejected is not None and self.rejected == self.fingerprint

    def is_live(self, now: int) -> bool:
        """Say whether the kept token works: it has not ended, and was not reported as refused."""
        return self.lives_for(now, 0)

    def lives_for(self, now: int, min_ttl: int | None) -> bool:
        """Say whether the kept token works for *min_ttl* seconds. None: `default_min_ttl`."""
        seconds = default_min_ttl(self.lifetime) if min_ttl is None else min_ttl
        is_usable = self.token is not None and self.target is None and not self.is_rejected
        return is_usable and now < self.expires_at - seconds

    @property
    def is_stale(self) -> bool:
        """Say whether the exchange for a newer token still runs, failed, or never ended."""
        return self.failure is not None or self.lease_owner is not None

    def is_leased(self, now: int) -> bool:
        """Say whether a lease holder may still be making a token of this variant."""
        longest = LONGEST_LEASE_SECONDS
        return self.lease_owner is not None and is_ahead(self.lease_until, now, longest)

    def is_uncertain(self, now: int) -> bool:
        """Say whether an exchange never finished: the upstream may have revoked the kept token."""
        return self.lease_owner is not None and not self.is_leased(now)

    def is_good(self, now: int, min_ttl: int | None = None) -> bool:
        """Say whether the token lives for *min_ttl*, as in `lives_for`, and is not uncertain."""
        return self.lives_for(now, min_ttl) and not self.is_uncertain(now)

    @property
    def is_gate(self) -> bool:
        """Say whether this is the connection's gate, which may be its only variant's item, too."""
        return self.variant == GATE

    def is_latched(self, secret_version: str) -> bool:
        """Say whether this version was rejected."""
        return secret_version in self.rejected_versions

    @property
    def has_latching_failure(self) -> bool:
        """Say whether the last failure is the rejection of a version that is latched."""
        failure = self.failure
        if failure is None or failure.code != CREDENTIAL_REJECTED:
            return False
        return failure.secret_version in self.rejected_versions

    @property
    def awaits_recovery(self) -> bool:
        """Say whether a latch was announced, and no recovery since."""
        return self.latched_version is not None or self.has_latching_failure

    def has_accepted(self, version: str) -> bool:
        """Say whether the upstream accepted this version of the secret. This item is the gate."""
        return version in (self.accepted_version, self.secret_version)

    def is_suspect(self, version: str) -> bool:
        """Say whether this version, which was accepted before, was rejected once since."""
        return version == self.suspect_version and self.has_accepted(version)

    def awaits_second_try(self, version: str, now: int) -> bool:
        """Say whether *version* is suspect, and it is too early for its second try."""
        tried_at = self.suspect_at + SUSPECT_RETRY_SECONDS
        return self.is_suspect(version) and is_ahead(tried_at, now, SUSPECT_RETRY_SECONDS)

    def is_due(self, now: int) -> bool:
        """Say whether it is time to refresh the live token: by its age, or after a back-off."""
        if self.is_leased(now) or not self.is_live(now):
            return False
        return not self.failure.is_backing_off(now) if self.failure else now >= self.refresh_at

    def awaits_refresh(self, now: int) -> bool:
        """Say whether a refresh is due, and no caller has claimed it."""
        return self.is_due(now) and not self.is_claimed(now)

    def is_claimed(self, now: int) -> bool:
        """Say whether a caller has just started a background refresh."""
        return is_ahead(self.nudged_until, now, CLAIM_SECONDS)


def is_ahead(moment: int, now: int, longest: int) -> bool:
    """Say whether *moment* is ahead by at most *longest* and the skew: a right clock wrote it."""
    return now < moment <= now + longest + MAX_SKEW_SECONDS


def default_min_ttl(lifetime: int) -> int:
    """Return the seconds that a token must still live, for a call without `min_ttl`."""
    return min(DEFAULT_MIN_TTL, max(0, lifetime // 10))


def rfc3339(at: int) -> str | None:
    """Return a second as RFC 3339 in UTC; None for 0, which stands for never."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) if at else None
