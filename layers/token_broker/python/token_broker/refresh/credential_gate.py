"""The gate of a connection: no login with a version of the secret that was rejected.

A version is unknown, accepted, suspect or rejected; `decisions.verdict` decides which. With an
unknown version, only the holder of the gate's lease may log in. So a wrong password costs one
login, for any number of variants. The same is true of a suspect version, which was accepted and
then rejected once. The gate is the connection's item ``-``. If that is the only variant, its own
lease is enough.
"""

from collections.abc import Callable
from typing import NamedTuple

from token_broker.aliases import refuse_held
from token_broker.conditional_writes import Rejection
from token_broker.decisions import Verdict, latched_by, verdict
from token_broker.errors import BrokerError, CredentialLatched, CredentialRejected, upstream_of
from token_broker.item import GATE, SUSPECT_RETRY_SECONDS, Failure, Item, rfc3339
from token_broker.refresh.invocation import Invocation

ACCEPT_PAUSE_SECONDS = 0.1
"""How long to wait before an acceptance that could not be written is written again."""


REPLICA_SECONDS = 60
"""Seconds in which a replica of Secrets Manager may still return the version before."""


class Judged(NamedTuple):
    """What a rejection means, and the variant's lease as it was written last."""

    verdict: Verdict
    lease: Item
    was_accepted: bool
    """Whether the version had been accepted before."""


