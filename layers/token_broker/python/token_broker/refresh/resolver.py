"""Finds the variant that a request means: by an alias, or by the secret's defaults."""

from token_broker.aliases import Look, alias_values, expects_another, is_outdated
from token_broker.errors import InvalidRequest
from token_broker.item import Item
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.invocation import Invocation
from token_broker.secrets_manager import Secret
from token_broker.tokens import Variant


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
        if not own.target or not is_outdated(own, target):
            return False
        if expects_another(own, target):
            return True
        failures = [item.failure for item in (own, target) if item.failure]
        if any(failure.is_backing_off(now) for failure in failures):
            return False
        version = self._invocation.version()
        is_rejected = self._gate.knows_rejected(own, seen.gate, version)
        return own.secret_version != version and not is_rejected

    def resolve(self, variant: Variant, seen: Look) -> Variant | None:
        """Return the variant that *variant* stands for; None if only an exchange can tell.

        Raises `CredentialLatched` if the version of the secret was rejected, and `InvalidRequest`
        if *variant* does not fit the secret, which may pin another value.
        """
        own = seen.own
        self._gate.check(own, self._invocation.version())
        secret = self._invocation.secret()
        try:
            resolved = self._deps.flow.vendor.resolve(self._invocation.credentials(), variant)
        except InvalidRequest:
            self._drop_older(own, seen.target, secret)
            raise
        is_current = own.secret_version == secret.version
        if resolved.key != variant.key:
            if not (is_current and own.target == resolved.key):
                self._write(own, resolved, secret)
            return resolved
        if not (own.target and is_current) or expects_another(own, seen.target):
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

    def _write(self, own: Item, resolved: Variant, secret: Secret) -> None:
        sealed = self._deps.sealer.seal_variant(own, resolved)
        values = alias_values(sealed, resolved, secret.version, self._deps.clock.now())
        self._deps.store.alias_to(own, values)
