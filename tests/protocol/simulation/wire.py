"""Every I/O of the shipped code: a pause on the way there, an effect, a pause on the way back.

What goes wrong on the way is in the plan, by invocation and step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from tests.protocol.simulation.invocations import Invocation
from tests.protocol.simulation.plans import Fault, FaultKind, Outage, Service
from tests.protocol.simulation.scheduler import EPOCH, Scheduler, Task
from tests.protocol.simulation.table import client_error

if TYPE_CHECKING:
    from tests.protocol.simulation.judge import Judge

Result = TypeVar("Result")
ATTEMPTS_SECONDS = 4.2
"""How long botocore takes until it gives up: two attempts of two seconds, and a pause."""

DENIED = "User: arn is not authorized to perform: this"
EVEN = 0.5
"""Odds of one of two ways to fail."""

RETRY_SECONDS = 2.1
SLOWEST_SECONDS = 1.9
"""What a service of AWS's takes at most to answer, before botocore gives up."""

OF_TOKENS = frozenset({"GetItem", "BatchGetItem", "Decrypt"})
"""Operations that tell of a token."""


@dataclass(slots=True)
class Outcome(Generic[Result]):
    """What a service would answer: a value, or an error."""

    value: Result | None = None
    error: Exception | None = None

    def result(self) -> Result:
        """Return the value, or raise the error."""
        if self.error:
            raise self.error
        return self.value  # type: ignore[return-value]  # None only where the effect returned that


class Wire:
    """Carries what the invocations ask of the services."""

    def __init__(self, scheduler: Scheduler, outages: tuple[Outage, ...], judge: "Judge") -> None:
        self.scheduler = scheduler
        self.running: dict[Task, Invocation] = {}
        self.acting: Invocation | None = None
        """Whose effect it is that happens at this moment."""
        self.repeat: Callable[[Invocation], None] = lambda _: None
        """Has the platform invoke again what failed."""
        self._outages = outages
        self._judge = judge

    @property
    def current(self) -> Invocation:
        """The invocation whose turn it is."""
        return self.running[self.scheduler.task]

    def carry(
        self, service: Service, what: str, effect: Callable[[], Result], about: str = ""
    ) -> Result:
        """Take a request to a service of AWS's, and bring its answer."""
        invocation, kind, seconds = self.begin(what, about)
        is_out = self.is_out(service)
        if kind == "denied" or (is_out and invocation.was_denied):
            self._deny(invocation)
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
        """Wait, as the broker does for another's exchange."""
        invocation, kind, extra = self.begin("sleep")
        self.meet_after(invocation, kind, extra)
        invocation.slept += seconds
        self.pause(seconds)
        self.note_answer(invocation, of_token=True)

    def is_out(self, service: Service) -> bool:
        """Say whether a service refuses everybody at this moment."""
        now = self.scheduler.now - EPOCH
        found = [o for o in self._outages if o.service == service and o.begins <= now < o.ends]
        if found:
            self.current.refused_by.add(service)
            self.current.was_denied |= found[0].is_denied
        return bool(found)

    def begin(self, what: str, about: str = "") -> tuple[Invocation, FaultKind | None, float]:
        """Begin a step, and meet what goes wrong before it has any effect."""
        invocation = self.current
        fault = invocation.next_fault()
        self._judge.noted(invocation, f"{what} {about}")
        if not fault:
            return invocation, None, 0.0
        self._judge.noted(invocation, f"  fault: {fault_text(fault)}")
        if fault.kind == "crash":
            self._die(invocation)
        if fault.kind == "freeze":
            self._stand(invocation, fault.seconds)
        return invocation, fault.kind, fault.seconds

    def meet_after(self, invocation: Invocation, kind: FaultKind | None, seconds: float) -> None:
        """Meet what goes wrong between an effect and its answer."""
        if kind == "crash after":
            self._die(invocation)
        if kind == "freeze after":
            self._stand(invocation, seconds)

    def _act(self, invocation: Invocation, effect: Callable[[], Result]) -> Outcome[Result]:
        self.acting = invocation
        try:
            return Outcome(effect())
        except Exception as error:  # noqa: BLE001 (it travels back, as an answer)
            return Outcome(error=error)
        finally:
            self.acting = None

    def _act_late(self, invocation: Invocation, effect: Callable[[], Result]) -> None:
        self._judge.noted(invocation, "  a late write arrives")
        self._act(invocation, effect)

    def _refuse(self, invocation: Invocation) -> NoReturn:
        self.pause(invocation.latency())
        if invocation.rng.random() < EVEN:
            raise EndpointConnectionError(endpoint_url="https://aws.invalid")
        raise client_error("ThrottlingException", "any")

    def _deny(self, invocation: Invocation) -> NoReturn:
        self.pause(invocation.latency())
        raise client_error("AccessDeniedException", "any", DENIED)

    def _lose(self, invocation: Invocation) -> NoReturn:
        self._stand(invocation, ATTEMPTS_SECONDS)
        if invocation.rng.random() < EVEN:
            raise ReadTimeoutError(endpoint_url="https://aws.invalid")
        raise client_error("InternalServerError", "any")

    def note_answer(self, invocation: Invocation, *, of_token: bool) -> None:
        """Remember when an answer came, and whether it told of a token."""
        invocation.heard_at = self.scheduler.now
        if of_token and not invocation.is_claiming:
            invocation.knew_at = self.scheduler.now

    def _stand(self, invocation: Invocation, seconds: float) -> None:
        invocation.stood += seconds
        self.pause(seconds)

    def _die(self, invocation: Invocation) -> NoReturn:
        invocation.end, invocation.ended = "crashed", self.scheduler.now
        self._judge.ended(invocation)
        self.repeat(invocation)
        self.scheduler.die()

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.scheduler.pause(self.scheduler.now + seconds)


def fault_text(fault: Fault) -> str:
    """Return *fault* in words."""
    return f"{fault.kind} {fault.seconds:.1f} s" if fault.seconds else fault.kind
