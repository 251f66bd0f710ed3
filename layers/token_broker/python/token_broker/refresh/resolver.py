"""Which variant is meant: an alias leads to it, or the secret's defaults complete it."""

from token_broker.aliases import Look, alias_values, expects_another, is_outdated
from token_broker.errors import InvalidRequest
from token_broker.item import Item
from token_broker.refresh.credential_gate import CredentialGate
from token_broker.refresh.invocation import Invocation
from token_broker.secrets_manager import Secret
from token_broker.tokens import Variant


class Resolver:
    """Follows the aliases of one connection, and writes those that the secret alone gives."""

    def __init__(self, invocation: Invocation, gate: CredentialGate) -> None:
        self._invocation = invocation
        self._deps = invocation.deps
        self._gate = gate

    def is_outdated(self, seen: Look) -> bool:
        """Say whether an alias may lead to another item by now: by a new version, or by a new role.

        A version that is rejected, or backs off, leaves the old way good enough; a role does not:
        what it leads to is not what is wanted.
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
        """Return the variant that *variant* stands for; None where only the vendor can tell.

        Raises `CredentialLatched` before a secret that was rejected is read again, and
        `InvalidRequest` where this version of the secret does not allow *variant*: by a pin.
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
        """Drop what was made for a request that an older version of the secret allowed."""
        for item in (own, target):
            if item.fingerprint and item.secret_version != secret.version:
                self._deps.store.drop(item)
                self._deps.cache.drop(self._invocation.partition)

    def _write(self, own: Item, resolved: Variant, secret: Secret) -> None:
        sealed = self._deps.sealer.seal_variant(own, resolved)
        values = alias_values(sealed, resolved, secret.version, self._deps.clock.now())
        self._deps.store.alias_to(own, values)
