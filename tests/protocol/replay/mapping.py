"""The refinement mapping: from an item of the code to an item of the model.

The model has no clock. A token's age, a lease's phase and a back-off are computed from the item's
times by the clock of the reader.
"""

from dataclasses import dataclass, field

from tests.protocol.model.state import Age, Failure, Lease, Renewal
from tests.protocol.model.state import Item as Abstract
from token_broker.item import Item, default_min_ttl
from token_broker.tokens import ONLY

RENEWALS = {"ready": Renewal.READY, "in_use": Renewal.IN_USE}


@dataclass(slots=True)
class Mapping:
    """Numbers for the names in a run; *has_gate*: the item ``-`` is only a gate."""

    has_gate: bool
    skew: int
    variants: dict[str, int] = field(default_factory=lambda: {ONLY: 0})
    _tokens: dict[str, int] = field(default_factory=dict)

    def item(self, item: Item, now: int, min_ttl: int | None = None) -> Abstract:
        """Return the model's view of *item* at *now*, for a call with *min_ttl*."""
        is_gate = self.has_gate and item.variant == ONLY
        failure = None if is_gate else item.failure
        is_outage = failure is not None and failure.code == "upstream_unavailable"
        is_suspect = item.suspect_version is not None and not item.suspect_variants
        return Abstract(
            token=self.token(item),
            age=self._age(item, now, min_ttl),
            generation=item.generation,
            fence=item.fence,
            lease=self.lease(item, now),
            # Without a token the mark has no meaning: a DELETE may come between read and acquire.
            renewal=RENEWALS.get(item.renewal or "", Renewal.ABSENT)
            if item.token
            else Renewal.ABSENT,
            rejected=int(item.is_rejected),
            failure=Failure.CALM
            if not failure
            else Failure.PATIENT
            if failure.is_backing_off(now)
            else Failure.DUE,
            strict=int(failure is not None and failure.is_login),
            blames=-1 if not failure or is_outage else version(failure.secret_version),
            latch=sum(1 << version(one) for one in item.rejected_versions),
            version=version(item.secret_version),
            accepted=version(item.accepted_version),
            suspect=version(item.suspect_version),
            suspects=sum(1 << self.variant(one) for one in item.suspect_variants),
            early=int(is_suspect and item.awaits_second_try(item.suspect_version or "", now)),
        )

    def token(self, item: Item) -> int:
        """Return the number of an item's token or alias; 0 is none."""
        if item.token is None:
            return 0
        name = item.fingerprint or f"{item.target} {item.secret_version} {item.issued_at}"
        return self.number(f"{item.variant} {name}")

    def variant(self, key: str) -> int:
        return self.variants.setdefault(key, len(self.variants))

    def number(self, name: str) -> int:
        return self._tokens.setdefault(name, len(self._tokens) + 1)

    def lease(self, item: Item, now: int) -> int:
        if item.lease_owner is None:
            return Lease.FREE
        if not item.is_leased(now):
            return Lease.OVER
        return Lease.EARLY if now <= item.lease_until - self.skew else Lease.LATE

    @staticmethod
    def _age(item: Item, now: int, min_ttl: int | None) -> int:
        seconds = default_min_ttl(item.lifetime) if min_ttl is None else min_ttl
        is_ended = now >= item.expires_at - seconds
        if item.token is None or is_ended:
            return Age.DEAD
        return Age.AGING if now >= item.refresh_at else Age.FRESH


def version(name: str | None) -> int:
    """Return the number of a version of the secret, -1 for none."""
    return int(name[1:]) - 1 if name else -1


def timeless(item: Abstract) -> Abstract:
    """Return *item* without its time-dependent parts, to compare two times."""
    failure = min(item.failure, Failure.PATIENT) if item.failure != Failure.DUE else Failure.PATIENT
    lease = Lease.FREE if item.lease == Lease.FREE else Lease.EARLY
    early = int(item.suspect >= 0 and not item.suspects)
    return item._replace(age=Age.DEAD, lease=lease, failure=failure, early=early)
