"""The conditions that a token must meet for a call, or for another exchange."""

from token_broker.decisions import longest_min_ttl, too_long
from token_broker.errors import UpstreamContractChanged, UpstreamUnavailable
from token_broker.item import Item
from token_broker.records import Record, replace
from token_broker.tokens import TokenRequest


class Requirement(Record):
    """Conditions of a call on its token. It must live *min_ttl* seconds."""

    min_ttl: int | None = None
    rejected: str | None = None
    """Fingerprint of a token that the vendor refused: the token must be another one."""
    force: bool = False
    newer_than: int | None = None
    """A generation: the token must have a higher one."""
    version: str | None = None
    """The version of the secret that the token must be made with."""

    @classmethod
    def of(cls, request: TokenRequest) -> "Requirement":
        """Return what *request* requires."""
        return cls(request.min_ttl, request.rejected, request.force)

    @property
    def may_be_cached(self) -> bool:
        """Say whether a cached token may meet this.

        Not if the caller reports a token: the cached one may be older.
        """
        return not (self.force or self.rejected)

    def resolved(self, version: str) -> "Requirement":
        """Return this requirement for another variant, which has generations of its own.

        *version* is the version of the secret in use, which may be the previous one by now.
        """
        return replace(self, newer_than=None, version=self.version and version)

    def after(self, item: Item) -> "Requirement":
        """Return this requirement; if it forces, it demands a newer token than that of *item*."""
        is_forced = self.force and self.newer_than is None
        return replace(self, newer_than=item.generation) if is_forced else self

    def is_met(self, item: Item, now: int) -> bool:
        """Say whether the token of *item* meets this."""
        return (
            item.is_good(now, self.min_ttl)
            and item.fingerprint != self.rejected
            and (self.newer_than is None or item.generation > self.newer_than)
            and self.version in (None, item.secret_version)
        )

    def is_met_by_new(self, item: Item, now: int) -> bool:
        """Say whether a token that this invocation made meets this: it is new, as force demands."""
        return replace(self, force=False, newer_than=None).is_met(item, now)

    def check_new(self, item: Item, now: int) -> None:
        """Raise if the new token of *item* does not meet this. It stays kept for other callers."""
        if self.rejected and item.fingerprint == self.rejected:
            raise UpstreamContractChanged("the upstream issued the reported token once more")
        if item.is_live(now, self.min_ttl):
            return
        if self.min_ttl and self.min_ttl > longest_min_ttl(item.lifetime):
            raise too_long(item)
        raise UpstreamUnavailable("the new token had too little time left", retry_after=1)
