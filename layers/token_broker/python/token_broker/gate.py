"""The gate of a connection: no version of a secret that was rejected is tried again.

A version is unknown, accepted or rejected. While it is unknown, only the holder of the gate's
lease may log in with it: so a wrong password costs one login, however many variants are wanted.
The gate is the connection's item ``-``. Where that is the only variant, its own lease is enough.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from token_broker.errors import CredentialLatched
from token_broker.item import Failure, Item
from token_broker.moments import iso
from token_broker.variants import ONLY

if TYPE_CHECKING:
    from token_broker.errand import Errand


class Gate:
    """What one errand knows of its connection's gate, and its lease if it holds that."""

    def __init__(self, errand: "Errand") -> None:
        self._errand = errand
        self._lease: Item | None = None
        self._admitted: str | None = None
        self._rejected: dict[str, None] = {}

    def has_rejected(self, version: str) -> bool:
        """Say whether this errand itself met the rejection of *version*."""
        return version in self._rejected

    def knows_rejected(self, lease: Item, version: str) -> bool:
        """Say whether *version* was rejected, by all that is known."""
        gate = lease if lease.variant == ONLY else self._read()
        return self.has_rejected(version) or gate.is_latched(version)

    def check(self, own: Item, version: str) -> None:
        """Raise `CredentialLatched` if *version* was rejected. *own* may be the gate itself.

        Not if an event told of another one, which this process has not seen yet.
        """
        gate = own if own.variant == ONLY else self._read()
        noticed = gate.noticed_version
        if gate.is_latched(version) and noticed not in (None, version):
            version = self._errand.look_again().version
        if gate.is_latched(version):
            raise latched(gate)

    def admit(self, lease: Item, version: str) -> None:
        """Return when *version* may be tried by the holder of a variant's *lease*.

        Raises `CredentialLatched`, and `RefreshInProgress` while another one tries it.
        """
        if self._admitted == version:
            return
        if lease.variant == ONLY:
            self.check(lease, version)
        else:
            self._enter(version)
        self._admitted = version

    def accept(self, version: str) -> None:
        """Keep that *version* works, if that was not known."""
        if self._lease:
            lease, self._lease = self._lease, None
            self._errand.tools.store.accept(lease, version)
            if lease.failure:
                self._errand.announce("Connection Recovered", version)

    def reject(self, lease: Item, version: str, failure: Failure) -> None:
        """Keep that *version* was rejected, before anything else is tried."""
        store = self._errand.tools.store
        if lease.variant == ONLY:
            # What this errand wrote before is not in its lease, as that was read earlier.
            known = tuple(dict.fromkeys((*lease.rejected_versions, *self._rejected)))
            store.reject(replace(lease, rejected_versions=known), failure, version)
        elif self._lease:
            held, self._lease = self._lease, None
            store.fail(held, failure, renewal=None, version=version)
        else:
            self._revoke(failure, version)
        self._rejected[version] = None
        self._admitted = None
        self._errand.announce("Connection Latched", version)

    def release(self) -> None:
        """End the gate's lease with nothing learnt."""
        if self._lease:
            lease, self._lease = self._lease, None
            self._errand.tools.store.fail(lease, None, renewal=None, version=None)

    def _revoke(self, failure: Failure, version: str) -> None:
        """Keep the rejection of a version that nobody doubted, whoever else writes just now."""
        gate = self._read()
        while not gate.is_latched(version):
            gate = self._errand.tools.store.revoke(gate, failure, version) or self._read()

    def _enter(self, version: str) -> None:
        polls = 0
        while True:
            gate = self._read()
            if gate.is_latched(version):
                raise latched(gate)
            if gate.accepted_version == version:
                return
            if gate.is_leased(self._errand.tools.clock.now()):
                self._errand.wait(gate, polls)
                polls += 1
            else:
                if gate.damaged:
                    self._errand.tools.note("damaged", variant=ONLY, attributes=list(gate.damaged))
                self._lease = self._errand.take(gate)
                if self._lease:
                    return

    def _read(self) -> Item:
        return self._errand.tools.store.read(self._errand.partition, ONLY)


def latched(gate: Item) -> CredentialLatched:
    """Return the error that says since when *gate* is closed."""
    since = gate.failure.since if gate.failure else 0
    return CredentialLatched(
        f"this version of the secret was rejected at {iso(since)}, and is not tried again:"
        " set a new one, or DELETE to try this one once more",
        upstream_status=gate.failure.upstream_status if gate.failure else None,
        upstream_code=gate.failure.upstream_code if gate.failure else None,
        upstream_message=gate.failure.upstream_message if gate.failure else None,
    )
