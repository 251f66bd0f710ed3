"""The gate of a connection: no login with a version of the secret that was rejected.

A version is unknown, accepted, suspect (accepted, then rejected once) or latched, as
`decisions.verdict` decides. With one that is unknown or suspect, only the holder of the gate's
lease may log in: a wrong password costs one login, for any number of variants. The gate is the item
``-``, which may be the only variant's.
"""

from functools import partial
from typing import NamedTuple

from token_broker.conditional_writes import Rejection
from token_broker.decisions import Verdict, latched_by, verdict
from token_broker.errors import CredentialLatched, CredentialRejected, upstream_of
from token_broker.item import GATE, SUSPECT_RETRY_SECONDS, Item, rfc3339
from token_broker.look import refuse_held
from token_broker.refresh.invocation import Invocation

REPLICA_SECONDS = 60
"""Seconds in which a replica of Secrets Manager may still return the version before."""


class Judged(NamedTuple):
    """What a rejection means, and the variant's own item as it was written last."""

    verdict: Verdict
    own: Item
    was_accepted: bool
    """Whether the version had been accepted before."""


class CredentialGate:
    """One invocation's use of its connection's gate: `admit`; `accept` or `reject`; `release`."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._deps = invocation.deps
        self._secret = invocation.secret
        self._lease: Item | None = None
        """The gate's lease, while this invocation holds it."""
        self._admitted: str | None = None
        """The version that this invocation may log in with."""
        self._accepted: str | None = None
        """The version that the upstream accepted: the write that ends the lease records it."""

    def check(self, own: Item, version: str) -> None:
        """Raise `CredentialLatched` if *version* was rejected, by the gate as it was read last.

        If an event named another version, the secret is read again first.
        """
        gate = own if own.is_gate else self._invocation.gate
        latching = latched_by(gate, own, version)
        if latching and gate.noticed_version not in (None, version):
            latching = latched_by(gate, own, self._secret.reread().version)
        if latching:
            raise latched_error(latching)

    def admit(self, own: Item, version: str) -> None:
        """Return once this invocation, which holds the lease of *own*, may log in with *version*.

        Raises `CredentialLatched`, `RefreshInProgress` while another one tries it,
        `CredentialRejected` while it is too early for a second try, and `ConnectionHeld`.
        """
        if self._admitted == version:
            return
        if own.is_gate:
            refuse_held(self._deps, own)
            self.check(own, version)
            self._refuse_early(own, version)
        else:
            self._admit_by_gate(own, version)
        self._admitted = version

    def _refuse_early(self, gate: Item, version: str) -> None:
        """Raise `CredentialRejected` until a suspect *version* may have its second try."""
        now = self._deps.clock.now()
        if gate.awaits_second_try(version, now):
            raise suspect_error(gate, now)

    def _admit_by_gate(self, own: Item, version: str) -> None:
        """Wait until the gate has accepted *version*, or this caller has acquired its lease."""
        while True:
            gate = self._invocation.read_gate()
            refuse_held(self._deps, gate)
            if own.lease_owner is None and not gate.has_accepted(version):
                # No lease: it may have been refused since. The gate's lease compares and swaps.
                own = self._deps.store.read(own.partition, own.variant)
            if latching := latched_by(gate, own, version):
                raise latched_error(latching)
            if gate.has_accepted(version) and not gate.is_suspect(version):
                return
            self._refuse_early(gate, version)
            if gate.is_leased(self._deps.clock.now()):
                self._invocation.wait_for_lease(gate)
                continue
            if gate.corrupt:
                self._deps.emit("damaged", variant=GATE, attributes=list(gate.corrupt))
            self._lease, self._accepted = self._invocation.acquire(gate), None
            if self._lease:
                refuse_held(self._deps, self._lease)  # a read may have told that it was acquired
                return

    def accept(self, own: Item, version: str) -> None:
        """Keep that the upstream accepted *version*, if the gate does not know it yet.

        No error is raised; `release` tries once more. If *own* is the gate, its commit records it.
        """
        if not self._lease and not own.is_gate:
            self._recover(version)
        self._accepted = version
        self._write_accepted()

    def _write_accepted(self) -> None:
        """Write the acceptance that is not kept yet, if there is one, and end the gate's lease."""
        lease, accepted = self._lease, self._accepted
        if not lease or not accepted:
            return
        recovers = lease.awaits_recovery and not self._secret.is_previous

        def write() -> None:
            written = self._deps.store.accept(lease, accepted, recovers=recovers)
            self._lease = None
            if written and recovers:
                self._invocation.announcements.send("Connection Recovered", accepted)

        self._invocation.try_write(lease, write)

    def _recover(self, version: str) -> None:
        """End the latch of another version, unless a late replica may have returned *version*."""
        gate = self._invocation.gate
        is_other = gate.latched_version not in (None, version)
        is_noticed = gate.noticed_version in (None, version)
        is_current = is_noticed and not self._secret.is_previous
        age = self._deps.clock.now() - gate.latched_at
        if not (is_other and is_current and age >= REPLICA_SECONDS and gate.has_accepted(version)):
            return

        def write() -> None:
            if self._deps.store.recover(gate):
                self._invocation.announcements.send("Connection Recovered", version)

        self._invocation.try_write(gate, write)

    def reject(self, own: Item, rejection: Rejection, *, is_certain: bool) -> Judged:
        """Keep what *rejection* means, before anything else is tried. This ends the gate's lease.

        *own* is the variant's item. *is_certain* says whether the upstream's answer can only be
        about the credentials. A variant's refusal is kept in its own item, too; that of the
        previous version there alone, as the gate has room for one version.
        """
        version = rejection.version
        lease = own if own.is_gate else self._lease
        gate = lease or self._invocation.read_gate()
        owner = lease.lease_owner if lease else None
        written: Item | None = None
        while not written:
            was_accepted, now = gate.has_accepted(version), self._deps.clock.now()
            decided = verdict(gate, version, own.variant, now, is_certain=is_certain)
            if decided is Verdict.BLAME_VARIANT:
                return Judged(decided, own, was_accepted)
            if decided is Verdict.REFUSE_VARIANT and self._secret.is_previous:
                return Judged(decided, self._refuse(own, rejection, now), was_accepted)
            has_lease = owner is not None and owner == gate.lease_owner
            written = self._deps.store.judge(gate, decided, rejection, now, has_lease=has_lease)
            gate = written or self._invocation.read_gate()
        self._lease = self._admitted = None
        if decided is Verdict.LATCH:
            self._invocation.announcements.send("Connection Latched", version)
        if decided is Verdict.REFUSE_VARIANT:
            own = self._refuse(own, rejection, now)
        elif own.is_gate and gate.lease_owner == own.lease_owner:
            own = gate  # unless another caller has acquired the lease
        return Judged(decided, own, was_accepted)

    def _refuse(self, own: Item, rejection: Rejection, now: int) -> Item:
        """Let the variant's *own* item forbid the version; return it as it was written last."""
        has_lease = own.lease_owner is not None
        kept = self._deps.store.judge(own, Verdict.LATCH, rejection, now, has_lease=has_lease)
        return kept if kept and kept.lease_owner == own.lease_owner else own

    def release(self) -> None:
        """End the gate's lease, which nested attempts share; first write an acceptance."""
        self._write_accepted()
        lease, self._lease = self._lease, None
        if lease:
            write = partial(self._deps.store.release, lease, None, renewal=None)
            self._invocation.try_write(lease, write)


def suspect_error(gate: Item, now: int) -> CredentialRejected:
    """Return the error for callers while a suspect version waits for its second try."""
    return CredentialRejected(
        "this version of the secret worked before, and was rejected: it is tried once more",
        retry_after=max(1, gate.suspect_at + SUSPECT_RETRY_SECONDS - now),
        **upstream_of(gate.failure),
    )


def latched_error(gate: Item) -> CredentialLatched:
    """Return the error for a version that *gate*, or a variant's own item, has latched."""
    since = rfc3339(gate.latched_at or (gate.failure.since if gate.failure else 0))
    at = f" at {since}" if since else ""
    return CredentialLatched(
        f"this version of the secret was rejected{at}, and is not tried again:"
        " set a new one, or DELETE to try this one once more",
        **upstream_of(gate.failure),
    )
