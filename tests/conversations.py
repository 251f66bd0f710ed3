"""Holding an exchange's conversation in a test: by hand, with a fake, or with any answers."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.subjects import member_names
from token_broker.errors import BrokerError
from token_broker.exchange import Conversation, NeedToken, Request, ResolvedTo, Response, Send, run
from token_broker.flows.vendor import Vendor
from token_broker.records import replace
from token_broker.tokens import Token, Variant

NOW = 1_900_000_000


def answer(body: object = None, status: int = 200, **headers: str) -> Response:
    """Return an answer with *body* as JSON; underscores in names of *headers* are hyphens."""
    content = b"" if body is None else json.dumps(body).encode()
    return Response(status, {k.replace("_", "-"): v for k, v in headers.items()}, content)


def begin(conversation: Conversation[Any]) -> Request:
    """Return the request with which *conversation* begins."""
    step = next(conversation)
    assert isinstance(step, Request)
    return step


def reply(conversation: Conversation[Any], value: object) -> Request:
    """Return the request that follows on *value*."""
    step = conversation.send(value)
    assert isinstance(step, Request)
    return step


def ended(conversation: Conversation[Any], last: object) -> Any:
    """Return the result of *conversation* when *last* is the last thing it is sent."""
    with pytest.raises(StopIteration) as end:
        conversation.send(last)
    return end.value.value


def concluded(conversation: Conversation[Any], last: object) -> Any:
    """Return how *conversation* ends by the answer *last*: its result, or its error's class."""
    try:
        return ended(conversation, last)
    except BrokerError as error:
        return type(error)


def held(conversation: Conversation[Any], answers: Iterable[object]) -> Any:
    """Return the result of *conversation* when it is sent *answers*, one by one, and no more."""
    remaining = iter(answers)
    result = run(conversation, lambda _: next(remaining), lambda _: next(remaining))  # type: ignore[arg-type,return-value]  # of any kind
    assert list(remaining) == [], "the conversation ended early"
    return result


@dataclass
class MiniBroker:
    """The smallest broker: one connection, whose tokens it keeps in a dict."""

    vendor: Vendor[Any]
    credentials: Any
    send: Send
    now: int = NOW
    kept: dict[str, Token] = field(default_factory=dict)
    """What is kept by variant, as it is when it was stored and read again."""
    handoffs: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def token(self, variant: Variant) -> Token:
        """Return a token as a call gets it; handoffs are a call's own."""
        self.handoffs = {}
        return self.obtain(NeedToken(variant))

    def renew(self, variant: Variant) -> Token:
        """Return a new token, as a renewal makes it."""
        self.handoffs = {}
        return self.make(variant)

    def resolved(self, **inputs: str | None) -> Variant:
        """Return the variant that a request resolves to at VNTANA."""
        self.handoffs = {}
        fields = {"organization": None, "workspace": None} | inputs
        return self.converse(Variant("asked", fields)).variant  # type: ignore[union-attr]  # else it fails

    def obtain(self, need: NeedToken) -> Token:
        """Return a live token of another variant."""
        kept = self.kept.get(need.variant.key)
        if kept is None or kept.fingerprint == need.rejected:
            return self.make(need.variant)
        return replace(kept, handoff=self.handoffs.get(need.variant.key, {}))

    def make(self, variant: Variant) -> Token:
        """Exchange, go on with the variant that it resolves to, and keep the new token."""
        result = self.converse(variant)
        if isinstance(result, ResolvedTo):
            return self.obtain(NeedToken(result.variant))
        self.handoffs[variant.key] = result.handoff
        context = json.loads(json.dumps(result.context))
        self.kept[variant.key] = replace(result, handoff={}, context=context)
        return result

    def converse(self, variant: Variant) -> Token | ResolvedTo:
        """Exchange once."""
        kept = self.kept.get(variant.key)
        return run(
            self.vendor.exchange(self.credentials, variant, self.now, kept), self.send, self.obtain
        )


