"""What a token must be to meet a call, or the needs of another exchange."""

from token_broker.item import Item
from token_broker.records import Record, replace
from token_broker.tokens import TokenRequest


class Requirement(Record):
    """A token that lives *min_ttl* seconds, and is not the one that it is to replace."""

    min_ttl: int | None = None
    rejected: str | None = None
    """Fingerprint of a token that the vendor refused."""
    force: bool = False
    newer_than: int | None = None
    """A generation that is not new enough."""
    version: str | None = None
    """The version of the secret that the token must be made with."""

    @classmethod
    def of(cls, request: TokenRequest) -> "Requirement":
        """Return what *request* requires."""
        return cls(request.min_ttl, request.rejected, request.force)

    @property
    def may_be_cached(self) -> bool:
        """Say whether what this process read a moment ago is new enough.

        Not for a caller that reports a token: what is cached may be older than that.
        """
        return not (self.force or self.rejected)

    def resolved(self, version: str) -> "Requirement":
        """Return this requirement for another variant, which has generations of its own.

        *version* is the one that is used by now, which may be the one before.
        """
        return replace(self, newer_than=None, version=self.version and version)

    def after(self, item: Item) -> "Requirement":
        """Return this requirement; where it forces, it is met by what is newer than *item*."""
        is_forced = self.force and self.newer_than is None
        return replace(self, newer_than=item.generation) if is_forced else self

    def is_met(self, item: Item, now: int) -> bool:
        """Say whether the token of *item* would do."""
        return (
            item.is_live(now, self.min_ttl)
            and not item.is_uncertain(now)
            and item.fingerprint != self.rejected
            and (self.newer_than is None or item.generation > self.newer_than)
            and self.version in (None, item.secret_version)
        )

    def is_met_by_new(self, item: Item, now: int) -> bool:
        """Say whether a token that this invocation made would do: new is all that force means."""
        return replace(self, force=False, newer_than=None).is_met(item, now)
