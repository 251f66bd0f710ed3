"""The read of the table for a call: a variant's item, what that is an alias of, and the gate.

An alias is an item that refers to another one. "The only organization" refers to its uuid, and an
editor's request to all its parameters.
"""

from typing import TYPE_CHECKING

from token_broker.cache import CachedToken
from token_broker.decisions import AliasState, alias_state
from token_broker.errors import AWS_FAILURES, ConnectionHeld
from token_broker.item import GATE, Item
from token_broker.records import Record, replace
from token_broker.tokens import Token

if TYPE_CHECKING:
    from token_broker.dependencies import Dependencies


class Look(Record):
    """What one read of the table, begun at *read_at*, shows of a variant."""

    own: Item
    """The variant's own item: with a token, or an alias."""
    target: Item
    """The item that the alias refers to; without an alias, *own* itself."""
    gate: Item
    """The connection's gate; in a flow with one variant, that variant's item."""
    read_at: int

    @property
    def alias_state(self) -> AliasState:
        """Whether the alias is still right."""
        return alias_state(self.own, self.target, self.gate)

    @property
    def shown(self) -> Item:
        """The item that a hit uses. An alias that may be outdated is none: it has no token."""
        return self.target if self.alias_state is AliasState.VALID else self.own

    def of_target(self, key: str) -> "Look | None":
        """Return what this read showed of *key*: None unless that is the target, and no alias."""
        is_shown = self.target.variant == key and not self.target.target
        return replace(self, own=self.target) if is_shown else None


def look(deps: "Dependencies", partition: str, key: str) -> Look:
    """Read the item of *key*, its target and the gate. Raises `ConnectionHeld`.

    Each is strongly consistent, as of a moment after `Look.read_at`. It takes one request if the
    cache knows the target.
    """
    now = deps.clock.now()
    known = deps.cache.recall(partition, key)
    likely = known.item.variant if known else key
    found = deps.store.read_all(partition, key, likely, GATE)
    items = {item.variant: item for item in found}
    refuse_held(deps, items[GATE])
    own = items[key]
    target = items.get(own.target or key) or deps.store.read(partition, own.target or key)
    return Look(own, target, items[GATE], now)


def open_shown(deps: "Dependencies", seen: Look) -> CachedToken | None:
    """Decrypt and cache the token that *seen* shows. None if no live token can be opened."""
    item = seen.shown
    is_live = item.is_live(deps.clock.now())
    token = _token_of(deps, seen) if is_live else None
    if item.corrupt or (is_live and token is None):  # a corrupt item has no token
        attributes = list(item.corrupt) or ["token"]
        deps.emit("damaged", variant=item.variant, attributes=attributes)
    if token is None:
        return None
    opened = CachedToken(item, token, seen.read_at)
    deps.cache.put(seen.own.variant, opened)
    return opened


def _token_of(deps: "Dependencies", seen: Look) -> Token | None:
    """Decrypt the token; while KMS does not, the cache may still have the same one."""
    try:
        return deps.sealer.open_token(seen.shown)
    except AWS_FAILURES:
        cached = deps.cache.recall(seen.own.partition, seen.own.variant)
        if cached and cached.item.fingerprint == seen.shown.fingerprint:
            return cached.token
        raise


def refuse_held(deps: "Dependencies", gate: Item) -> None:
    """Raise `ConnectionHeld`, and forget cached tokens, if an operator holds the connection."""
    if gate.held:
        deps.cache.drop(gate.partition)
        raise ConnectionHeld(gate.held.words)
