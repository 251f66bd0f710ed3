"""Two users of a vendor that no module here is written for: made from its fake and descriptor.

What a run has to know of a request, a fake cannot tell in general: a login may be signed, a token
may be made in several steps. So the flow's own conversations say it: each request carries the
credentials and the variant that it was made for.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from random import Random
from typing import Any, cast
from urllib.parse import urlsplit

from tests import subjects
from tests.protocol.simulation.plans import Plan, Setting
from tests.protocol.simulation.vendor import Vendor as SimulatedVendor
from tests.protocol.simulation.vendor import no_sleep
from token_broker.exchange import Conversation, Exchange, NeedToken, Request, Response
from token_broker.flows import Flow, every
from token_broker.flows.vendor import Vendor
from token_broker.probing import relayed
from token_broker.tokens import Token, Variant
from token_broker_fakes import registry
from token_broker_fakes.fake import Fake
from token_broker_fakes.wire import Answer

LIFETIME = "lifetime"
"""The mode of a fake that says how many seconds its tokens live."""

OF_CREDENTIALS = ("resolve", "complete", "pins", "is_shared", "verify", "check")
"""The members of a flow's vendor whose first argument is what `parse` returned."""


@dataclass(frozen=True, slots=True)
class AnnotatedRequest(Request):
    """A request, and what it is for."""

    secret: Mapping[str, Any] = field(default_factory=dict, repr=False)
    key: str = ""
    kept: Token | None = None
    """The token that the exchange was begun with."""
    ends: Token | None = None
    """The token whose session it ends."""


@dataclass(frozen=True, slots=True)
class CredentialsOf:
    """A flow's credentials, and the secret that they were read from."""

    credentials: Any
    secret: Mapping[str, Any] = field(repr=False)


class AnnotatedFlow(Flow):
    """A flow whose requests say what they are for."""

    @property
    def vendor(self) -> Vendor[Any]:
        """The flow's vendor, whose conversations are the same."""
        vendor = super().vendor
        changed: Any = {name: for_credentials(getattr(vendor, name)) for name in OF_CREDENTIALS}
        return replace(
            vendor,
            parse=lambda secret: CredentialsOf(
                vendor.parse(secret), cast("Mapping[str, Any]", secret)
            ),
            exchange=self._exchange,
            log_out=self._log_out if vendor.log_out else None,
            **changed,
        )

    def _exchange(
        self, known: CredentialsOf, variant: Variant, now: int, kept: Token | None = None
    ) -> Exchange:
        conversation = super().vendor.exchange(known.credentials, variant, now, kept)
        return relayed(conversation, annotating(secret=known.secret, key=variant.key, kept=kept))

    def _log_out(self, token: Token) -> Conversation[Any]:
        log_out = super().vendor.log_out
        assert log_out
        return relayed(log_out(token), annotating(ends=token))


def annotating(**what: Any) -> Callable[[Request | NeedToken], Conversation[Any]]:
    """Return what passes each step on; a request, with *what* it is for."""

    def relay(step: Request | NeedToken) -> Conversation[Any]:
        if isinstance(step, Request):
            parts = {one.name: getattr(step, one.name) for one in fields(Request)}
            step = AnnotatedRequest(**parts, **what)
        answer: Any = yield step
        return answer

    return relay


