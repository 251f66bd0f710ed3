"""The conditions that a token must meet for a call, or for another exchange."""

from token_broker.decisions import FORCE_INTERVAL_SECONDS, may_force
from token_broker.errors import (
    InvalidRequest,
    TooManyRequests,
    UpstreamContractChanged,
    UpstreamUnavailable,
)
from token_broker.item import Item, default_min_ttl
from token_broker.records import Record


class Requirement(Record):
    """Conditions of a call on its token. It must live *min_ttl* seconds."""

    min_ttl: int | None = None
    rejected: frozenset[str] = frozenset()
    """Fingerprints of tokens that the vendor refused: the token must be another one."""
    force: bool = False
    """The token must be newer than the one that this invocation read first: `Refresher._step` turns
    this into *newer_than*."""
    newer_than: int | None = None
    """The token must have a higher generation. Generations count within one variant."""
    of_version_in_use: bool = False
    """The token must be made with the version of the secret that this invocation uses."""
    by_exchange: bool = False
    """Whether an exchange reports *rejected*, not a caller: other limits apply."""

    def is_met(self, item: Item, now: int, version: str | None) -> bool:
        """Say whether the token of *item* meets this.

        *version* is the version of the secret in use; None if this does not demand it.
        """
        return (
            item.is_good(now, self.min_ttl)
            and item.fingerprint not in self.rejected
            and (self.newer_than is None or item.generation > self.newer_than)
            and version in (None, item.secret_version)
        )

    def check_demand(self, own: Item, now: int) -> bool:
        """Say whether only the caller's demand causes an exchange: the token is good enough.

        Raises `TooManyRequests` if the last such exchange was less than `FORCE_INTERVAL_SECONDS`
        seconds ago.
        """
        is_early = own.is_good(now) and now < own.refresh_at
        is_on_demand = self.force or (is_early and self.min_ttl is not None)
        if is_on_demand and not may_force(own, now):
            field = "force" if self.force else "min_ttl, while the kept token is young"
            raise TooManyRequests(
                f"{field}: at most once in {FORCE_INTERVAL_SECONDS} seconds",
                retry_after=own.forced_at + FORCE_INTERVAL_SECONDS - now,
            )
        return is_on_demand

    def check_new(self, item: Item, now: int) -> None:
        """Raise if the new token of *item* does not meet this. It stays kept for other callers."""
        if item.fingerprint in self.rejected:
            raise UpstreamContractChanged("the upstream issued the reported token once more")
        if not item.lives_for(now, self.min_ttl):
            self._refuse_longer_than(item)
            raise UpstreamUnavailable("the new token had too little time left", retry_after=1)

    def refuse_too_long(self, item: Item, now: int) -> None:
        """Raise if no new token will live *min_ttl* seconds. Only a live one shows how long."""
        if item.is_live(now):
            self._refuse_longer_than(item)

    def _refuse_longer_than(self, item: Item) -> None:
        longest, lifetime = item.lifetime - default_min_ttl(item.lifetime), item.lifetime
        if self.min_ttl and self.min_ttl > longest:
            words = f"{longest} at most, as tokens of this upstream live {lifetime} seconds"
            raise InvalidRequest(f"min_ttl: {words}")
