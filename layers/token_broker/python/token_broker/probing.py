"""A probe: an exchange with additional requests that show how the vendor really behaves.

The vendors' documents contradict each other, and each contradiction is an option of the secret. A
probe is the exchange of a forced call with a longer conversation. So it has the same leases, gate,
deadline and commit. It adds a fixed budget and a report. A report has no secret value.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar, cast

from token_broker.errors import Internal
from token_broker.exchange import Conversation, Exchange, NeedToken, Request, Response
from token_broker.tokens import Variant

Credentials = TypeVar("Credentials")
Result = TypeVar("Result")

NO_ANSWER = Response(503)
NOT_SENT = Response(503)
"""Answers for a conversation that has a live token and can end with it: `NO_ANSWER` if the vendor
does not answer, `NOT_SENT` if no time is left for the request."""


class Question(NamedTuple):
    """A question that a probe answers: the value of an option, or another fact."""

    name: str
    asks: str
    documents: str
    """What the vendor's documents say."""


class Budget(NamedTuple):
    """The most requests that a probe sends."""

    requests: int
    logins: int
    """How many of them may have the credentials."""


@dataclass(slots=True)
class Observed:
    """A probe's observations of a vendor, within *budget*."""

    budget: Budget
    seen: dict[str, str] = field(default_factory=dict)
    """Answers by the question's name."""
    options: dict[str, Any] = field(default_factory=dict)
    """For an option, the value that works."""
    modes: dict[str, Any] = field(default_factory=dict)
    """The modes that make a fake behave like the vendor."""
    has_token: bool = False
    """Whether the conversation could end now, with a live token."""
    requests: int = 0
    logins: int = 0

    def note(self, question: str, seen: str, **modes: Any) -> None:
        """Keep the answer *seen*, and the *modes* of a fake that behaves so."""
        self.seen[question] = seen
        self.modes |= modes

    def allows(self, request: Request) -> bool:
        """Say whether *request* of a probe that has a token is within the budget.

        One login is reserved: that token may be used up. An exchange that began again, with another
        version of the secret, has sent more logins than usual.
        """
        is_reserved = request.proves_credentials and self.logins + 1 >= self.budget.logins
        return self.requests < self.budget.requests and not is_reserved

    def count(self, request: Request) -> None:
        """Count *request*. Raises `Internal` if it exceeds the budget."""
        self.requests += 1
        self.logins += request.proves_credentials
        if self.requests > self.budget.requests or self.logins > self.budget.logins:
            raise Internal(f"{request.step}: the probe would send more than it may")


@dataclass(frozen=True, slots=True)
class Prober(Generic[Credentials]):
    """The probe of a flow, without I/O."""

    budget: Budget
    questions: tuple[Question, ...]
    exchange: Callable[[Credentials, Variant, int, Observed], Exchange]
    """Does what the vendor's `exchange` does, and observes."""


def relayed(
    conversation: Conversation[Result], relay: Callable[[Request | NeedToken], Conversation[Any]]
) -> Conversation[Result]:
    """Run *conversation*. For each of its steps, send it the result of *relay*.

    *relay* may yield the step, other steps, or none.
    """
    answer: object = None
    while True:
        try:
            step = conversation.send(answer)
        except StopIteration as end:
            return cast("Result", end.value)
        answer = yield from relay(step)


def observing(
    conversation: Conversation[Result], see: Callable[[Response], None]
) -> Conversation[Result]:
    """Run *conversation*, and call *see* with each response first.

    The conversation must not need a token of another variant.
    """

    def relay(step: Request | NeedToken) -> Conversation[Response]:
        response: Response = yield step
        see(response)
        return response

    return relayed(conversation, relay)


def described(response: Response, code: str | None = None) -> str:
    """Return a refusal as text: its status, and the vendor's *code* if there is one."""
    return f"{response.status} {code}" if code else str(response.status)
