"""Finds the variant that a request means: by an alias, or by the secret's defaults."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from token_broker.aliases import Look, alias_values, expected_by, expects_another, may_be_outdated
from token_broker.errors import BrokerError, InvalidRequest
from token_broker.item import Item
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.outcome import Alias
from token_broker.secrets_manager import Secret
from token_broker.tokens import Variant


class Followed(NamedTuple):
    """An alias that was followed: the variant that was wanted, and its item, if that is kept."""

    variant: Variant
    item: Item | None


class Resolver:
    """Follows the aliases of one connection, and writes those that need only the secret."""

    def __init__(self, invocation: Invocation, gate: CredentialGate) -> None:
        self._invocation = invocation
        self._deps = invocation.deps
        self._gate = gate

    def is_outdated(self, seen: Look) -> bool:
        """Say whether the alias in *seen* must be resolved again.

        So it is if the role that it records has changed, or the secret. After a change of the
        secret it is still followed while an exchange backs off, or the new version is rejected.
        """
        own, target, now = seen.own, seen.target, self._deps.clock.now()
        if not own.target or not may_be_outdated(own, target):
            return False
        if expects_another(own, target):
            return True
        failures = [item.failure for item in (own, target) if item.failure]
        if any(failure.is_backing_off(now) for failure in failures):
            return False
        version = self._invocation.recent_version()
        is_rejected = self._gate.knows_rejected(own, seen.gate, version)
        return own.secret_version != version and not is_rejected

    def resolve(self, variant: Variant, seen: Look) -> Alias | None:
        """Return what *variant* is an alias of; None if only an exchange can tell.

        Raises `CredentialLatched` if the version of the secret was rejected, and `InvalidRequest`
        if *variant* does not fit the secret, which may pin another value.
        """
        own = seen.own
        self._gate.check(own, self._invocation.recent_version())
        secret = self._invocation.secret()
        try:
            resolved = self._deps.flow.vendor.resolve(self._invocation.credentials(), variant)
        except InvalidRequest:
            self._drop_older(own, seen.target, secret)
            raise
        is_current = own.secret_version == secret.version
        if is_current and own.target == resolved.key:
            return Alias(resolved, own)
        # An alias of an alias leads to the token, past what the secret alone tells.
        is_end = resolved.kind in self._deps.flow.vendor.token_kinds
        may_be_alias = resolved.key == variant.key or not is_end
        if is_current and may_be_alias and (found := self._recorded(seen)):
            return Alias(found, own)
        if resolved.key == variant.key:
            return None
        if not self._invocation.is_shared():
            return Alias(resolved, None)  # nothing is kept under its key
        return Alias(resolved, self._write(own, resolved, secret.version))

    def is_contradicted(self, followed: Sequence[Followed], found: Item) -> bool:
        """Say whether *found*, which is new, has another role than the last of *followed* expects.

        A token of the previous version of the secret does not count: it may be another account's.
        """
        alias = followed[-1].item if followed and not self._invocation.uses_previous else None
        return alias is not None and expects_another(alias, found)

    def shorten(self, followed: Sequence[Followed], end: Variant, seen: Look | None) -> None:
        """Let each of the aliases *followed*, the last of which leads to *end*, lead to it at once.

        *seen* is the read that showed the token: *end* may be an alias itself, which another call
        has resolved. So one read of the table finds the token, and a call's report reaches it. What
        fails is emitted, not raised: the caller has the token. With the previous version of the
        secret the aliases stay as they are.
        """
        if self._invocation.uses_previous or not any(item for _, item in followed):
            return
        version, expected = self._invocation.secret().version, dict[str, Any]()
        if seen and seen.own.target:
            found = self._end_of(seen, version)
            if found is None:
                return
            end, expected = found, expected_by(seen.own)
        for variant, item in reversed(followed):
            if item is None:
                continue
            expected = expected_by(item) | expected
            if item.target == end.key:
                continue
            try:
                self._write(item, end, version, expected)
            except BrokerError as error:
                self._deps.emit("unkept", code=error.code, variant=variant.key)
                return

    def _end_of(self, seen: Look, version: str) -> Variant | None:
        """Return what the alias in *seen* leads to, if it was made with *version*."""
        if seen.own.secret_version != version:
            return None
        try:
            return self._recorded(seen)
        except BrokerError as error:
            self._deps.emit("unkept", code=error.code, variant=seen.own.variant)
            return None

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

    def _drop_older(self, own: Item, target: Item, secret: Secret) -> None:
        """Drop the tokens of a request that only an older version of the secret allowed."""
        for item in (own, target):
            if item.fingerprint and item.secret_version != secret.version:
                self._deps.store.drop(item)
                self._deps.cache.drop(self._invocation.partition)

    def _write(
        self, own: Item, target: Variant, version: str, expected: Mapping[str, Any] | None = None
    ) -> Item | None:
        """Keep *own* as an alias of *target*; None if *own* has changed since it was read."""
        sealed = self._deps.sealer.seal_variant(own, target)
        values = alias_values(sealed, target, version, self._deps.clock.now(), expected)
        return self._deps.store.alias_to(own, values)
