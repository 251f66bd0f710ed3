"""Finds the variant that a request means: by an alias, or by the secret's defaults."""

from collections.abc import Mapping, Sequence
from typing import Any

from token_broker.decisions import (
    WRONG,
    AliasState,
    expected_by,
    expects_another,
    is_newer,
    latched_by,
)
from token_broker.errors import AWS_FAILURES, BrokerError, InvalidRequest
from token_broker.item import Item
from token_broker.look import Look
from token_broker.records import replace
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.outcome import Alias, alias_values
from token_broker.tokens import Variant


class Resolver:
    """Follows the aliases of one connection, and writes those that need only the secret."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._deps = invocation.deps
        self._secret = invocation.secret

    def is_outdated(self, seen: Look) -> bool:
        """Say whether the alias in *seen* must be resolved again; ask the secret if need be.

        After a change of the secret the alias is still followed while an exchange backs off, or the
        new version is rejected.
        """
        if seen.alias_state is not AliasState.UNCONFIRMED:
            return seen.alias_state in WRONG
        if self._is_backing_off(seen):
            return False
        version = self._secret.recent_version()
        return seen.own.secret_version != version and not latched_by(seen.gate, seen.own, version)

    def confirm(self, seen: Look) -> None:
        """Write the alias in *seen* anew if the secret shows that it is right: then it is a hit.

        Not before the new one is certainly newer than the token that it leads to.
        """
        own, now = seen.own, self._deps.clock.now()
        if seen.alias_state is not AliasState.UNCONFIRMED or self._is_backing_off(seen):
            return
        is_early = not is_newer(replace(own, issued_at=now), seen.target)
        if is_early or own.is_leased(now) or own.secret_version != self._secret.recent_version():
            return
        if end := self._end_of(seen):
            self._write(own, end, expected_by(own))

    def _is_backing_off(self, seen: Look) -> bool:
        """Say whether an exchange of the alias, or of its target, backs off."""
        now, failures = self._deps.clock.now(), (seen.own.failure, seen.target.failure)
        return any(failure.is_backing_off(now) for failure in failures if failure)

    def resolve(self, variant: Variant, seen: Look) -> Alias | None:
        """Return what *variant* is an alias of; None if only an exchange can tell.

        Raises `InvalidRequest` if *variant* does not fit the secret, which may pin another value.
        """
        own, version = seen.own, self._secret.version()
        try:
            resolved = self._deps.flow.vendor.resolve(self._secret.credentials(), variant)
        except InvalidRequest:
            self._drop_older(seen, version)
            raise
        if own.secret_version == version and (target := self._known(seen, resolved)):
            return Alias(variant, own, target, seen.of_target(target.key))
        if resolved.key == variant.key:
            return None
        is_shared = self._secret.is_shared()  # if not, nothing is kept under the key of a request
        kept = self._write(own, resolved, {}) if is_shared else None
        return Alias(variant, kept, resolved, seen.of_target(resolved.key))

    def is_contradicted(self, followed: Sequence[Alias], found: Item) -> bool:
        """Say whether *found* has another role than the last of *followed* expects.

        A token of the previous version of the secret does not count: it may be another account's.
        """
        alias = followed[-1].item if followed and not self._secret.is_previous else None
        return alias is not None and expects_another(alias, found)

    def shorten(self, followed: Sequence[Alias], end: Variant, seen: Look | None) -> None:
        """Rewrite each of the aliases *followed*, the last of which leads to *end*, to lead to it.

        *seen* is the read that showed the token: *end* may be an alias itself, which another call
        has resolved. So one read of the table finds the token, and a call's report reaches it.
        With the previous version of the secret the aliases stay as they are.
        """
        items = [alias.item for alias in followed if alias.item]
        expected: dict[str, Any] = {}
        if self._secret.is_previous or not items:
            return
        if seen and seen.own.target:
            found = self._end_of(seen)
            if found is None:
                return
            end, expected = found, expected_by(seen.own)
        for item in reversed(items):
            expected = expected_by(item) | expected
            if item.target != end.key and not self._write(item, end, expected):
                return

    def _end_of(self, seen: Look) -> Variant | None:
        """Return what the alias in *seen* leads to, if it was made with the current version."""
        try:
            is_current = seen.own.secret_version == self._secret.current().version
            return self._recorded(seen) if is_current else None
        except BrokerError as error:
            self._deps.emit("unkept", code=error.code, variant=seen.own.variant)
            return None

    def _known(self, seen: Look, resolved: Variant) -> Variant | None:
        """Return what the alias in *seen* leads to, unless *resolved* is to be followed instead.

        *resolved* is what the secret alone tells. The alias may lead past it, to the token.
        """
        if seen.own.target == resolved.key:
            return resolved
        is_end = resolved.kind in self._deps.flow.vendor.token_kinds
        return None if is_end and resolved.key != seen.own.variant else self._recorded(seen)

    def _recorded(self, seen: Look) -> Variant | None:
        """Return the variant that the alias in *seen* leads to; None if there is none."""
        own = seen.own
        if not own.target or expects_another(own, seen.target):
            return None
        found = self._deps.sealer.open_variant(own)
        if found is None or found.key != own.target:
            self._deps.emit("damaged", variant=own.variant, attributes=["target"])
            return None
        return found

    def _drop_older(self, seen: Look, version: str) -> None:
        """Drop the token of a request that only an older version of the secret allowed."""
        item = seen.target  # an alias itself has no token
        if item.fingerprint and item.secret_version != version:
            self._deps.store.drop(item)
            self._deps.cache.drop(self._invocation.partition)

    def _write(self, own: Item, target: Variant, expected: Mapping[str, Any]) -> Item | None:
        """Keep *own* as an alias of *target*; None if *own* has changed since it was read.

        None, too, if AWS fails. That is emitted, not raised: no token depends on an alias.
        """
        try:
            values = alias_values(self._deps, own, target, self._secret.version(), expected)
            return self._deps.store.alias_to(own, values)
        except AWS_FAILURES as error:
            self._deps.emit("unkept", code=error.code, variant=own.variant)
            return None
