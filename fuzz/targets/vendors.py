"""Vendors' answers, and the conversations' results."""

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from urllib3.response import HTTPResponse

from fuzz.targets.properties import expect
from token_broker import exchange, records
from token_broker.document import Document
from token_broker.errors import BrokerError, InvalidRequest, UpstreamUnavailable
from token_broker.exchange import NeedToken, Request, ResolvedTo, Response
from token_broker.flows import Flow, every
from token_broker.flows.editor import FLOW as EDITOR_FLOW
from token_broker.flows.editor.credentials import Credentials as EditorCredentials
from token_broker.flows.editor.flow import verify
from token_broker.flows.vendor import Vendor
from token_broker.flows.vendorlink import FLOW as VENDORLINK_FLOW
from token_broker.flows.vendorlink.credentials import Credentials as VendorlinkCredentials
from token_broker.flows.vntana import FLOW as VNTANA_FLOW
from token_broker.flows.vntana.credentials import Credentials as VntanaCredentials
from token_broker.flows.vntana.organizations import LISTING
from token_broker.tokens import Token, Variant
from token_broker.transport import client as bodies
from token_broker.transport import urls
from token_broker.transport.client import Unreadable
from token_broker_descriptors import every as descriptors
from token_broker_fakes import registry

NOW = 1_900_000_000
MAX_REQUESTS = 16
"""The maximum number of requests in one conversation."""

SECRETS = ('pass "word"/\\', "user name@Example", "key/with+signs==", "Old/Token+==", "renew/al+==")
"""Texts that no error may contain: a password, a name, a key, and stored tokens."""

ORGANIZATION = "ac3e0000-0000-4000-8000-00000000000a"
WORKSPACE = "c11e0000-0000-4000-8000-00000000000b"

HOSTS = frozenset({"api.example", "app.vendorlink.nl", "tokens.example"})
"""The hosts that the conversations may call, besides those in .vendorlink.nl."""


@dataclass
class MiniBroker:
    """A minimal broker: it stores tokens in a dict; its vendor gives *answers*."""

    vendor: Vendor[Any]
    credentials: Any
    answers: Iterator[Response]
    tokens: dict[str, Token] = field(default_factory=dict)
    requests: int = 0

    def obtain(self, need: NeedToken) -> Token:
        """Return a live token of another variant."""
        stored = self.tokens.get(need.variant.key)
        if stored and stored.fingerprint != need.rejected:
            return stored
        result = self.converse(need.variant)
        if isinstance(result, ResolvedTo):
            return self.obtain(NeedToken(result.variant))
        context = json.loads(json.dumps(result.context))
        self.tokens[need.variant.key] = records.replace(result, context=context)
        return result

    def converse(self, variant: Variant, stored: Token | None = None) -> Token | ResolvedTo:
        """Exchange once."""
        conversation = self.vendor.exchange(self.credentials, variant, NOW, stored)
        return exchange.run(conversation, self.send, self.obtain)

    def send(self, request: Request) -> Response:
        """Answer a request, after a check that it may be sent."""
        self.requests += 1
        expect(self.requests <= MAX_REQUESTS, "the conversation ends")
        urls.split_url(request.url)
        host = urlsplit(request.url).hostname or ""
        expect(host in HOSTS or host.endswith(".vendorlink.nl"), "no other host is called")
        expect(not any(secret in request.url for secret in SECRETS), "no secret is in a URL")
        try:
            return next(self.answers)
        except StopIteration:
            raise UpstreamUnavailable(f"{request.step}: no answer") from None


def responses(data: bytes) -> Iterator[Response]:
    """Yield the responses in *data*: a status, headers, a blank line and a body, then ``%%``."""
    for part in data.split(b"\n%%\n"):
        head, _, content = part.partition(b"\n\n")
        status, *lines = head.decode("latin-1").split("\n")
        pairs = (line.partition(": ") for line in lines)
        headers = {name.lower(): value for name, _, value in pairs}
        yield Response(int(status) if status in STATUSES else 200, headers, content)


STATUSES = frozenset(map(str, range(100, 600)))


def check_result(converse: Callable[[], object]) -> None:
    """Check that *converse* returns, or raises a broker error without a secret."""
    try:
        result = converse()
    except BrokerError as error:
        text = f"{error!r} {error} {json.dumps(error.problem())}"
        expect(not any(secret in text for secret in SECRETS), "no secret is in an error")
        expect(text.isprintable(), "an error is one line")
    else:
        if isinstance(result, Token):
            check_token(result)


