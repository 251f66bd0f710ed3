"""The transport of all I/O: a latency, the effect, and a latency of the answer.

The plan has the faults, by invocation and step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from tests.protocol.simulation.invocations import Invocation, Sent
from tests.protocol.simulation.plans import HARMLESS, Fault, FaultKind, Outage, Service
from tests.protocol.simulation.scheduler import EPOCH, Scheduler, Task
from tests.protocol.simulation.table import client_error
from token_broker.errors import UpstreamUnavailable
from token_broker.exchange import Response

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge

Result = TypeVar("Result")
ATTEMPTS_SECONDS = 4.2
"""Seconds until botocore gives up: two attempts of two seconds, and a pause."""

DENIED = "User: arn is not authorized to perform: this"
EVEN = 0.5
"""The probability of one of two errors."""

RETRY_SECONDS = 2.1
SLOWEST_SECONDS = 1.9
"""The longest latency of an AWS service within botocore's timeout."""

OF_TOKENS = frozenset({"GetItem", "BatchGetItem", "Decrypt"})
"""Operations whose answers have data of a token."""


DOWN = Response(503)
PAGE = b"<!DOCTYPE html><title>Request blocked</title>"
PAGES = tuple(Response(status, {"content-type": "text/html"}, PAGE) for status in (200, 403))


@dataclass(slots=True)
class Outcome(Generic[Result]):
    """A service's answer: a value, or an error."""

    value: Result | None = None
    error: Exception | None = None

    def result(self) -> Result:
        if self.error:
            raise self.error
        return self.value  # type: ignore[return-value]  # None only where the effect returned that