# Any answers at all

SECRETS = ('pass "wörd"/\\', "user name@Example", "key/with+signs==", "Old/Token+==", "renew/al+==")
"""What must appear in no error: a password, a name, a key, and tokens that are kept."""

NAMES = (
    *member_names(),
    *("success", "errors", "response", "grid", "totalCount", "uuid", "slug", "role", "session"),
    *("expiration", "token", "accessToken", "renewalToken", "hostname", "userId", "displayName"),
    *("expiration_time", "message", "code"),
)
TEXTS = (
    *("BAD_CREDENTIALS", "FORBIDDEN", "API_RATE_LIMIT_EXCEEDED", "ORGANIZATION_ADMIN", "acme"),
    *("2026-11-22T10:00:00.123", "9999-12-31T23:59:59", "app2.vendorlink.nl", "127.0.0.1:1", ""),
    *("Bearer", "Bearer a/b+", "eyJ.eyJleHAiOjF9.x", "99999999999999999999", *SECRETS),
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(TEXTS)
    | st.text(max_size=8)
)
bodies = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6)
    ),
    max_leaves=12,
)
contents = bodies.map(lambda body: json.dumps(body).encode()) | st.binary(max_size=40)
statuses = st.sampled_from([200, 200, 200, 204, 302, 400, 401, 403, 404, 429, 500, 503]) | (
    st.integers(100, 599)
)
header_names = st.sampled_from(
    ["x-auth-token", "retry-after", "content-type", "date", "set-cookie", "location"]
)
headers = st.dictionaries(header_names, st.sampled_from(TEXTS) | st.text(max_size=30), max_size=3)
any_answers = st.lists(st.builds(Response, statuses, headers, contents), min_size=1, max_size=6)


FOREIGN = "foreign.example"
PLACES = (FOREIGN, f"https://{FOREIGN}/x", f"//{FOREIGN}/x", f"@{FOREIGN}/x")
"""Addresses that no secret allows: whole, and to be joined with an allowed one."""
NUMBERS: tuple[Any, ...] = (None, True, 0, -1, 10**20, 1e300, "3600")
ODD = (*NUMBERS, "", "a b", "é", "a\nb", [], {}, *PLACES)
"""Values that are wrong in most places of an answer."""


def nearly(response: Response) -> Iterator[Response]:
    """Yield *response* with each header, cookie and value of its JSON replaced by odd ones."""
    for name, value in response.headers.items():
        set_here = response.cookies().values() if name == "set-cookie" else ()
        for odd in ("", "é", "a b", *PLACES):
            texts = [odd, *(value.replace(one.value, odd) for one in set_here if one.value)]
            for text in texts:
                yield Response(response.status, {**response.headers, name: text}, response.content)
    for body in altered(response.json()):
        yield Response(response.status, response.headers, json.dumps(body).encode())


def altered(
    value: object, others: Callable[[object], Iterable[object]] = lambda _: ODD
) -> Iterator[object]:
    """Yield *value*, a JSON value, with each part of it replaced by each of the *others* for it."""
    yield from others(value)
    if isinstance(value, dict):
        for name, member in value.items():
            yield from ({**value, name: other} for other in altered(member, others))
    elif isinstance(value, list):
        for at, member in enumerate(value):
            rest = altered(member, others)
            yield from ([*value[:at], other, *value[at + 1 :]] for other in rest)


def repeated(answers: list[Response]) -> Send:
    """Return a vendor that gives *answers* one by one, and again."""
    responses = cycle(answers)
    return lambda _: next(responses)


def survives(converse: Callable[[], object]) -> None:
    """Assert that *converse* ends well or in an error of ours, which tells no secret."""
    try:
        result = converse()
    except BrokerError as error:
        shown = f"{error!r} {error} {json.dumps(error.problem())}"
        assert not [secret for secret in SECRETS if secret in shown]
    else:
        if isinstance(result, Token):
            assert result.expires_at > result.issued_at
            json.dumps(result.context)
