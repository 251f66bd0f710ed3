"""A probe: an exchange that asks the vendor more than it must, to see how it really behaves.

The vendors' documents contradict each other, and each contradiction is an option of the secret. A
probe is the exchange of a forced call, with a longer conversation: so it has that call's leases,
gate, deadline and commit. What it adds is a budget that is told before, and a report of what was
seen. A report holds words, numbers and a vendor's codes, and never a value that is secret.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from token_broker.errors import BrokerError, Internal, InvalidRequest, UpstreamUnavailable
from token_broker.exchange import Exchange, Request, Response
from token_broker.flows import Flow
from token_broker.flows.vendor import Credentials
from token_broker.tokens import Token, Variant

if TYPE_CHECKING:
    from token_broker.exchange import Conversation
    from token_broker.flows.vendor import Vendor

NO_ANSWER = Response(503)
NOT_SENT = Response(503)
"""What a conversation is sent that already has a live token, so that it ends with that one: where
the vendor does not answer, and where no time is left to ask."""

LEAST_SECONDS = 1.0
"""With less time than this nothing more is asked."""


class Question(NamedTuple):
    """What is to be found out: an option, or what there is none for."""

    name: str
    asks: str
    documents: str
    """What the vendor's documents say."""


class Budget(NamedTuple):
    """What a probe sends at most."""

    requests: int
    logins: int
    """Requests among them that send what the secret holds."""


@dataclass(slots=True)
class Observed:
    """What was seen of a vendor, by a probe that has *budget*."""

    budget: Budget
    seen: dict[str, str] = field(default_factory=dict)
    """By the question's name."""
    options: dict[str, Any] = field(default_factory=dict)
    """The value that fits the vendor, of each option that has one."""
    modes: dict[str, Any] = field(default_factory=dict)
    """What makes a fake of the vendor behave alike."""
    has_token: bool = False
    """Whether the conversation could end now, with a live token."""
    requests: int = 0
    logins: int = 0

    def note(self, question: str, seen: str, **modes: Any) -> None:
        """Keep what was *seen*, and the *modes* of a fake that behaves so."""
        self.seen[question] = seen
        self.modes |= modes

    def count(self, request: Request) -> None:
        """Count *request*. Raises `Internal` rather than send more than was told."""
        self.requests += 1
        self.logins += request.proves_credentials
        if self.requests > self.budget.requests or self.logins > self.budget.logins:
            raise Internal(f"{request.step}: the probe would send more than it may")


def unchanged(_credentials: object, variant: Variant) -> Variant:
    """Return *variant*: nothing has to be made up for a probe."""
    return variant


@dataclass(frozen=True, slots=True)
class Prober(Generic[Credentials]):
    """What a flow can find out, and how. It does no I/O."""

    budget: Budget
    questions: tuple[Question, ...]
    exchange: Callable[[Credentials, Variant, int, Token | None, Observed], Exchange]
    """Converses as the vendor's `exchange` does, and observes."""
    complete: Callable[[Credentials, Variant], Variant] = unchanged
    """Returns a requested variant with what every call has to bring, made up where it is not."""


def prober_of(flow: Flow) -> Prober[Any]:
    """Return how *flow* is probed. Raises `InvalidRequest` where there is nothing to find out."""
    module = flow.vendor.probe
    if module is None:
        raise InvalidRequest(f"action: {flow.name} has nothing to probe")
    prober: Prober[Any] = import_module(module).PROBER
    return prober


class ProbedFlow(Flow):
    """A flow whose exchanges observe. It is used for one probe."""

    observed: Observed
    prober: Prober[Any]
    is_time_left: Callable[[], bool]

    @classmethod
    def of(cls, flow: Flow, is_time_left: Callable[[], bool] = lambda: True) -> "ProbedFlow":
        """Return *flow* as it is probed, for as long as there is time. Raises `InvalidRequest`."""
        probed = cls(*flow)
        probed.prober = prober_of(flow)
        probed.observed = Observed(probed.prober.budget)
        probed.is_time_left = is_time_left
        return probed

    @property
    def vendor(self) -> "Vendor[Any]":
        """The flow's vendor, with the longer conversation."""
        return replace(super().vendor, exchange=self._exchange)

    def _exchange(
        self, credentials: Any, variant: Variant, now: int, kept: Token | None = None
    ) -> Exchange:
        """Converse within the budget; with no time left, end with the token that there is."""
        conversation = self.prober.exchange(credentials, variant, now, kept, self.observed)
        answer: object = None
        while True:
            try:
                step = conversation.send(answer)
            except StopIteration as end:
                result: Token = end.value
                return result
            if isinstance(step, Request):
                if self.observed.has_token and not self.is_time_left():
                    answer = NOT_SENT
                    continue
                self.observed.count(step)
            answer = yield step

    def forgiving(self, send: Callable[..., Response]) -> Callable[..., Response]:
        """Return *send*, by which a vendor that does not answer costs no token that there is."""

        def forgiving_send(request: Request, *rest: Any) -> Response:
            try:
                return send(request, *rest)
            except UpstreamUnavailable:
                if not self.observed.has_token:
                    raise
                return NO_ANSWER

        return forgiving_send

    def report(self, credentials: Any, error: BrokerError | None = None) -> dict[str, Any]:
        """Return what was seen, and of the options those that differ from *credentials*."""
        observed = self.observed
        options = {
            name: value
            for name, value in observed.options.items()
            if getattr(credentials, name) != value
        }
        findings = [
            {
                "question": question.name,
                "asks": question.asks,
                "documents": question.documents,
                "seen": observed.seen.get(question.name),
                "option": {question.name: observed.options[question.name]}
                if question.name in observed.options
                else None,
            }
            for question in self.prober.questions
        ]
        return {
            "works": error is None,
            "problem": error.problem() if error else None,
            "findings": findings,
            "options": options,
            "modes": observed.modes,
            "sent": {"requests": observed.requests, "logins": observed.logins},
            "budget": observed.budget._asdict(),
        }


def observing(
    conversation: "Conversation[Any]", see: Callable[[Response], None]
) -> "Conversation[Any]":
    """Hold *conversation*, and show each response to *see* before it goes on.

    It must need no token of another variant.
    """
    response: Response | None = None
    while True:
        try:
            step = conversation.send(response)
        except StopIteration as end:
            return end.value
        answer: Response = yield step
        see(answer)
        response = answer


def is_unanswered(response: Response) -> bool:
    """Say whether the vendor is down or asks to wait: nothing more is asked then."""
    return response.status == 429 or response.status >= 500  # noqa: PLR2004 (HTTP's)


def described(response: Response, code: str | None = None) -> str:
    """Return a refusal in words: its status, and the vendor's *code* if there is one."""
    return f"{response.status} {code}" if code else str(response.status)
