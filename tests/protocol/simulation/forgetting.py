"""I16 and what else DELETE promises: nothing of before is left, and the sessions are ended."""

from typing import TYPE_CHECKING

from tests.protocol.simulation.excuses import KNOWN_FOR, LATCHED
from tests.protocol.simulation.invocations import Invocation
from token_broker.item import Item
from token_broker.tokens import fingerprint

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge

LIVE_SECONDS = 60


class Forgetting:
    """Everything that was forgotten in a run, when and by which process."""

    def __init__(self, judge: "Judge") -> None:
        self._judge = judge
        self.done: list[Invocation] = []
        """The DELETEs that said that they forgot everything."""
        self._last_written: dict[str, float] = {}
        self._sessions: dict[str, list[str]] = {}
        """Tokens that a DELETE found and could end, by its invocation's name."""

    def written(self, variant: str, writer: Invocation) -> None:
        """Remember when an item was last written by others than a DELETE."""
        if writer.action != "forget":
            self._last_written[variant] = self._judge.scheduler.now

    def began(self, invocation: Invocation) -> None:
        """Remember which sessions a DELETE finds."""
        if invocation.action != "forget":
            return
        judge = self._judge
        current = next(reversed(judge.settings))
        endable = [item for item in judge.items() if self._is_endable(item, current)]
        made = [judge.made.get(item.fingerprint or "") for item in endable]
        self._sessions[invocation.name] = [one.token for one in made if one]

    def ended(self, invocation: Invocation) -> None:
        """Judge what a DELETE left."""
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
                judge.violate("I16", f"{invocation.name} leaves something in {item.variant[:8]}")
        for token in self._sessions.get(invocation.name, []):
            self._check_session(token)

    def _check_session(self, token: str) -> None:
        """Judge that a session is ended once all that found it are over: one of them took it."""
        judge = self._judge
        finders = [one for one in judge.operations if token in self._sessions.get(one.name, [])]
        if any(one.ended is None or one.is_hindered for one in finders):
            return  # the last of them is judged; who was hindered may have taken it
        if any(judge.holding.was_held(one) for one in finders):
            return  # amid a hold the vendor is asked nothing
        if fingerprint(token) in judge.doubted or not judge.vendor.flow.vendor.log_out:
            return  # a caller reported it meanwhile
        if not judge.vendor.is_ended(token):
            names = ", ".join(one.name for one in finders)
            judge.violate("I16", f"{names}: end no session of {token[:6]}")

    def check_answer(self, invocation: Invocation, kept_at: float) -> None:
        """Judge that what an invocation gets was not forgotten before, however it is known."""
        for forget in self.done:
            over = forget.ended or 0.0
            is_own = invocation.container == forget.container
            is_over = invocation.begun > over + (0.0 if is_own else KNOWN_FOR)
            if kept_at < forget.begun and is_over and not self._judge.plan.shifts:
                text = f"{invocation.name} gets what {forget.name} forgot"
                seconds = self._judge.scheduler.now - forget.begun
                self._judge.violate("I16", f"{text} ({seconds:.0f} s before)")
                return

    def check_error(self, invocation: Invocation) -> None:
        """Judge that a latch is lifted: the next call tries the secret again."""
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
            self._judge.violate("I16", f"{invocation.name} is latched by what was forgotten")

    def _is_endable(self, item: Item, version: str) -> bool:
        """Say whether the session of an item may be ended by the secret's current *version*."""
        is_live = item.is_live(int(self._judge.scheduler.now) + LIVE_SECONDS)
        is_doubtful = item.fingerprint in self._judge.doubted or item.lease_owner is not None
        return is_live and not is_doubtful and item.secret_version == version


def has_anything(item: Item) -> bool:
    """Say whether there is something in an item that DELETE is to remove."""
    return bool(item.token or item.failure or item.rejected_versions or item.accepted_version)
