"""The flows, as tests that are about every flow have them: from descriptors and fakes, by no list.

What a test has to know of a vendor, its fake shows in one conversation: which step proves the
credentials, how a wrong login is refused, which words stand in its answers.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from random import Random
from typing import Any

from token_broker.document import Document
from token_broker.errors import BrokerError, CredentialRejected, InvalidRequest
from token_broker.exchange import NeedToken, Request, ResolvedTo, Response, run
from token_broker.flows import every as flows
from token_broker.tokens import ONLY, Token, Variant
from token_broker_descriptors import Question, asked, every
from token_broker_fakes import registry
from token_broker_fakes.modes import choices
from token_broker_fakes.wire import Call

FLOWS = tuple(every())
CHECKED = tuple(flow for flow in FLOWS if flows()[flow].vendor.check)
"""Those whose vendor has a harmless request."""
PROBED = tuple(flow for flow in FLOWS if flows()[flow].vendor.probe)
LOOPBACK = "http://127.0.0.1:1"
NOW = 1_900_000_000
MOST_REQUESTS = 50


def body(flow: str) -> dict[str, Any]:
    """Return the body of a call that works for the demo's connection."""
    return dict(every()[flow].demo)


def questions(flow: str) -> Iterator[Question]:
    """Yield the questions whose answers are in the demo's secret: who logs in, and by what.

    Where that is sent is no such question: it has a default, here or at the local system.
    """
    demo = registry.kind(flow).demo_secret(LOOPBACK)
    for question in asked(every()[flow].questions):
        is_place = question.default is not None or question.local is not None
        if question.key in demo and question.is_login and not is_place:
            yield question


def wrong_login(flow: str) -> dict[str, str]:
    """Return what of a secret makes it one that the vendor rejects."""
    return {one.key: f"wrong-{one.key}-canary" for one in questions(flow) if one.is_secret}


def canaries(flow: str) -> dict[str, str]:
    """Return credentials that nobody writes by chance, and that every encoding changes.

    The last of them is secret; eight characters tell each from the others.
    """
    found = sorted(questions(flow), key=lambda one: one.is_secret)
    return {one.key: f'Zk{n}~/"+{one.key}\\canary==' for n, one in enumerate(found)}


class Talk:
    """A conversation with a fake of a flow's vendor, and its log.

    *content* is the body, the demo's by default; *fault* one of the fake's, *modes* its modes;
    *known* a secret that the fake accepts; *changes* are made to the demo's secret; *ahead* are the
    seconds by which the flow's clock is ahead of the vendor's.
    """

    def __init__(
        self,
        flow: str,
        content: Mapping[str, Any] | None = None,
        *,
        fault: Mapping[str, Any] | None = None,
        modes: Mapping[str, Any] | None = None,
        known: Mapping[str, str] | None = None,
        changes: Mapping[str, Any] | None = None,
        ahead: int = 0,
    ) -> None:
        self.now = NOW + ahead
        self.flow = flows()[flow]
        self.vendor = self.flow.vendor
        self.fake = registry.new(flow, clock=lambda: float(NOW), rng=Random(flow))
        self.fake.modes.update(modes or {})
        self.secret = self.fake.demo_secret(LOOPBACK) | dict(changes or {})
        self.log: list[tuple[Request, Response]] = []
        self.tokens: list[Token] = []
        self.variants: list[Variant] = []
        """Of which the tokens are, one by one."""
        self.error: BrokerError | None = None
        self._kept: dict[str, Token] = {}
        if known:
            try:
                self.fake.accept(known)
            except KeyError as key:
                raise AssertionError(f"{flow}: the descriptor has no question {key}") from key
        if fault:
            self.fake.fail(**fault)
        self._fields = body(flow) if content is None else dict(content)
        self.converse()

    def converse(self) -> None:
        """Obtain the token of the call, with nothing kept."""
        self._kept.clear()
        try:
            self.obtain(NeedToken(self.flow.requested(Document(self._fields, InvalidRequest))))
        except BrokerError as error:
            self.error = error

    def obtain(self, need: NeedToken) -> Token:
        """Return a token of a variant: each is made once, and resolved first, as by the broker."""
        variant = self.vendor.resolve(self.vendor.parse(self.secret), need.variant)
        if variant.key not in self._kept:
            self._kept[variant.key] = self._made(variant)
        return self._kept[variant.key]

    def callers_tokens(self) -> list[Token]:
        """Return the tokens that callers may get: the last is what they asked for.

        Not a listing or a session, from which others are made.
        """
        made = zip(self.variants, self.tokens, strict=True)
        return [token for variant, token in made if variant.kind in self.vendor.token_kinds]

    def renew(self, **fault: Any) -> None:
        """Renew the tokens that can be, under one of the fake's faults; they take their place."""
        before = zip(self.variants, self.tokens, strict=True)
        self.log, self.tokens, self.variants = [], [], []
        if fault:
            self.fake.fail(**fault)
        try:
            for variant, token in before:
                if token.renewal:
                    self._made(variant, token)
        except BrokerError as error:
            self.error = error

    def _made(self, variant: Variant, kept: Token | None = None) -> Token:
        conversation = self.vendor.exchange(self.vendor.parse(self.secret), variant, self.now, kept)
        made = run(conversation, self._send, self.obtain)
        if isinstance(made, ResolvedTo):
            return self.obtain(NeedToken(made.variant))
        self.tokens.append(made)
        self.variants.append(variant)
        return made

    def _send(self, request: Request) -> Response:
        assert len(self.log) < MOST_REQUESTS, f"{request.step}: the conversation has no end"
        response = self.fake(request)
        self.log.append((request, response))
        return response