def check_token(token: Token) -> None:
    """Check that *token* can be returned."""
    expect(exchange.sendable(token.value) or not token.headers, "a token can be sent")
    for name, value in token.headers.items():
        expect(exchange.sendable(name) and exchange.sendable(value), "its headers can be sent")
    expect(NOW < token.expires_at < NOW + 10**12, "it expires later")
    urls.split_url(token.base_url)
    if token.url:
        urls.split_url(token.url)
        expect(
            urlsplit(token.url).hostname == urlsplit(token.base_url).hostname,
            "its host is unchanged",
        )
    json.dumps([token.value, dict(token.headers), dict(token.context), token.renewal, token.url])


VNTANA = VntanaCredentials(
    {"email": SECRETS[1], "password": SECRETS[0]}, base_url="https://api.example"
)
VNTANA_VARIANTS = {
    b"a": Variant("asked", {"organization": None, "workspace": None}),
    b"n": Variant("asked", {"organization": "acme", "workspace": None}),
    b"w": Variant("asked", {"organization": None, "workspace": WORKSPACE}),
    b"l": LISTING,
    b"o": Variant("organization", {"organization": ORGANIZATION}),
    b"s": Variant("workspace", {"organization": ORGANIZATION, "workspace": WORKSPACE}),
}


def vntana_answers(data: bytes) -> None:
    """Converse with VNTANA: the first byte chooses the variant; upper case uses bodies too."""
    kind, rest = data[:1], data[1:]
    variant = VNTANA_VARIANTS.get(kind.lower(), VNTANA_VARIANTS[b"a"])
    credentials = replace(VNTANA, token_from_body=kind.isupper())
    broker = MiniBroker(VNTANA_FLOW.vendor, credentials, responses(rest))
    check_result(lambda: broker.converse(variant))


VENDORLINK = VendorlinkCredentials(SECRETS[1], SECRETS[0], "app.vendorlink.nl")
VENDORLINK_TOKEN = Token(
    SECRETS[3],
    {"Authorization": "Bearer x"},
    "https://app.vendorlink.nl/API",
    NOW - 3600,
    NOW,
    context={"hostname": "app.vendorlink.nl", "user_id": 1, "display_name": "x"},
    renewal=SECRETS[4],
)


def vendorlink_answers(data: bytes) -> None:
    """Converse with Vendorlink; with ``k`` before it, from a token that can be extended."""
    stored = VENDORLINK_TOKEN if data[:1] == b"k" else None
    broker = MiniBroker(VENDORLINK_FLOW.vendor, VENDORLINK, responses(data[1:]))
    check_result(lambda: broker.converse(Variant("login"), stored))


EDITOR = EditorCredentials(
    SECRETS[2], "https://tokens.example/editor?locale=en#drawing", "https://tokens.example"
)


def editor_answers(data: bytes) -> None:
    """Generate a token of the editor's; with ``v`` before it, verify one."""
    broker = MiniBroker(EDITOR_FLOW.vendor, EDITOR, responses(data[1:]))
    if data[:1] == b"v":
        check_result(lambda: exchange.run(verify(EDITOR, "a-token"), broker.send))
    else:
        variant = Variant("parameters", {"parameters": {"userId": "1"}})
        check_result(lambda: broker.converse(variant))


def answers_of(flow: Flow, secret: Any) -> Callable[[bytes], None]:
    """Return a target: converse with the vendor of *flow* for the token of the demo's connection.

    With ``n`` before them, the answers come to a call without a body.
    """
    credentials = flow.vendor.parse(secret)

    def converse(data: bytes) -> None:
        body = {} if data[:1] == b"n" else descriptors()[flow.name].demo
        requested = flow.requested(Document(dict(body), InvalidRequest))
        broker = MiniBroker(flow.vendor, credentials, responses(data[1:]))
        check_result(lambda: broker.converse(flow.vendor.resolve(credentials, requested)))

    return converse


ANSWERS = {
    name: answers_of(flow, registry.kind(name).demo_secret("https://api.example"))
    for name, flow in every().items()
} | {"vntana": vntana_answers, "vendorlink": vendorlink_answers, "editor": editor_answers}
"""A target for each flow's vendor; three have more than one conversation."""

ENCODINGS = {b"g": "gzip", b"d": "deflate", b"i": "identity", b"b": "br", b"z": "gzip"}


def compressed(data: bytes) -> None:
    """Read a body in the encoding of the first byte; with ``z`` a compressed one."""
    kind, rest = data[:1], data[1:]
    body = zlib.compress(rest * 64) if kind == b"z" else rest
    headers = {"content-encoding": ENCODINGS.get(kind, "identity")}
    raw = HTTPResponse(BytesIO(body), headers, preload_content=False)
    try:
        content = bodies.content(raw)
    except Unreadable:
        return
    expect(len(content) <= bodies.LARGEST_BODY, "a body is bounded")
    expect(kind != b"z" or content == rest * 64, "a body is decompressed correctly")