def for_credentials(function: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Return *function* for credentials that are kept with their secret."""
    if function is None:
        return None
    return lambda known, *rest: function(known.credentials, *rest)


class GenericUser(SimulatedVendor):
    """Two users of one vendor; each subclass is about one flow."""

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        # Its first random values are those of the tests' subjects: numbers of tenants, say.
        rng = Random(self.flow.name)
        self.fake = registry.new(self.flow.name, clock=clock, rng=rng, sleep=no_sleep)
        self.fake.modes.update(plan.modes)
        self._accepted: dict[str, int] = {}
        """Users, by the only password of each."""
        self._ends: dict[str, float] = {}
        """When each token that was handed out ends by itself."""
        self._ended: set[str] = set()

    def answer(self, request: Request) -> Response:
        """Answer as the fake does; refuse, as the vendor does, what the fake never unlearns."""
        credential = self.credential(request)
        if credential and credential not in self._accepted:
            return refusal(self.flow.name)
        response = self.fake(request)
        for token in self.tokens(response):
            self._ends.setdefault(token, int(self.fake.now) + self.fake.modes.lifetime)
        if isinstance(request, AnnotatedRequest) and request.ends and response.is_success:
            self._ended.add(request.ends.value)
        return response

    def secret(self, setting: Setting) -> dict[str, Any]:
        login = login_of(self.flow.name, setting.user, setting.password)
        return self.fake.demo_secret(self._url(setting)) | login

    def hosts(self, setting: Setting) -> frozenset[str]:
        said = talk_at(self.flow.name, self._url(setting)).said
        return frozenset(urlsplit(request.url).netloc for request, _ in said)

    def bases(self, setting: Setting) -> frozenset[str]:
        tokens = talk_at(self.flow.name, self._url(setting)).tokens
        return frozenset(token.base_url for token in tokens)

    def describes(self, context: Mapping[str, Any], setting: Setting, since: float) -> bool:
        """Say whether *context* has the members that it has at first: what they say is unknown."""
        del setting, since
        known = [token.context for token in subjects.talk(self.flow.name).tokens]
        return any(context.keys() == one.keys() for one in (*known, {}))

    def set_password(self, user: int, password: str) -> None:
        self._accepted = {one: who for one, who in self._accepted.items() if who != user}
        self._accepted[f"{user}/{password}"] = user
        self.fake.accept(login_of(self.flow.name, user, password))

    def set_lifetime(self, seconds: int) -> int:
        self.fake.modes.lifetime, kept = lifetimes(self.flow.name, seconds)
        return kept

    def key(self, request: Request) -> str | None:
        is_making = request.step in self.fake.exchanges | making_steps(self.flow.name)
        return request.key if is_making and isinstance(request, AnnotatedRequest) else None

    def credential(self, request: Request) -> str | None:
        if not isinstance(request, AnnotatedRequest) or not request.proves_credentials:
            return None
        return next(
            str(request.secret[one.key])
            for one in subjects.questions(self.flow.name)
            if one.is_secret
        )

    def bearer(self, request: Request) -> str | None:
        """Return the token in a header, or that whose renewal token is in the body.

        What only ends a session makes nothing.
        """
        if isinstance(request, AnnotatedRequest) and request.ends:
            return None
        values = (value.rpartition(" ")[2] for value in request.headers.values())
        found = next((value for value in values if value in self._ends), None)
        kept = request.kept if isinstance(request, AnnotatedRequest) else None
        if found or not kept or not kept.renewal:
            return found
        sent = [*(request.form or {}).values(), json.dumps(request.json)]
        return kept.value if any(kept.renewal in text for text in sent) else None

    def tokens(self, response: Response) -> list[str]:
        return tokens_in(self.fake, response)

    def is_ended(self, token: str) -> bool:
        return token in self._ended

    def ends_at(self, token: str) -> float:
        return self._ends[token]

    def revoke(self) -> None:
        super().revoke()
        self._ended |= self._ends.keys()

    def wanted(self, body: Mapping[str, Any], setting: Setting, since: float) -> set[str]:
        del setting, since
        return {variant_of(self.flow.name, json.dumps(body))}

    def _url(self, setting: Setting) -> str:
        return f"https://api{setting.host}.{self.flow.name}.test"


def generic_user(flow: str) -> type[GenericUser]:
    """Return two users of the vendor that *flow* is about."""
    known = {variant_of(flow, json.dumps(body)): body for body in (subjects.body(flow), {})}
    members = {"flow": AnnotatedFlow(*every()[flow]), "bodies": tuple(known.values())}
    return type(flow.capitalize(), (GenericUser,), members)


def login_of(flow: str, user: int, password: str) -> dict[str, str]:
    """Return what of a secret says who logs in: whose password it is stands in the password."""
    return {
        one.key: f"{user}/{password}" if one.is_secret else f"user{user}"
        for one in subjects.questions(flow)
    }


refusal = cache(subjects.refusal)


@cache
def talk_at(flow: str, url: str) -> subjects.Talk:
    """Return the conversation of a first exchange with the vendor at *url*."""
    return subjects.Talk(flow, changes=registry.kind(flow).demo_secret(url))


def tokens_in(fake: Fake[Any], response: Response) -> list[str]:
    """Return what the fake can leave out of an answer."""
    answer = Answer(response.status, response.headers, response.content)
    if not response.is_success:
        return []
    left = fake.without_token(answer).response()
    return [text for text in texts(response) if text not in texts(left)]


@cache
def making_steps(flow: str) -> frozenset[str]:
    """Return the steps that hand out a token at first: not the login's, if that leads elsewhere."""
    talk = subjects.talk(flow)
    return frozenset(request.step for request, told in talk.said if tokens_in(talk.fake, told))


@cache
def lifetimes(flow: str, seconds: int) -> tuple[int, int]:
    """Return how long tokens live that should live *seconds*, and how long they are kept.

    By default, where the flow does not believe that they live so long.
    """
    talks = (subjects.Talk(flow, modes=modes) for modes in ({LIFETIME: seconds}, {}))
    talk = next(talk for talk in talks if talk.error is None)
    return talk.fake.modes.lifetime, talk.tokens[-1].expires_at - subjects.NOW


@cache
def variant_of(flow: str, body: str) -> str:
    """Return the variant whose token a call with *body*, in JSON, is given."""
    talk = subjects.Talk(flow, json.loads(body))
    assert talk.error is None, f"{flow} has no token for {body}: {talk.error}"
    return talk.variants[-1].key


def texts(response: Response) -> list[str]:
    """Return the texts in an answer: its headers' values, without ``Bearer``, and its JSON's."""
    found, left = (
        [value.rpartition(" ")[2] for value in response.headers.values()],
        [response.json()],
    )
    while left:
        match left.pop(0):
            case str() as text:
                found.append(text)
            case dict() as members:
                left += members.values()
            case list() as members:
                left += members
    return found
