"""I16 of a hold: nothing is handed out and nothing asked of the vendor, until it is lifted."""

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
    """A hold, from the write that put it to the one that lifted it."""

    since: float
    until: float = inf
    putter: Invocation | None = None


class Holding:
    """Every hold of a run, and who acquired a lease when."""

    def __init__(self, judge: "Judge") -> None:
        self._judge = judge
        self._spans: list[Span] = []
        self._leased_at: dict[str, float] = {}
        """When an invocation last acquired a lease."""
        self._looked_at: dict[str, float] = {}
        """When an invocation last read the gate."""
        self._knows: dict[str, float] = {}
        """When a process last said that the connection is held."""

    @property
    def is_held(self) -> bool:
        """Say whether the connection is held now."""
        return bool(self._spans) and self._spans[-1].until == inf

    def was_held(self, invocation: Invocation) -> bool:
        """Say whether there was a hold at any moment since an invocation began."""
        return any(span.until >= invocation.begun for span in self._spans)

    def written(self, writer: Invocation, place: Place, before: Record, after: Record) -> None:
        """Judge that only operators change a hold, and that no `ttl` is beside one."""
        now = self._judge.scheduler.now
        owner = after.get("lease_owner", {}).get("S", "")
        is_new = owner != before.get("lease_owner", {}).get("S", "")
        if is_new and owner.rpartition(".")[0] == writer.name:
            self._leased_at[writer.name] = now
        if place[1] != ONLY:
            return
        if "held" in after and "ttl" in after:
            self._judge.violate("I15", f"{writer.name} lets the table drop a hold")
        if before.get("held") == after.get("held"):
            return
        if writer.action not in ("hold", "lift"):
            self._judge.violate("I16", f"{writer.name} changes a hold by {writer.action}")
        if "held" not in after:
            self._spans[-1].until = now
        elif "held" not in before:
            self._spans.append(Span(now, putter=writer))

    def looked(self, invocation: Invocation, place: Place) -> None:
        """Remember who has read the gate, held or not."""
        if place[1] == ONLY:
            self._looked_at[invocation.name] = self._judge.scheduler.now

    def check_sent(self, invocation: Invocation, sent: Sent) -> None:
        """Judge what is sent: not by an invocation, nor as a login under a lease, of after a hold.

        Nor as a login by an invocation that has read of the hold. An exchange that began before it
        may be finished.
        """
        for span in self._spans:
            if span.until != inf:
                continue
            leased_at = self._leased_at.get(invocation.name, 0.0)
            known_at = max(leased_at, self._looked_at.get(invocation.name, 0.0))
            is_late_login = sent.credential is not None and known_at > span.since
            if invocation.begun > span.since or is_late_login:
                text = f"{invocation.name} sends {sent.request.step} though it is held"
                self._judge.violate("I16", text)

    def ended(self, invocation: Invocation) -> None:
        """Judge what an invocation hands out while the connection is held.

        One that began before the hold may; one that began later hands out what its process
        remembers, for `MEMORY_SECONDS` at most, and not where the process knows of the hold. Only
        while the table cannot be read it may do so for longer.
        """
        if invocation.answer.get("code") == "connection_held":
            self._knows[invocation.container] = self._judge.scheduler.now
        is_token = invocation.action == "token" and invocation.end == "answered"
        span = next((s for s in self._spans if s.since < invocation.begun and s.until == inf), None)
        if not span or not is_token:
            return
        source, name = invocation.answer["source"], invocation.name
        if source != "memory":
            self._judge.violate("I16", f"{name} is given a token from the {source} amid a hold")
        elif self._is_known(invocation, span):
            self._judge.violate("I16", f"{name} is given a token by a process that knows the hold")
        elif not invocation.is_hindered and not self._judge.plan.shifts:
            seconds = invocation.begun - span.since
            if seconds > KNOWN_FOR:
                text = f"{name} is given a remembered token {seconds:.0f} s after a hold"
                self._judge.violate("I16", text)

    def _is_known(self, invocation: Invocation, span: Span) -> bool:
        """Say whether a process put the hold, or met it, before an invocation began."""
        putter = span.putter
        has_put = putter and putter.container == invocation.container and putter.end == "answered"
        known_at = self._knows.get(invocation.container, 0.0)
        is_later = bool(has_put and putter and (putter.ended or inf) <= invocation.begun)
        return is_later or span.since < known_at <= invocation.begun