def modes(flow: str) -> Iterator[dict[str, Any]]:
    """Yield the modes of a flow's fake: the defaults, then each value of one that is another."""
    yield {}
    known = registry.new(flow).modes
    for name, values in choices(type(known)).items():
        yield from ({name: one} for one in values or (1, 10) if one != getattr(known, name))


@cache
def talk(flow: str) -> Talk:
    """Return the conversation of a first exchange, which went well."""
    found = Talk(flow)
    assert found.error is None, f"the demo's login fails: {found.error}"
    return found


def live_side_by_side(flow: str) -> bool:
    """Say whether the tokens of two calls live at the same time: an account may have one only."""
    found = Talk(flow, {})
    found.obtain(NeedToken(found.flow.requested(Document(body(flow), InvalidRequest))))
    shown = json.dumps(found.fake.describe())
    return all(token.value in shown for token in found.callers_tokens())


def keeps_gate_apart(flow: str) -> bool:
    """Say whether the credential gate is an item of its own: no token has its key."""
    return all(variant.key != ONLY for variant in talk(flow).variants)


def renews(flow: str) -> bool:
    """Say whether a token can be renewed with what came with it."""
    return any(token.renewal for token in talk(flow).tokens)


def renewal_step(flow: str) -> str | None:
    """Return the step that renews a token by what came with it; None if none does."""
    found, vendor = talk(flow), flows()[flow].vendor
    for variant, token in zip(found.variants, found.tokens, strict=True):
        if token.renewal:
            step = next(vendor.exchange(vendor.parse(found.secret), variant, NOW, token))
            return step.step if isinstance(step, Request) else None
    return None


def tells_time(flow: str) -> bool:
    """Say whether a login tells the vendor the time, as a signed one does."""
    return any(Talk(flow, ahead=seconds).error for seconds in (-600, 600))


def is_made_in_steps(flow: str) -> bool:
    """Say whether a token is made from another one, which is kept too."""
    return len(talk(flow).variants) > 1


def proof(flow: str) -> Request:
    """Return the request that proves the credentials."""
    return next(request for request, _ in talk(flow).log if request.proves_credentials)


def refusal(flow: str) -> Response:
    """Return how the vendor answers a wrong login."""
    log = Talk(flow, changes=wrong_login(flow)).log
    return next(response for request, response in reversed(log) if request.proves_credentials)


@cache
def refuses_clearly(flow: str) -> bool:
    """Say whether a refusal of a wrong login can be about nothing else, such as a call's fields."""
    error = Talk(flow, changes=wrong_login(flow)).error
    return isinstance(error, CredentialRejected) and error.is_certain


def clear_refusal(flow: str) -> dict[str, Any]:
    """Return, as a fake's fault, an answer to a login that is about the credentials for certain."""
    response = as_fault(refusal(flow))
    for status in (response["status"], 401, 403, 400):
        fault = response | {"status": status}
        error = Talk(flow, fault={"kind": "answer", "step": proof(flow).step, **fault}).error
        if isinstance(error, CredentialRejected) and error.is_certain:
            return fault
    raise LookupError(f"no status of a refusal says for certain what {flow} rejects")


@cache
def asides(flow: str) -> frozenset[str]:
    """Return the steps from which nothing is made: a log-out, and a question about a token."""
    found, vendor = talk(flow), flows()[flow].vendor
    credentials, token = vendor.parse(found.secret), found.tokens[-1]
    checks = [next(vendor.verify(credentials, token.value))] if vendor.verify else []
    steps = {one.step for one in checks if isinstance(one, Request)}
    return frozenset({*steps, *log_outs(flow)})


def log_outs(flow: str) -> tuple[str, ...]:
    """Return the steps that end the sessions of a first exchange: one for each that has an end."""
    found, vendor = talk(flow), flows()[flow].vendor
    credentials = vendor.parse(found.secret)
    requests = [next(vendor.end_session(credentials, token, NOW), None) for token in found.tokens]
    return tuple(one.step for one in requests if isinstance(one, Request))


@cache
def member_names() -> tuple[str, ...]:
    """Return the names of members in the vendors' answers.

    A flow that fails has none here: its own tests say so, and those of the others can be collected.
    """
    found = set[str]()
    for flow in FLOWS:
        with suppress(Exception):
            found |= {name for _, response in talk(flow).log for name in names(response)}
    return tuple(sorted(found))


def names(response: Response) -> Iterator[str]:
    """Yield the names of the members in an answer's JSON, however deep."""
    left: list[Any] = [response.json()]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            yield from value
            left += value.values()
        elif isinstance(value, list):
            left += value


def check(flow: str) -> tuple[Request, str]:
    """Return the harmless request of a check, and the step that the fake calls it."""
    found, check = talk(flow), flows()[flow].vendor.check
    assert check
    request = next(check(found.vendor.parse(found.secret), found.tokens[-1]))
    assert isinstance(request, Request)
    route = found.fake.route(Call.of(request))
    assert route, f"the fake has no route for what a check of {flow} asks"
    return request, route[0]


@cache
def dead(flow: str) -> Response:
    """Return how the vendor answers a check of a token that it has revoked."""
    fake = Talk(flow).fake
    fake.revoke()
    return fake(check(flow)[0])


def as_fault(response: Response) -> dict[str, Any]:
    """Return *response* as a fake's fault ``answer`` has it."""
    text = response.content.decode()
    return {"status": response.status, "headers": dict(response.headers), "body": text}


def members(flow: str) -> tuple[str, ...]:
    """Return the keys of a flow's secret."""
    return tuple(one.key for one in asked(every()[flow].questions))
