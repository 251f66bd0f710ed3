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

        Not while an exchange backs off, or the secret's new version is rejected.
        """
        if seen.alias_state is not AliasState.UNCONFIRMED:
            return seen.alias_state in WRONG
        if self._is_backing_off(seen):
            return False
        version = self._secret.recent_version()
        return seen.own.secret_version != version and not latched_by(seen.gate, seen.own, version)

    def confirm(self, seen: Look) -> None:
        """Write the alias in *seen* anew if the secret shows that it is right: then it is a hit."""
        own, now = seen.own, self._deps.clock.now()
        if seen.alias_state is not AliasState.UNCONFIRMED or self._is_backing_off(seen):
            return
        is_early = not is_newer(replace(own, issued_at=now), seen.target)
        if is_early or own.is_leased(now) or own.secret_version != self._secret.recent_version():
            return
        if target := self._current_target(seen):
            self._write(own, target, expected_by(own))

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
        if own.secret_version == version and (target := self._next_of(seen, resolved)):
            return Alias(variant, own, target, seen.of_target(target.key))
        if resolved.key == variant.key:
            return None
        is_shared = self._secret.is_shared()  # if not, nothing is kept under the key of a request
        kept = self._write(own, resolved, {}) if is_shared else None
        return Alias(variant, kept, resolved, seen.of_target(resolved.key))

    def is_contradicted(self, followed: Sequence[Alias], found: Item) -> bool:
        """Say whether *found* has another role than the last of *followed* expects.

        A token of the secret's previous version may be another account's.
        """
        alias = followed[-1].item if followed and not self._secret.is_previous else None
        return alias is not None and expects_another(alias, found)

    def shorten(self, followed: Sequence[Alias], end: Variant, seen: Look | None) -> None:
        """Rewrite each of *followed*, the last of which leads to *end*: one read finds the token.

        *seen* showed it: *end* may itself be an alias, which another call has resolved. With the
        secret's previous version the aliases stay as they are.
        """
        items = [alias.item for alias in followed if alias.item]
        expected: dict[str, Any] = {}
        if self._secret.is_previous or not items:
            return
        if seen and seen.own.target:
            target = self._current_target(seen)
            if target is None:
                return
            end, expected = target, expected_by(seen.own)
        for item in reversed(items):
            expected = expected_by(item) | expected
            if item.target != end.key and not self._write(item, end, expected):
                return

    def _current_target(self, seen: Look) -> Variant | None:
        """Return the alias's target, if the alias was made with the current version."""
        try:
            is_current = seen.own.secret_version == self._secret.current().version
            return self._target(seen) if is_current else None
        except BrokerError as error:
            self._deps.emit("unkept", code=error.code, variant=seen.own.variant)
            return None

    def _next_of(self, seen: Look, resolved: Variant) -> Variant | None:
        """Return the alias's target; None if *resolved*, which the secret tells, comes first.

        The alias may lead past that, to the token.
        """
        if seen.own.target == resolved.key:
            return resolved
        is_end = resolved.kind in self._deps.flow.vendor.token_kinds
        return None if is_end and resolved.key != seen.own.variant else self._target(seen)

    def _target(self, seen: Look) -> Variant | None:
        """Open the target of the alias in *seen*; None if that is wrong, damaged, or no alias."""
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
        """Keep *own* as an alias of *target*; None if *own* has changed, or AWS fails.

        No token depends on an alias.
        """
        try:
            values = alias_values(self._deps, own, target, self._secret.version(), expected)
            return self._deps.store.alias_to(own, values)
        except AWS_FAILURES as error:
            self._deps.emit("unkept", code=error.code, variant=own.variant)
            return None