class CredentialGate:
    """One invocation's use of its connection's gate.

    Before a request with the credentials: `admit`. After it: `accept` or `reject`. `release` ends
    the gate's lease, if this invocation holds it.
    """

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._deps = invocation.deps
        self._lease: Item | None = None
        """The gate's lease, while this invocation holds it."""
        self._admitted: str | None = None
        """The version that this invocation may log in with."""
        self._accepted: str | None = None
        """The version that the upstream accepted; `finish` writes it."""
        self._rejected: set[str] = set()
        """Versions that this invocation knows as rejected."""

    def has_rejected(self, version: str) -> bool:
        """Say whether this invocation has seen the rejection of *version*."""
        return version in self._rejected

    def remember_rejection(self, version: str | None) -> None:
        """Remember that a kept failure records the rejection of *version*."""
        if version:
            self._rejected.add(version)

    def knows_rejected(self, own: Item, gate: Item, version: str) -> bool:
        """Say whether *version* was rejected, as far as known. *own* may be the gate."""
        return self.has_rejected(version) or latched_by(gate, own, version) is not None

    def check(self, own: Item, version: str) -> None:
        """Raise `CredentialLatched` if *version* was rejected. *own* may be the gate itself.

        The gate is as this invocation read it last; `admit` reads it again before a login. If an
        event named another version than the rejected one, the secret is read again first. A
        rejection for one variant alone counts until another variant proves the version.
        """
        gate = own if own.is_gate else self._invocation.gate
        latching = latched_by(gate, own, version)
        if latching and gate.noticed_version not in (None, version):
            latching = latched_by(gate, own, self._invocation.reread_secret().version)
        if latching:
            raise latched(latching)

    def admit(self, lease: Item, version: str) -> None:
        """Return once the holder of a variant's *lease* may log in with *version*.

        Raises `CredentialLatched`, `RefreshInProgress` while another one tries it,
        `CredentialRejected` while it is too early for a second try, and `ConnectionHeld`.
        """
        if self._admitted == version:
            return
        if lease.is_gate:
            self.check(lease, version)
            self._refuse_early(lease, version)
        else:
            self._admit_by_gate(version)
        self._admitted = version

    def accept(self, own: Item, version: str) -> None:
        """Keep that the upstream accepted *version*, if the gate does not know it yet.

        If that cannot be written, even at a second try, no error is raised: the caller has a token.
        `finish` tries once more at the end of the exchange. *own* is the variant's item: if that is
        the gate, the token's commit keeps all this.
        """
        if not self._lease and not own.is_gate:
            self._recover(version)
        self._accepted = version
        self.finish()
        if self._lease:
            self._deps.clock.sleep(ACCEPT_PAUSE_SECONDS)
            self.finish()

    def finish(self) -> None:
        """Write the acceptance that is not kept yet, if there is one, and end the gate's lease."""
        if not self._lease or not self._accepted:
            return
        try:
            recovers = self._lease.awaits_recovery and not self._invocation.uses_previous
            written = self._deps.store.accept(self._lease, self._accepted, recovers=recovers)
        except BrokerError as error:
            self._emit_unreleased(error)
            return
        self._lease = None
        if written and recovers:
            self._invocation.announce("Connection Recovered", self._accepted)

    def _recover(self, version: str) -> None:
        """End the latch of another version, now that the accepted *version* works again.

        Not if *version* may be the one before, which a replica of Secrets Manager still returned.
        """
        gate = self._invocation.gate
        is_other = gate.latched_version not in (None, version)
        is_noticed = gate.noticed_version in (None, version)
        is_current = is_noticed and not self._invocation.uses_previous
        age = self._deps.clock.now() - gate.latched_at
        if is_other and is_current and age >= REPLICA_SECONDS and gate.has_accepted(version):
            self._end_latch(gate, version)

    def _end_latch(self, gate: Item, version: str) -> None:
        try:
            recovered = self._deps.store.recover(gate)
        except BrokerError as error:
            self._emit_unreleased(error)
            return
        if recovered:
            self._invocation.announce("Connection Recovered", version)

    def _emit_unreleased(self, error: BrokerError) -> None:
        self._deps.emit("unreleased", code=error.code, variant=GATE)

    def reject(self, lease: Item, version: str, failure: Failure, *, is_certain: bool) -> Judged:
        """Keep what the rejection of *version* means, before anything else is tried."""

        def decide(gate: Item) -> Verdict:
            now = self._deps.clock.now()
            return verdict(gate, version, lease.variant, now, is_certain=is_certain)

        judged = self._judge(lease, Rejection(version, failure, lease.variant), decide)
        if judged.verdict is not Verdict.BLAME_VARIANT:
            self._rejected.add(version)
        return judged

    def _judge(
        self, lease: Item, rejection: Rejection, decide: Callable[[Item], Verdict]
    ) -> Judged:
        """Decide by the gate, and write the verdict to it. This ends the gate's lease.

        If the gate has changed since it was read, it is read and decided again. If only this
        variant was refused, its own item keeps the rejection as well.
        """
        own_gate = lease if lease.is_gate else self._lease
        gate, written = own_gate or self._invocation.read_gate(), None
        while not written:
            decided, was_accepted = decide(gate), gate.has_accepted(rejection.version)
            if decided is Verdict.BLAME_VARIANT:
                self.release()
                return Judged(decided, lease, was_accepted)
            written = self._write(gate, decided, rejection, lease)
            gate = written or self._invocation.read_gate()
        self._lease = self._admitted = None
        if decided is Verdict.LATCH:
            self._invocation.announce("Connection Latched", rejection.version)
        if decided is Verdict.REFUSE_VARIANT:
            own = self._write(lease, Verdict.LATCH, rejection, lease)
            return Judged(decided, own or lease, was_accepted)
        # The gate is the variant's own item only if that is `-`, and this caller still leases it.
        is_own = gate.variant == lease.variant and gate.lease_owner == lease.lease_owner
        return Judged(decided, gate if is_own else lease, was_accepted)

    def _write(
        self, item: Item, decided: Verdict, rejection: Rejection, lease: Item
    ) -> Item | None:
        """Write a verdict to *item*: the gate, or the variant's own item. None if it has changed.

        The variant's *lease* goes on, even if its item is the gate; another lease of the gate ends.
        """
        is_own = item.variant == lease.variant
        leased = lease if is_own else self._lease
        has_lease = bool(leased and leased.lease_owner and leased.lease_owner == item.lease_owner)
        return self._deps.store.judge(
            item,
            decided,
            rejection,
            self._deps.clock.now(),
            has_lease=has_lease,
            ends_lease=has_lease and not is_own,
        )

    def release(self) -> None:
        """End the gate's lease, if this invocation holds it; first write an acceptance.

        If that cannot be written, no error is raised: the lease expires.
        """
        self.finish()
        lease, self._lease = self._lease, None
        if lease:
            try:
                self._deps.store.fail(lease, None, renewal=None)
            except BrokerError as error:
                self._emit_unreleased(error)

    def _refuse_early(self, gate: Item, version: str) -> None:
        """Raise `CredentialRejected` until a suspect *version* may have its second try."""
        now = self._deps.clock.now()
        if gate.is_suspect(version) and gate.is_too_early(now):
            self._rejected.add(version)
            raise suspected(gate, now)

    def _admit_by_gate(self, version: str) -> None:
        """Wait until the gate has accepted *version*, or this caller has acquired its lease."""
        polls = 0
        while True:
            gate = self._invocation.read_gate()
            refuse_held(self._deps, gate)
            if gate.is_latched(version):
                raise latched(gate)
            if gate.has_accepted(version) and not gate.is_suspect(version):
                return
            self._refuse_early(gate, version)
            if gate.is_leased(self._deps.clock.now()):
                self._invocation.wait_for_lease(gate, polls)
                polls += 1
            else:
                if gate.corrupt:
                    self._deps.emit("damaged", variant=GATE, attributes=list(gate.corrupt))
                self._lease, self._accepted = self._invocation.acquire(gate), None
                if self._lease:
                    return


def suspected(gate: Item, now: int) -> CredentialRejected:
    """Return the error for callers while a suspect version waits for its second try."""
    return CredentialRejected(
        "this version of the secret worked before, and was rejected: it is tried once more",
        retry_after=max(1, gate.suspect_at + SUSPECT_RETRY_SECONDS - now),
        **upstream_of(gate.failure),
    )


def latched(gate: Item) -> CredentialLatched:
    """Return the error for a version that *gate*, or a variant's own item, has latched.

    A token of the secret's previous version clears the failure, so `latched_at` is preferred.
    """
    since = rfc3339(gate.latched_at or (gate.failure.since if gate.failure else 0))
    at = f" at {since}" if since else ""
    return CredentialLatched(
        f"this version of the secret was rejected{at}, and is not tried again:"
        " set a new one, or DELETE to try this one once more",
        **upstream_of(gate.failure),
    )
