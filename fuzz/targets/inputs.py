"""Users' input: secrets, addresses, and the parameters of variants."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import requests

from fuzz.targets.properties import expect
from token_broker.document import Document
from token_broker.errors import BrokerError, InvalidRequest, NotConfigured
from token_broker.exchange import Request
from token_broker.flows import Flow, every
from token_broker.flows.vntana.organizations import LISTING
from token_broker.tokens import canonical_hash, encode
from token_broker.transport import urls as rules
from token_broker_descriptors import asked
from token_broker_descriptors import every as descriptors

QUOTE_LENGTH = 8
"""The length from which an error must not quote a text."""


def document(data: bytes) -> Any:
    """Return *data* parsed as JSON; None if it is not JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def texts(value: Any) -> Iterator[str]:
    """Yield each string in *value* that is not a key."""
    if isinstance(value, str):
        yield value
    members = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping | list):
        for member in members:
            yield from texts(member)


def secrets(data: bytes) -> None:
    """Read a secret for each flow: no error quotes a value of it."""
    secret = document(data)
    for flow in every().values():
        try:
            credentials = flow.vendor.parse(secret)
        except NotConfigured as error:
            allowed = " ".join([*OWN_TEXTS, *(secret if isinstance(secret, dict) else ())])
            quoted = [t for t in texts(secret) if len(t) >= QUOTE_LENGTH and t in error.detail]
            expect(all(text in allowed for text in quoted), "no value is quoted")
            json.dumps(error.problem()).encode()
        else:
            expect(not any(t in repr(credentials) for t in passwords(secret)), "no secret is shown")
            check_first_request(flow, credentials)


OWN_TEXTS = (
    "does not begin with https://",
    "must be a string that is not blank",
    "personal_access_token",
    "must be one of both, rToken, RenewalToken",
    "must be one of x-api-token, x-api-key",
)
"""Parts of error texts that a secret may contain, too."""


def passwords(secret: dict[str, Any]) -> Iterator[str]:
    """Yield the confidential values of a secret."""
    for name in SECRETS:
        value = secret.get(name)
        if isinstance(value, str) and len(value.strip()) >= QUOTE_LENGTH and value not in PUBLIC:
            yield value.strip()


SECRETS = frozenset(
    one.key for flow in descriptors().values() for one in asked(flow.questions) if one.is_secret
)
PUBLIC = ("https://", "vendorlink", "Credentials")


def check_first_request(flow: Flow, credentials: Any) -> None:
    """Check that the first request with *credentials* can be made."""
    body = Document(dict(descriptors()[flow.name].demo), InvalidRequest)
    requested = LISTING if flow.name == "vntana" else flow.requested(body)
    try:
        resolved = flow.vendor.resolve(credentials, requested)
        request: Any = next(flow.vendor.exchange(credentials, resolved, 1_900_000_000, None))
    except BrokerError:
        return
    expect(isinstance(request, Request), "an exchange begins with a request")
    rules.split_url(request.url)
    request.body.decode("ascii")


def addresses(data: bytes) -> None:
    """Check an address: it is refused, or all parsers agree."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        host, port = rules.split_host(text)
    except ValueError as error:
        expect(len(text) < QUOTE_LENGTH or text not in str(error), "no value is quoted")
    else:
        expect(rules.split_host(rules.join_host(host, port)) == (host, port), "a host has one form")
        rules.is_loopback_host(host)
    try:
        parts = rules.split_url(text)
    except ValueError as error:
        expect(len(text) < QUOTE_LENGTH or text not in str(error), "no value is quoted")
        return
    host, _ = rules.split_host(parts.netloc)
    expect(parts.scheme == "https" or rules.is_loopback_host(host), "unencrypted to loopback only")
    expect("@" not in parts.netloc and not parts.username, "an address has no user")
    sent = requests.Request("POST", parts.geturl()).prepare().url or ""
    read = rules.split_url(sent)
    expect(
        (read.scheme, read.netloc) == (parts.scheme, parts.netloc),
        "requests connects to the host that was checked",
    )
    base(text)


def base(text: str) -> None:
    """Check that a shortened address is an address."""
    try:
        url = rules.base_url(text, "key", without="/v1")
    except NotConfigured:
        return
    expect(rules.split_url(url).geturl() == url, "a base URL is an address")


def variants(data: bytes) -> None:
    """Name two variants: their names are equal if, and only if, the variants are."""
    first, _, second = data.partition(b"\n%%\n")
    one, other = document(first), document(second)
    if not portable(one) or not portable(other):
        return
    is_same = canonical(one) == canonical(other)
    expect((encode(one) == encode(other)) == is_same, "names are unique")
    expect(canonical_hash(one) == canonical_hash(document(first)), "a name is stable")
    if isinstance(one, dict):
        reordered = dict(reversed(one.items()))
        expect(canonical_hash(reordered) == canonical_hash(one), "the order does not matter")


def portable(value: Any, levels: int = 64) -> bool:
    """Return whether a call may have *value* as a parameter."""
    from token_broker.document import is_portable  # noqa: PLC0415 (so that it is instrumented)

    return is_portable(value, levels)


def canonical(value: Any) -> Any:
    """Return *value* in a form whose equality includes the type."""
    match value:
        case dict():
            return "object", sorted((key, canonical(member)) for key, member in value.items())
        case list():
            return "list", [canonical(member) for member in value]
        case _:
            return type(value).__name__, repr(value)
