"""I16 for DELETE: no earlier data is left, and the vendor's sessions are ended."""

from typing import TYPE_CHECKING

from tests.protocol.simulation.excuses import KNOWN_FOR, LATCHED
from tests.protocol.simulation.invocations import Invocation
from token_broker.item import Item
from token_broker.tokens import fingerprint

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge

LIVE_SECONDS = 60


class Forgetting:
    """The DELETEs of a run, with their time and process."""

    def __init__(self, judge: "Judge") -> None:
        self._judge = judge
        self.done: list[Invocation] = []
        """DELETEs that answered `complete`."""
        self._last_written: dict[str, float] = {}
        self._sessions: dict[str, list[str]] = {}
        """Tokens whose session a DELETE found and could end, by invocation."""

    def written(self, variant: str, writer: Invocation) -> None:
        """Record the last write of an item by an invocation other than a DELETE."""
        if writer.action != "forget":
            self._last_written[variant] = self._judge.scheduler.now

    def began(self, invocation: Invocation) -> None:
        """Record the sessions that exist when a DELETE begins."""
        if invocation.action != "forget":
            return
        judge = self._judge
        current = next(reversed(judge.settings))
        endable = [item for item in judge.items() if self._is_endable(item, current)]
        made = [judge.made.get(item.fingerprint or "") for item in endable]
        self._sessions[invocation.name] = [one.token for one in made if one]

    def ended(self, invocation: Invocation) -> None:
        """Check what a DELETE left."""
        is_all = invocation.answer.get("complete", True)
        if invocation.action != "forget" or invocation.end != "answered" or not is_all:
            return
        judge = self._judge
        self.done.append(invocation)
        if invocation.is_hindered:
            return
        for item in judge.items():
            is_newer = self._last_written.get(item.variant, 0.0) >= invocation.begun
            if not is_newer and has_anything(item):
                judge.violate("I16", f"{invocation.name} leaves data in {item.variant[:8]}")
        for token in self._sessions.get(invocation.name, []):
            self._check_session(token)

    def _check_session(self, token: str) -> None:
        """Check that a session is ended after the last DELETE that found it."""
        judge = self._judge
        finders = [one for one in judge.operations if token in self._sessions.get(one.name, [])]
        if any(one.ended is None or one.is_hindered for one in finders):
            return  # only the last one is checked; one that met a fault may have taken the session
        if any(judge.holding.was_held(one) for one in finders):
            return  # no request is sent during a hold
        if fingerprint(token) in judge.caller_reports or not judge.vendor.flow.vendor.log_out:
            return  # a caller reported it meanwhile
        if not judge.vendor.is_ended(token):
            names = ", ".join(one.name for one in finders)
            judge.violate("I16", f"{names}: did not end the session of {token[:6]}")

    def check_answer(self, invocation: Invocation, kept_at: float) -> None:
        """Check that an invocation gets no token that a DELETE removed before."""
        for forget in self.done:
            over = forget.ended or 0.0
            is_own = invocation.container == forget.container
            is_over = invocation.begun > over + (0.0 if is_own else KNOWN_FOR)
            if kept_at < forget.begun and is_over and not self._judge.plan.shifts:
                text = f"{invocation.name} gets a token that {forget.name} removed"
                seconds = self._judge.scheduler.now - forget.begun
                self._judge.violate("I16", f"{text} ({seconds:.0f} s before)")
                return

    def check_error(self, invocation: Invocation) -> None:
        """Check that a DELETE lifts a latch: the next call tries the secret again."""
        if not self.done or invocation.answer["code"] not in LATCHED or invocation.sent:
            return
        forget = self.done[-1]
        tried = [
            sent.processed_at or 0.0
            for credential in self._judge.credentials.values()
            for _, sent in credential.refused
        ]
        is_new = invocation.begun > (forget.ended or 0.0) and not forget.is_hindered
        if is_new and max(tried, default=0.0) < forget.begun:
            self._judge.violate("I16", f"{invocation.name} is latched after a DELETE")

    def _is_endable(self, item: Item, version: str) -> bool:
        """Return whether a DELETE can end the session of an item by the current *version*."""
        is_live = item.is_live(int(self._judge.scheduler.now) + LIVE_SECONDS)
        is_doubtful = item.fingerprint in self._judge.caller_reports or item.lease_owner is not None
        return is_live and not is_doubtful and item.secret_version == version


def has_anything(item: Item) -> bool:
    """Return whether an item has data that DELETE removes."""
    return bool(item.token or item.failure or item.rejected_versions or item.accepted_version)
