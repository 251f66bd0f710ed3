"""A probe: an exchange with additional requests that show how the vendor really behaves.

The vendors' documents contradict each other, and each contradiction is an option of the secret. A
probe is the exchange of a forced call with a longer conversation. So it has the same leases, gate,
deadline and commit. It adds a budget, known before, and a report. A report has words, numbers and
the vendor's codes, and no secret value.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar, cast

from token_broker.errors import Internal
from token_broker.exchange import Conversation, Exchange, NeedToken, Request, Response
from token_broker.tokens import Token, Variant

Credentials = TypeVar("Credentials")
Result = TypeVar("Result")

NO_ANSWER = Response(503)
NOT_SENT = Response(503)
"""Sent to a conversation that already has a live token, so that it ends with that token: if the
vendor does not answer, and if no time is left for the request."""


class Question(NamedTuple):
    """What a probe finds out: the value of an option, or something without an option."""

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
        """Count *request*. Raises `Internal` if it exceeds the budget."""
        self.requests += 1
        self.logins += request.proves_credentials
        if self.requests > self.budget.requests or self.logins > self.budget.logins:
            raise Internal(f"{request.step}: the probe would send more than it may")


@dataclass(frozen=True, slots=True)
class Prober(Generic[Credentials]):
    """What a flow can find out, and how. It does no I/O."""

    budget: Budget
    questions: tuple[Question, ...]
    exchange: Callable[[Credentials, Variant, int, Token | None, Observed], Exchange]
    """Converses as the vendor's `exchange` does, and observes."""


def relayed(
    conversation: Conversation[Result], relay: Callable[[Request | NeedToken], Conversation[Any]]
) -> Conversation[Result]:
    """Hold *conversation*, and answer each of its steps with what *relay* returns for it.

    *relay* yields the step, or others instead, or none.
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
    """Hold *conversation*, and show each response to *see* before it goes on.

    It must need no token of another variant.
    """

    def relay(step: Request | NeedToken) -> Conversation[Response]:
        response: Response = yield step
        see(response)
        return response

    return relayed(conversation, relay)


def is_unanswered(response: Response) -> bool:
    """Say whether the vendor is down or asks to wait: nothing more is asked then."""
    return response.status == 429 or response.status >= 500  # noqa: PLR2004 (HTTP's)


def described(response: Response, code: str | None = None) -> str:
    """Return a refusal in words: its status, and the vendor's *code* if there is one."""
    return f"{response.status} {code}" if code else str(response.status)
