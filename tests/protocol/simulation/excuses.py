"""How long what went wrong may be felt by others: no error is excused for longer.

A fault excuses the one who meets it. Others feel a process that died, stands still or cannot end
its lease until that lease is over; a failure that was kept, until it may be tried again; a call to
AWS that failed or whose answer was lost, with no process that died, not at all.
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
"""From an invocation's begin until its lease is over by its own clock."""

LINGERING: frozenset[FaultKind] = frozenset(
    {"crash", "crash after", "freeze", "freeze after", "late", "slow"}
)
"""What may leave a lease behind, or keep it for long."""

KNOWN_FOR = 61
"""Seconds for which a process may still go by what it read."""

LOOK_SECONDS = 30
"""Seconds until a new version of the secret is noticed without its event."""

WAITED = "refresh_in_progress"
WAITING = frozenset({"upstream_unavailable", WAITED, "store_unavailable"})
ENDING = WAITING | {"not_configured"}
"""Codes of errors that say when they end, but for the one who met the fault."""

REFUSED = frozenset({"upstream_refused", "upstream_contract_changed"})
LATCHED = frozenset({"credential_rejected", "credential_latched"})
LONGEST_WAIT_SECONDS = 60
LONGEST_REFUSAL_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Harm:
    """What others may feel from one moment *until* another; by this *code*, or by any."""

    since: float
    until: float
    code: str | None = None


class Excuses:
    """Everything in a run that may be felt by others than the one who met it."""

    def __init__(self, judge: "Judge") -> None:
        self._judge = judge
        self._harms: list[Harm] = []
        self._apart = clocks_apart(judge.plan)

    def ended(self, invocation: Invocation) -> None:
        """Remember what others may feel of an invocation."""
        if not invocation.is_hindered:
            return
        begun, ended = invocation.begun, invocation.ended or invocation.begun
        self._harms.append(Harm(begun, ended))
        if leaves_lease(invocation):
            lease_over = begun + LEASE_SECONDS + self._apart
            self._harms.append(Harm(begun, lease_over, WAITED))

    def kept(self, writer: Invocation, code: str, retry_at: int) -> None:
        """Remember until when a failure that was kept is told to others."""
        now = self._judge.scheduler.now
        if writer.is_bad or not (writer.is_hindered or self._is_doubtful(writer)):
            return
        longest = LONGEST_REFUSAL_SECONDS if code in REFUSED else LONGEST_WAIT_SECONDS
        until = min(retry_at - writer.offset, now + longest) + self._apart + 2
        self._harms.append(Harm(now, until, code))

    def excuses(self, invocation: Invocation) -> bool:
        """Say whether an error of *invocation* has a reason that may still be felt."""
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
        """Say whether an error that will pass has a reason: its own, or another's."""
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
        """Say whether the secret changed while an invocation ran that then met a wrong one.

        What it had begun with one version, it began again with the next, which was rejected; what
        it makes with the version before that, it does not mix with what it began.
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
        """Say whether what an invocation met may make the upstream seem to refuse."""
        is_page = any(fault.kind == "page" for fault in invocation.met)
        return is_page or self._is_felt(invocation, invocation.answer["code"])

    def _is_doubtful(self, writer: Invocation) -> bool:
        return self._judge.revoked_at > writer.begun - KNOWN_FOR - self._apart

    def _is_wrong_secret(self, invocation: Invocation) -> bool:
        """Say whether a version of the secret was refused that an invocation may go by."""
        since = invocation.begun - LOOK_SECONDS - self._apart - 5
        found = [
            self._judge.credentials[self._judge.settings[version].credential]
            for version in self._judge.versions_since(since)
        ]
        return any(c.refused or (c.strangers and invocation.is_bad) for c in found)


def leaves_lease(invocation: Invocation) -> bool:
    """Say whether an invocation may have left a lease behind: it died, stood, or was hit twice."""
    kinds = [fault.kind for fault in invocation.met if fault.kind != "twice"]
    is_lasting = not LINGERING.isdisjoint(kinds) or len(kinds) > 1
    return is_lasting or invocation.is_dead or bool(invocation.refused_by)


def clocks_apart(plan: Plan) -> float:
    """Return how many seconds two clocks of *plan* differ by at most."""
    offsets = [*plan.offsets, *(shift.offset for shift in plan.shifts)]
    return max(offsets) - min(offsets)
