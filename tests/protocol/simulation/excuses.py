"""How long a fault may cause errors in other invocations: no error is excused for longer.

A fault excuses the invocation that meets it. Other invocations may be affected by a process that
crashed, froze or could not end its lease, until the lease ends; and by a stored failure, until its
back-off ends. A failed call to AWS or a lost answer, without a crash, must not affect them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.protocol.simulation.invocations import TIMEOUT, Invocation
from tests.protocol.simulation.plans import FaultKind, Plan
from tests.subjects import refuses_clearly

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge

SKEW_SECONDS = 30
LEASE_SECONDS = TIMEOUT + 2 + SKEW_SECONDS
"""Seconds from an invocation's begin to the end of its lease, by its clock."""

LINGERING: frozenset[FaultKind] = frozenset(
    {"crash", "crash after", "freeze", "freeze after", "late", "slow"}
)
"""Faults after which a lease may stay, or last long."""

KNOWN_FOR = 61
"""Seconds for which a process may use an earlier read."""

LOOK_SECONDS = 30
"""Seconds after which the broker reads a new version of the secret without an event."""

WAITED = "refresh_in_progress"
WAITING = frozenset({"upstream_unavailable", WAITED, "store_unavailable"})
ENDING = WAITING | {"not_configured"}
"""Codes of errors with a `retry_after`, except for the invocation that met the fault."""

REFUSED = frozenset({"upstream_refused", "upstream_contract_changed"})
LATCHED = frozenset({"credential_rejected", "credential_latched"})
LONGEST_WAIT_SECONDS = 60
LONGEST_REFUSAL_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Harm:
    """A period in which other invocations may fail with *code*, or with any code."""

    since: float
    until: float
    code: str | None = None


class Excuses:
    """The faults of a run that may affect other invocations."""

    def __init__(self, judge: "Judge") -> None:
        self._judge = judge
        self._harms: list[Harm] = []
        self._apart = clocks_apart(judge.plan)

    def ended(self, invocation: Invocation) -> None:
        """Record how an invocation that met a fault may affect others."""
        if not invocation.is_hindered:
            return
        begun, ended = invocation.begun, invocation.ended or invocation.begun
        self._harms.append(Harm(begun, ended))
        if leaves_lease(invocation):
            lease_over = begun + LEASE_SECONDS + self._apart
            self._harms.append(Harm(begun, lease_over, WAITED))

    def kept(self, writer: Invocation, code: str, retry_at: int) -> None:
        """Record until when a stored failure may be returned to other callers."""
        now = self._judge.scheduler.now
        if writer.is_bad or not (writer.is_hindered or self._is_doubtful(writer)):
            return
        longest = LONGEST_REFUSAL_SECONDS if code in REFUSED else LONGEST_WAIT_SECONDS
        until = min(retry_at - writer.offset, now + longest) + self._apart + 2
        self._harms.append(Harm(now, until, code))

    def excuses(self, invocation: Invocation) -> bool:
        """Return whether a fault that may still have effects explains the error of *invocation*."""
        code = invocation.answer["code"]
        if code == "connection_held":
            return self._judge.holding.was_held(invocation)
        if code in LATCHED:
            return self._is_wrong_secret(invocation)
        if code in WAITING | REFUSED:
            return self._is_known(invocation, code)
        if code == "not_configured":
            return invocation.is_denied or self._is_felt(invocation, code)
        is_own = not invocation.is_plain and invocation.action == "token"
        is_on_demand = is_own or invocation.refused is not None
        return code == "too_many_requests" and is_on_demand

    def _is_known(self, invocation: Invocation, code: str) -> bool:
        """Return whether a fault of this or another invocation explains a temporary error."""
        if invocation.is_hindered:
            return code in WAITING or self._is_upstreams(invocation)
        is_unclear = not refuses_clearly(self._judge.plan.flow)
        is_blamed = self._is_doubtful(invocation) or (
            is_unclear and self._is_wrong_secret(invocation)
        )
        is_refused = code == "upstream_refused" and is_blamed
        is_overtaken = code == WAITED and self._is_overtaken(invocation)
        return is_refused or is_overtaken or self._is_felt(invocation, code)

    def _is_overtaken(self, invocation: Invocation) -> bool:
        """Return whether the secret changed to a rejected version while an invocation ran.

        It restarted with the new version, which was rejected. It does not combine tokens of the
        version before with those of the exchange that it began.
        """
        is_changed = any(at > invocation.begun for at in self._judge.put_at.values())
        return is_changed and self._is_wrong_secret(invocation)

    def _is_felt(self, invocation: Invocation, code: str) -> bool:
        begun, ended = invocation.begun, self._judge.scheduler.now
        running = [
            one
            for one in self._judge.wire.running.values()
            if one.ended is None and one is not invocation and one.is_hindered
        ]
        return (code == WAITED and bool(running)) or any(
            harm.since <= ended and begun <= harm.until and harm.code in (None, code)
            for harm in self._harms
        )

    def _is_upstreams(self, invocation: Invocation) -> bool:
        """Return whether a fault of an invocation may look like a rejection by the upstream."""
        is_page = any(fault.kind == "page" for fault in invocation.met)
        return is_page or self._is_felt(invocation, invocation.answer["code"])

    def _is_doubtful(self, writer: Invocation) -> bool:
        return self._judge.revoked_at > writer.begun - KNOWN_FOR - self._apart

    def _is_wrong_secret(self, invocation: Invocation) -> bool:
        """Return whether the vendor rejected a version that the invocation may use."""
        since = invocation.begun - LOOK_SECONDS - self._apart - 5
        found = [
            self._judge.credentials[self._judge.settings[version].credential]
            for version in self._judge.versions_since(since)
        ]
        return any(c.refused or (c.strangers and invocation.is_bad) for c in found)


def leaves_lease(invocation: Invocation) -> bool:
    """Return whether an invocation may have left a lease: it crashed, froze or met two faults."""
    kinds = [fault.kind for fault in invocation.met if fault.kind != "twice"]
    is_lasting = not LINGERING.isdisjoint(kinds) or len(kinds) > 1
    return is_lasting or invocation.is_dead or bool(invocation.refused_by)


def clocks_apart(plan: Plan) -> float:
    """Return the maximum difference of two clocks of *plan* in seconds."""
    offsets = [*plan.offsets, *(shift.offset for shift in plan.shifts)]
    return max(offsets) - min(offsets)
