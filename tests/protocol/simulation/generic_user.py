"""A generic simulated vendor with two users, made from a flow's fake and descriptor.

A fake cannot tell the credential and the variant of a request in general: a login may be signed, a
token may be made in several steps. So each request is annotated by the flow's conversation.
"""

import json
import re
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
from token_broker.probing import relayed
from token_broker.tokens import Token, Variant
from token_broker_fakes import registry
from token_broker_fakes.fake import Fake
from token_broker_fakes.wire import Answer

LIFETIME = "lifetime"
"""The mode of a fake for its tokens' lifetime in seconds."""

OF_CREDENTIALS = ("resolve", "complete", "pins", "is_shared", "verify", "check")
"""The members of a flow's vendor whose first argument is the result of `parse`."""


@dataclass(frozen=True, slots=True)
class AnnotatedRequest(Request):
    """A request with its credential and variant."""

    secret: Mapping[str, Any] = field(default_factory=dict, repr=False)
    key: str = ""
    kept: Token | None = None
    """The stored token at the begin of the exchange."""
    ends: Token | None = None
    """The token whose session it ends."""


@dataclass(frozen=True, slots=True)
class CredentialsOf:
    """A flow's credentials with the secret that they were parsed from."""

    credentials: Any
    secret: Mapping[str, Any] = field(repr=False)


def annotated(flow: Flow) -> Flow:
    """Return *flow* with annotated requests; its conversations are the same."""
    vendor = flow.vendor
    changed: Any = {name: for_credentials(getattr(vendor, name)) for name in OF_CREDENTIALS}

    def parse(secret: object) -> CredentialsOf:
        return CredentialsOf(vendor.parse(secret), cast("Mapping[str, Any]", secret))

    def exchange(
        known: CredentialsOf, variant: Variant, now: int, kept: Token | None = None
    ) -> Exchange:
        conversation = vendor.exchange(known.credentials, variant, now, kept)
        return relayed(conversation, annotating(secret=known.secret, key=variant.key, kept=kept))

    def log_out(token: Token) -> Conversation[Any]:
        assert vendor.log_out
        return relayed(vendor.log_out(token), annotating(ends=token))

    changed |= {"parse": parse, "exchange": exchange}

    def revoke(known: CredentialsOf, token: Token, now: int) -> Conversation[Any]:
        assert vendor.revoke
        conversation = vendor.revoke(known.credentials, token, now)
        return relayed(conversation, annotating(ends=token, secret=known.secret))

    changed |= {"log_out": log_out} if vendor.log_out else {}
    changed |= {"revoke": revoke} if vendor.revoke else {}
    return flow._replace(adapted=replace(vendor, **changed))


def annotating(**what: Any) -> Callable[[Request | NeedToken], Conversation[Any]]:
    """Return a relay that annotates each request with *what*."""

    def relay(step: Request | NeedToken) -> Conversation[Any]:
        if isinstance(step, Request):
            parts = {one.name: getattr(step, one.name) for one in fields(Request)}
            step = AnnotatedRequest(**parts, **what)
        answer: Any = yield step
        return answer

    return relay


