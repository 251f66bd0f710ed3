"""I16 for holds: during a hold no token is returned and no request is sent to the vendor."""

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from tests.protocol.simulation.excuses import KNOWN_FOR
from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.table import Place, Record
from token_broker.tokens import ONLY

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge


@dataclass(slots=True)
class Span:
    """A hold, from the write that sets it to the write that lifts it."""

    since: float
    until: float = inf
    putter: Invocation | None = None


class Holding:
    """The holds of a run, and the times of leases and reads of each invocation."""

    def __init__(self, judge: "Judge") -> None:
        self._judge = judge
        self._spans: list[Span] = []
        self._leased_at: dict[str, float] = {}
        """The time of the last lease that an invocation acquired."""
        self._looked_at: dict[str, float] = {}
        """The time of an invocation's last read of the gate."""
        self._knows: dict[str, float] = {}
        """The time at which a process last answered `connection_held`."""

    @property
    def is_held(self) -> bool:
        """Return whether the connection is held now."""
        return bool(self._spans) and self._spans[-1].until == inf

    def was_held(self, invocation: Invocation) -> bool:
        """Return whether there was a hold at any time since an invocation began."""
        return any(span.until >= invocation.begun for span in self._spans)

    def written(self, writer: Invocation, place: Place, before: Record, after: Record) -> None:
        """Check that only operators change a hold, and that a held item has no `ttl`."""
        now = self._judge.scheduler.now
        owner = after.get("lease_owner", {}).get("S", "")
        is_new = owner != before.get("lease_owner", {}).get("S", "")
        if is_new and owner.rpartition(".")[0] == writer.name:
            self._leased_at[writer.name] = now
        if place[1] != ONLY:
            return
        if "held" in after and "ttl" in after:
            self._judge.violate("I15", f"{writer.name} writes a ttl to an item with a hold")
        if before.get("held") == after.get("held"):
            return
        if writer.action not in ("hold", "lift"):
            self._judge.violate("I16", f"{writer.name} changes a hold by {writer.action}")
        if "held" not in after:
            self._spans[-1].until = now
        elif "held" not in before:
            self._spans.append(Span(now, putter=writer))

    def looked(self, invocation: Invocation, place: Place) -> None:
        """Record an invocation's read of the gate."""
        if place[1] == ONLY:
            self._looked_at[invocation.name] = self._judge.scheduler.now

    def check_sent(self, invocation: Invocation, sent: Sent) -> None:
        """Check that an invocation which began after the hold sends no request.

        An exchange that began before the hold may finish, but sends no login under a lease that it
        acquired later, nor after it has read the hold.
        """
        for span in self._spans:
            if span.until != inf:
                continue
            leased_at = self._leased_at.get(invocation.name, 0.0)
            known_at = max(leased_at, self._looked_at.get(invocation.name, 0.0))
            is_late_login = sent.credential is not None and known_at > span.since
            if invocation.begun > span.since or is_late_login:
                text = f"{invocation.name} sends {sent.request.step} during a hold"
                self._judge.violate("I16", text)

    def ended(self, invocation: Invocation) -> None:
        """Check what an invocation returns while the connection is held.

        An invocation that began before the hold may return a token. A later one may return a token
        from its process's cache for `MEMORY_SECONDS`, unless the process has read the hold; for
        longer only while the table cannot be read.
        """
        if invocation.answer.get("code") == "connection_held":
            self._knows[invocation.container] = self._judge.scheduler.now
        is_token = invocation.action == "token" and invocation.end == "answered"
        span = next((s for s in self._spans if s.since < invocation.begun and s.until == inf), None)
        if not span or not is_token:
            return
        source, name = invocation.answer["source"], invocation.name
        if source != "memory":
            self._judge.violate("I16", f"{name} is given a token from the {source} during a hold")
        elif self._is_known(invocation, span):
            self._judge.violate("I16", f"{name} is given a token by a process that knows the hold")
        elif not invocation.is_hindered and not self._judge.plan.shifts:
            seconds = invocation.begun - span.since
            if seconds > KNOWN_FOR:
                text = f"{name} is given a cached token {seconds:.0f} s after a hold"
                self._judge.violate("I16", text)

    def _is_known(self, invocation: Invocation, span: Span) -> bool:
        """Return whether a process set or read the hold before an invocation began."""
        putter = span.putter
        has_put = putter and putter.container == invocation.container and putter.end == "answered"
        known_at = self._knows.get(invocation.container, 0.0)
        is_later = bool(has_put and putter and (putter.ended or inf) <= invocation.begun)
        return is_later or span.since < known_at <= invocation.begun
