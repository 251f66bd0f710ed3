"""I5, I13: an exchange that failed, or whose token could not be stored, waits for its back-off."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.protocol.simulation.answers import body_of
from tests.protocol.simulation.excuses import REFUSED, clocks_apart
from tests.protocol.simulation.invocations import Invocation
from tests.subjects import is_made_in_steps

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge, Made

LONGEST_SECONDS = 60
REFUSED_SECONDS = 15
"""The least back-off in seconds after a refusal by the upstream."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The back-off of a request *body* for one version of the secret."""

    body: dict[str, Any]
    version: str
    since: float
    until: float
    is_unclear: bool
    """Whether a login got no clear answer: a forced call must wait as well."""


class Backoffs:
    """The back-offs that callers were given."""

    def __init__(self, judge: "Judge") -> None:
        self._judge = judge
        self._apart = clocks_apart(judge.plan)
        self._waits: list[Wait] = []
        self._streaks: Counter[str] = Counter()
        """The number of consecutive upstream failures of each body."""

    def ended(self, invocation: Invocation) -> None:
        """Record the `retry_after` of an error, and check its length."""
        self._check_length(invocation)
        if invocation.end != "failed" or not is_upstreams(invocation):
            return
        is_refused = invocation.answer["code"] in REFUSED
        seconds = invocation.answer.get("retry_after", REFUSED_SECONDS if is_refused else 0)
        last = invocation.sent[-1]
        is_unclear = last.credential is not None and (last.is_unclear or not last.is_answered)
        ended = self._judge.scheduler.now
        # The seconds count from the write of the failure, whose time no caller knows.
        failed = last.ended_at or ended
        self._waits.append(
            Wait(
                body_of(self._judge, invocation.event),
                invocation.read[-1],
                ended,
                failed + min(seconds, LONGEST_SECONDS) - 1 - self._apart,
                is_unclear,
            )
        )

    def _check_length(self, invocation: Invocation) -> None:
        """Check that a back-off doubles, up to a minute."""
        name = str(body_of(self._judge, invocation.event))
        if invocation.end == "answered" and invocation.action == "token":
            self._streaks[name] = 0
        if invocation.end != "failed" or invocation.answer["code"] != "upstream_unavailable":
            return
        seconds = int(invocation.answer.get("retry_after", 0))
        if seconds > LONGEST_SECONDS + self._apart:
            self._judge.violate("I13", f"{invocation.name} is told to wait for {seconds} s")
        # A token that is made in steps stores each failure on another item.
        is_one = not self._judge.plan.faults and not is_made_in_steps(self._judge.plan.flow)
        if is_one and is_upstreams(invocation) and not self._judge.operations:
            self._streaks[name] += 1
            if seconds < min(2 ** self._streaks[name], LONGEST_SECONDS) - 1 - self._apart:
                self._judge.violate("I5", f"{invocation.name} is told to wait for {seconds} s only")

    def check_sent(self, invocation: Invocation) -> None:
        """Check that a caller sends no request during a back-off that others were given."""
        if invocation.action != "token" or invocation.is_bad or not invocation.read:
            return
        is_plain = not invocation.event.keys() & {"force", "rejected"}
        body = body_of(self._judge, invocation.event)
        for wait in self._waits:
            is_amid = wait.since < invocation.begun and self._judge.scheduler.now < wait.until
            is_same = wait.body == body and wait.version == invocation.read[-1]
            is_lifted = any(f.begun > wait.since - 30 for f in self._judge.operations)
            if is_amid and is_same and not is_lifted and (is_plain or wait.is_unclear):
                self._judge.violate("I5", f"{invocation.name} sends a request during the back-off")

    def check_made(self, made: "Made") -> None:
        """Check that an exchange whose token could not be stored waits before it is repeated."""
        maker, earlier = made.maker, self._judge.made.of(made.key)
        unkept = 0
        for one in reversed(earlier):
            is_kept = one.name in self._judge.kept
            if one.maker.refused_by != {"key"} or is_kept or one.maker is maker:
                break
            unkept += 1
        if not unkept or not maker.is_plain:
            return
        last = earlier[-1].maker
        seconds = min(2**unkept, LONGEST_SECONDS) - 1 - self._apart
        if last.ended is not None and last.ended < maker.begun < last.ended + seconds:
            self._judge.violate("I13", f"{maker.name} repeats the exchange of {last.name} at once")


def is_upstreams(invocation: Invocation) -> bool:
    """Return whether an invocation met faults of the vendor only."""
    is_amiss = invocation.is_hurt_upstream or invocation.refused_by == {"upstream"}
    is_more = len(invocation.met) > 1 or bool(invocation.refused_by - {"upstream"})
    is_one = invocation.action == "token" and bool(invocation.sent) and bool(invocation.read)
    return is_amiss and is_one and not is_more
