"""The connection to the vendor: a request that was sent arrives even if its sender crashes."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.plans import HARMLESS
from tests.protocol.simulation.wire import EVEN, Outcome, Wire
from token_broker.errors import UpstreamUnavailable
from token_broker.exchange import Response

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge

DOWN = Response(503)
PAGE = b"<!DOCTYPE html><title>Request blocked</title>"
PAGES = tuple(Response(status, {"content-type": "text/html"}, PAGE) for status in (200, 403))


class VendorLine:
    """Carries requests to the vendor, and answers within the timeout."""

    def __init__(self, wire: Wire, judge: "Judge") -> None:
        self._wire = wire
        self._judge = judge

    def send(self, sent: Sent, seconds: float, answer: Callable[[], Response]) -> Response:
        """Carry a request to the vendor, and return its answer if it arrives within *seconds*."""
        limit = self._now + seconds
        invocation, kind, extra = self._wire.begin(sent.step)
        invocation.is_hurt_upstream |= kind not in (None, *HARMLESS)
        sent.sent_at, sent.seconds = self._now, limit - self._now
        invocation.sent.append(sent)
        self._judge.sent(invocation, sent)
        if kind == "refused" or self._wire.is_out("upstream"):
            return self._refuse(invocation, sent)
        if kind == "page":
            return self._intercept(invocation, sent)
        answered: Outcome[Response] = Outcome()
        there = extra if kind == "slow" else invocation.latency()
        arrival = max(self._now, min(self._now + there, limit))
        process = partial(self._process, invocation, sent, answered, answer)
        self._wire.scheduler.at(arrival, process)
        self._wire.scheduler.pause(arrival)
        self._wire.meet_after(invocation, kind, extra)
        back = extra if kind == "late" else invocation.latency()
        self._wire.pause(max(0.0, min(back, limit - self._now)))
        self._note_answer(invocation, sent)
        if kind == "lost" or self._now >= limit:
            raise UpstreamUnavailable(f"{sent.step}: no answer")
        sent.is_answered = True
        return answered.result()

    @property
    def _now(self) -> float:
        return self._wire.scheduler.now

    def _note_answer(self, invocation: Invocation, sent: Sent) -> None:
        sent.ended_at = self._now
        self._wire.note_answer(invocation, of_token=True)

    def _refuse(self, invocation: Invocation, sent: Sent) -> Response:
        self._wire.pause(invocation.latency())
        self._note_answer(invocation, sent)
        if invocation.rng.random() < EVEN:
            raise UpstreamUnavailable(f"{sent.step}: no connection")
        sent.is_down = True
        return DOWN

    def _intercept(self, invocation: Invocation, sent: Sent) -> Response:
        """Return a page in place of the vendor's answer, as a proxy or a firewall does."""
        self._wire.pause(invocation.latency())
        self._note_answer(invocation, sent)
        sent.is_answered = sent.is_unclear = True
        return PAGES[invocation.rng.random() < EVEN]

    def _process(
        self,
        invocation: Invocation,
        sent: Sent,
        answered: Outcome[Response],
        answer: Callable[[], Response],
    ) -> None:
        sent.processed_at = self._now
        answered.value = answer()
        self._judge.processed(invocation, sent, answered.value)