def for_credentials(function: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Return *function* for `CredentialsOf`."""
    if function is None:
        return None
    return lambda known, *rest: function(known.credentials, *rest)


class GenericUser(SimulatedVendor):
    """Two users of one vendor; each subclass is for one flow."""

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        # Its first random values are those of the tests' subjects: numbers of tenants, say.
        rng = Random(self.flow.name)
        self.fake = registry.new(self.flow.name, clock=clock, rng=rng, sleep=no_sleep)
        self.fake.modes.update(plan.modes)
        self._accepted: dict[str, int] = {}
        """Users by their current password."""
        self._ends: dict[str, float] = {}
        """The expiry of each issued token."""

    def answer(self, request: Request) -> Response:
        """Answer as the fake does; reject a replaced password, which the fake still accepts."""
        credential = self.credential(request)
        if credential and credential not in self._accepted:
            return refusal(self.flow.name)
        response = self.fake(request)
        for token in self.tokens(response):
            self._ends.setdefault(token, int(self.fake.now) + self.fake.modes.lifetime)
        return response

    def secret(self, setting: Setting) -> dict[str, Any]:
        login = login_of(self.flow.name, setting.user, setting.password)
        return self.fake.demo_secret(self._url(setting)) | login

    def hosts(self, setting: Setting) -> frozenset[str]:
        said = [request for talk in self._talks(setting) for request, _ in talk.log]
        return frozenset(urlsplit(request.url).netloc for request in said)

    def bases(self, setting: Setting) -> frozenset[str]:
        tokens = [token for talk in self._talks(setting) for token in talk.tokens]
        return frozenset(token.base_url for token in tokens)

    def _talks(self, setting: Setting) -> list[subjects.Talk]:
        """Return a first exchange of each variant: a call may choose its host."""
        texts = map(json.dumps, self.bodies)
        return [talk_at(self.flow.name, self._url(setting), text) for text in texts]

    def describes(self, context: Mapping[str, Any], setting: Setting, since: float) -> bool:
        """Return whether *context* has the expected members; their values are unknown."""
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
        if not isinstance(request, AnnotatedRequest) or request.ends:
            return None
        if not request.proves_credentials:
            return None
        return next(
            str(request.secret[one.key])
            for one in subjects.questions(self.flow.name)
            if one.is_secret
        )

    def bearer(self, request: Request) -> str | None:
        """Return the token in a header, or the token whose renewal token is in the body.

        A request that only ends a session makes no token.
        """
        if isinstance(request, AnnotatedRequest) and request.ends:
            return None
        found = next((word for word in words(request.headers) if word in self._ends), None)
        kept = request.kept if isinstance(request, AnnotatedRequest) else None
        if found or not kept or not kept.renewal:
            return found
        sent = [*(request.form or {}).values(), json.dumps(request.json)]
        return kept.value if any(kept.renewal in text for text in sent) else None

    def tokens(self, response: Response) -> list[str]:
        return tokens_in(self.fake, response)

    def is_ended(self, token: str) -> bool:
        """Ask the fake: the session's end may have ended tokens that were made with it, too."""
        is_due = self.fake.now >= self._ends[token]
        return not is_due and token not in json.dumps(self.fake.describe())

    def ends_at(self, token: str) -> float:
        return self._ends[token]

    def wanted(self, body: Mapping[str, Any], setting: Setting, since: float) -> set[str]:
        del setting, since
        return {variant_of(self.flow.name, json.dumps(body))}

    def _url(self, setting: Setting) -> str:
        return f"https://api{setting.host}.{self.flow.name}.test"


def generic_user(flow: str) -> type[GenericUser]:
    known = {variant_of(flow, json.dumps(body)): body for body in (subjects.body(flow), {})}
    if not subjects.live_side_by_side(flow):  # then callers use one variant, as its secret pins
        known = {variant_of(flow, "{}"): {}}
    members = {"flow": annotated(every()[flow]), "bodies": tuple(known.values())}
    return type(flow.capitalize(), (GenericUser,), members)


def login_of(flow: str, user: int, password: str) -> dict[str, str]:
    """Return the login members of a secret; the password contains the user."""
    return {
        one.key: f"{user}/{password}" if one.is_secret else f"user{user}"
        for one in subjects.questions(flow)
    }


refusal = cache(subjects.refusal)


@cache
def talk_at(flow: str, url: str, body: str) -> subjects.Talk:
    """Return the conversation of a first exchange at *url*, for a *body* in JSON."""
    return subjects.Talk(flow, json.loads(body), changes=registry.kind(flow).demo_secret(url))


def tokens_in(fake: Fake[Any], response: Response) -> list[str]:
    answer = Answer(response.status, response.headers, response.content)
    if response.status >= 400:
        return []
    left = fake.without_token(answer).response()
    return [text for text in texts(response) if text not in texts(left)]


@cache
def making_steps(flow: str) -> frozenset[str]:
    """Return the steps that return a caller's token; not the login, if more steps follow."""
    talk = subjects.talk(flow)
    return frozenset(request.step for request, told in talk.log if tokens_in(talk.fake, told))


@cache
def lifetimes(flow: str, seconds: int) -> tuple[int, int]:
    """Return the lifetime of tokens for a wanted one of *seconds*, and the stored lifetime.

    The defaults, if the flow does not follow that lifetime: its vendor's answers do not tell it.
    """
    wanted, default = (subjects.Talk(flow, modes=modes) for modes in ({LIFETIME: seconds}, {}))
    talk = default if wanted.error or stored(wanted) == stored(default) else wanted
    return talk.fake.modes.lifetime, stored(talk)


def stored(talk: subjects.Talk) -> int:
    """Return the seconds from the issue of the caller's token to its expiry."""
    return talk.tokens[-1].expires_at - subjects.NOW


@cache
def variant_of(flow: str, body: str) -> str:
    """Return the variant of a call with *body* in JSON."""
    talk = subjects.Talk(flow, json.loads(body))
    assert talk.error is None, f"{flow} has no token for {body}: {talk.error}"
    return talk.variants[-1].key


def words(headers: Mapping[str, str]) -> list[str]:
    """Return the words of header values: ``abc`` of ``Bearer abc`` and of ``S=abc; Path=/``."""
    parts = (part for value in headers.values() for part in re.split(r"[\s;,]+", value))
    return [re.sub(r"^[\w-]+=(?=[^=])", "", part) for part in parts]


def texts(response: Response) -> list[str]:
    """Return the words of an answer's headers, and the strings of its JSON."""
    found, left = words(response.headers), [response.json()]
    while left:
        match left.pop(0):
            case str() as text:
                found.append(text)
            case dict() as members:
                left += members.values()
            case list() as members:
                left += members
    return found
