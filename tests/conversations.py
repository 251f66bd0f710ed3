"""Holding an exchange's conversation in a test: by hand, with a fake, or with any answers."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Any, Protocol

import pytest
from hypothesis import strategies as st

from token_broker.errors import BrokerError
from token_broker.exchange import (
    Ask,
    Conversation,
    Elsewhere,
    Exchange,
    Request,
    Response,
    Send,
    run,
)
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


def tell(conversation: Conversation[Any], told: object) -> Request:
    """Return the request that follows on *told*."""
    step = conversation.send(told)
    assert isinstance(step, Request)
    return step


def earned(conversation: Conversation[Any], last: object) -> Any:
    """Return what *conversation* earns when *last* is the last thing it is told."""
    with pytest.raises(StopIteration) as end:
        conversation.send(last)
    return end.value.value


def held(conversation: Conversation[Any], answers: Iterable[object]) -> Any:
    """Return what *conversation* earns when it is told *answers*, one by one, and no more."""
    told = iter(answers)
    result = run(conversation, lambda _: next(told), lambda _: next(told))  # type: ignore[arg-type,return-value]  # of any kind
    assert list(told) == [], "the conversation ended early"
    return result


class Flow(Protocol):
    """A flow's module, as far as exchanges go."""

    def exchange(
        self, credentials: Any, variant: Variant, now: int, kept: Token | None = None
    ) -> Exchange:
        """Converse with the vendor."""


@dataclass
class Desk:
    """The smallest broker: one connection, whose tokens it keeps in a dict."""

    flow: Flow
    credentials: Any
    send: Send
    now: int = NOW
    kept: dict[str, Token] = field(default_factory=dict)
    """What is kept by variant, as it is when it was stored and read again."""
    seeds: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def token(self, variant: Variant) -> Token:
        """Return a token as a call gets it; seeds are a call's own."""
        self.seeds = {}
        return self.ask(Ask(variant))

    def renew(self, variant: Variant) -> Token:
        """Return a new token, as a renewal makes it."""
        self.seeds = {}
        return self.make(variant)

    def find(self, **inputs: str | None) -> Variant:
        """Return where VNTANA's answer to a wish leads."""
        self.seeds = {}
        asked = {"organization": None, "workspace": None} | inputs
        return self.converse(Variant("asked", asked)).variant  # type: ignore[union-attr]  # else it fails

    def ask(self, ask: Ask) -> Token:
        """Return a live token of another variant."""
        kept = self.kept.get(ask.variant.key)
        if kept is None or kept.fingerprint == ask.rejected:
            return self.make(ask.variant)
        return replace(kept, seed=self.seeds.get(ask.variant.key, {}))

    def make(self, variant: Variant) -> Token:
        """Exchange, follow where that leads, and keep what is earned."""
        result = self.converse(variant)
        if isinstance(result, Elsewhere):
            return self.ask(Ask(result.variant))
        self.seeds[variant.key] = result.seed
        context = json.loads(json.dumps(result.context))
        self.kept[variant.key] = replace(result, seed={}, context=context)
        return result

    def converse(self, variant: Variant) -> Token | Elsewhere:
        """Exchange once."""
        kept = self.kept.get(variant.key)
        return run(
            self.flow.exchange(self.credentials, variant, self.now, kept), self.send, self.ask
        )


# Any answers at all

SECRETS = ('pass "wörd"/\\', "user name@Example", "key/with+signs==", "Old/Token+==", "renew/al+==")
"""What must appear in no error: a password, a name, a key, and tokens that are kept."""

NAMES = (
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
header_names = st.sampled_from(["x-auth-token", "retry-after", "content-type", "date"])
headers = st.dictionaries(header_names, st.sampled_from(TEXTS) | st.text(max_size=30), max_size=3)
any_answers = st.lists(st.builds(Response, statuses, headers, contents), min_size=1, max_size=6)


def repeated(answers: list[Response]) -> Send:
    """Return a vendor that gives *answers* one by one, and again."""
    told = cycle(answers)
    return lambda _: next(told)


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