class Wire:
    """Carries the requests of the invocations to the services, with their faults."""

    def __init__(self, scheduler: Scheduler, outages: Sequence[Outage], judge: "Judge") -> None:
        self.scheduler = scheduler
        self.running: dict[Task, Invocation] = {}
        self.acting: Invocation | None = None
        """The invocation whose effect happens now."""
        self.repeat: Callable[[Invocation], None] = lambda _: None
        """Lets the platform retry a failed invocation."""
        self._outages = outages
        self._judge = judge

    @property
    def current(self) -> Invocation:
        return self.running[self.scheduler.task]

    def carry(
        self, service: Service, what: str, effect: Callable[[], Result], about: str = ""
    ) -> Result:
        """Carry a request to an AWS service, and return its answer."""
        invocation, kind, seconds = self.begin(what, about)
        is_out = self.is_out(service)
        if kind == "denied" or (is_out and invocation.was_denied):
            self.pause(invocation.latency())
            raise client_error("AccessDeniedException", "any", DENIED)
        if kind == "refused" or is_out:
            self._refuse(invocation)
        self.pause(invocation.latency() + (min(seconds, SLOWEST_SECONDS) if kind == "slow" else 0))
        if kind == "late":
            self.scheduler.at(
                self.scheduler.now + seconds, lambda: self._act_late(invocation, effect)
            )
            self._lose(invocation)
        outcome = self._act(invocation, effect)
        if kind == "twice":
            self.pause(RETRY_SECONDS)
            outcome = self._act(invocation, effect)
        self.meet_after(invocation, kind, seconds)
        if kind == "lost":
            self._lose(invocation)
        self.pause(invocation.latency())
        self.note_answer(invocation, of_token=what in OF_TOKENS)
        return outcome.result()

    def sleep(self, seconds: float) -> None:
        """Wait, as the broker does for another holder's exchange."""
        invocation, kind, extra = self.begin("sleep")
        self.meet_after(invocation, kind, extra)
        invocation.slept += seconds
        self.pause(seconds)
        self.note_answer(invocation, of_token=True)

    def is_out(self, service: Service) -> bool:
        now = self.scheduler.now - EPOCH
        found = [o for o in self._outages if o.service == service and o.begins <= now < o.ends]
        if found:
            self.current.refused_by.add(service)
            self.current.was_denied |= found[0].is_denied
        return bool(found)

    def begin(self, what: str, about: str = "") -> tuple[Invocation, FaultKind | None, float]:
        """Begin a step, and apply a fault that comes before its effect."""
        invocation = self.current
        fault = invocation.next_fault()
        self._judge.note_step(invocation, f"{what} {about}")
        if not fault:
            return invocation, None, 0.0
        self._judge.note_step(invocation, f"  fault: {fault_text(fault)}")
        if fault.kind == "crash":
            self._die(invocation)
        if fault.kind == "freeze":
            self._freeze(invocation, fault.seconds)
        return invocation, fault.kind, fault.seconds

    def meet_after(self, invocation: Invocation, kind: FaultKind | None, seconds: float) -> None:
        """Apply a fault that comes between an effect and its answer."""
        if kind == "crash after":
            self._die(invocation)
        if kind == "freeze after":
            self._freeze(invocation, seconds)

    def _act(self, invocation: Invocation, effect: Callable[[], Result]) -> Outcome[Result]:
        self.acting = invocation
        try:
            return Outcome(effect())
        except Exception as error:  # noqa: BLE001 (it is returned as the answer)
            return Outcome(error=error)
        finally:
            self.acting = None

    def _act_late(self, invocation: Invocation, effect: Callable[[], Result]) -> None:
        self._judge.note_step(invocation, "  a late write arrives")
        self._act(invocation, effect)

    def _refuse(self, invocation: Invocation) -> NoReturn:
        self.pause(invocation.latency())
        if invocation.rng.random() < EVEN:
            raise EndpointConnectionError(endpoint_url="https://aws.invalid")
        raise client_error("ThrottlingException", "any")

    def _lose(self, invocation: Invocation) -> NoReturn:
        self._freeze(invocation, ATTEMPTS_SECONDS)
        if invocation.rng.random() < EVEN:
            raise ReadTimeoutError(endpoint_url="https://aws.invalid")
        raise client_error("InternalServerError", "any")

    def note_answer(self, invocation: Invocation, *, of_token: bool) -> None:
        """Record the time of an answer, and whether it has data of a token."""
        invocation.answered_at = self.scheduler.now
        if of_token and not invocation.is_claiming:
            invocation.decided_at = self.scheduler.now

    def _freeze(self, invocation: Invocation, seconds: float) -> None:
        invocation.frozen_seconds += seconds
        self.pause(seconds)

    def _die(self, invocation: Invocation) -> NoReturn:
        invocation.end, invocation.ended = "crashed", self.scheduler.now
        self._judge.ended(invocation)
        self.repeat(invocation)
        self.scheduler.die()

    def pause(self, seconds: float) -> None:
        self.scheduler.pause(self.scheduler.now + seconds)

    # Requests to the vendor: one that was sent arrives even if its sender crashes.

    def send(self, sent: Sent, seconds: float, answer: Callable[[], Response]) -> Response:
        """Carry a request to the vendor, and return its answer if it arrives within *seconds*."""
        limit = self.scheduler.now + seconds
        invocation, kind, extra = self.begin(sent.step)
        invocation.is_hurt_upstream |= kind not in (None, *HARMLESS)
        sent.sent_at, sent.seconds = self.scheduler.now, limit - self.scheduler.now
        invocation.sent.append(sent)
        self._judge.sent(invocation, sent)
        is_down = kind == "refused" or self.is_out("upstream")
        if is_down or kind == "page":
            return self._intercept(invocation, sent, is_down=is_down)
        answered: Outcome[Response] = Outcome()
        there = extra if kind == "slow" else invocation.latency()
        arrival = max(self.scheduler.now, min(self.scheduler.now + there, limit))

        def process() -> None:
            sent.processed_at = self.scheduler.now
            answered.value = answer()
            self._judge.processed(invocation, sent, answered.value)

        self.scheduler.at(arrival, process)
        self.scheduler.pause(arrival)
        self.meet_after(invocation, kind, extra)
        back = extra if kind == "late" else invocation.latency()
        self.pause(max(0.0, min(back, limit - self.scheduler.now)))
        self._note_vendor_answer(invocation, sent)
        if kind == "lost" or self.scheduler.now >= limit:
            raise UpstreamUnavailable(f"{sent.step}: no answer")
        sent.is_answered = True
        return answered.result()

    def _intercept(self, invocation: Invocation, sent: Sent, *, is_down: bool) -> Response:
        """Return that the vendor *is_down*, or else a proxy's or a firewall's page."""
        self.pause(invocation.latency())
        self._note_vendor_answer(invocation, sent)
        is_first = invocation.rng.random() < EVEN
        if is_down and is_first:
            raise UpstreamUnavailable(f"{sent.step}: no connection")
        if is_down:
            sent.is_down = True
            return DOWN
        sent.is_answered = sent.is_unclear = True
        return PAGES[is_first]

    def _note_vendor_answer(self, invocation: Invocation, sent: Sent) -> None:
        sent.ended_at = self.scheduler.now
        self.note_answer(invocation, of_token=True)


def fault_text(fault: Fault) -> str:
    return f"{fault.kind} {fault.seconds:.1f} s" if fault.seconds else fault.kind
