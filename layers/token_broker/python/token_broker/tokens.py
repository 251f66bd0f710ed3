"""Tokens and variants, and the hashes that name them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from token_broker.records import Record, field

_scalar = json.JSONEncoder(allow_nan=False).encode

ONLY = "-"
"""Key of a connection's only variant. The gate has the same: see `item.GATE`."""


class Variant(Record):
    """One token of a connection: its *kind*, and the inputs that distinguish it from others."""

    kind: str
    inputs: Mapping[str, Any] = field(repr=False)
    """JSON values. An editor's parameters may hold secrets, so they are not shown."""
    key: str
    """The table's sort key: equal for equal inputs in any order."""

    def __init__(self, kind: str, inputs: Mapping[str, Any] | None = None) -> None:
        key = canonical_hash([kind, inputs]) if inputs else ONLY
        super().__init__(kind, inputs or {}, key)


def canonical_hash(value: object) -> str:
    """Return the SHA-256 of the canonical encoding of *value*, a JSON value."""
    return hashlib.sha256(encode(value)).hexdigest()


def encode(value: object) -> bytes:
    """Encode a JSON value so that different values never share an encoding.

    Each part says its type and length, so ``("a", "bc")`` differs from ``("ab", "c")``, ``1`` from
    ``"1"`` and ``True`` from ``1``. An object's members are sorted by key.
    """
    match value:
        case str():  # first: the most frequent case, and a cheaper test than a mapping
            return framed("s", value.encode("utf-8", "surrogatepass"))
        case dict() | Mapping():  # the first is a cheaper test
            parts = (part for key in sorted(value) for part in (encode(key), encode(value[key])))
            return framed("o", b"".join(parts))
        case list() | tuple():
            return framed("a", b"".join(encode(member) for member in value))
        case _:
            return framed("j", _scalar(value).encode())


def framed(tag: str, content: bytes) -> bytes:
    """Return *content* behind its type and length."""
    return f"{tag}{len(content)}:".encode() + content


def fingerprint(value: str) -> str:
    """Return the name of a token that may be logged: 16 hex digits of its SHA-256."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]


class Token(Record):
    """A live token, what to send with it and where, and the second at which it ends."""

    value: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    base_url: str
    issued_at: int
    """Second, since the epoch, *before* the request for it was sent."""
    expires_at: int
    context: Mapping[str, Any] = field(default_factory=dict)
    """What callers may know of it: organization, user, role. Never a secret."""
    url: str | None = field(default=None, repr=False)
    """The editor's address with the token in it; None elsewhere."""
    renewal: str | None = field(default=None, repr=False)
    """A single-use token for the next token, if the vendor has them."""
    handoff: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Values that a later exchange of the same invocation may use. Never stored."""

    @property
    def fingerprint(self) -> str:
        """The token's name in logs and reports."""
        return fingerprint(self.value)


class TokenRequest(Record):
    """What a call asks for: a token of *variant* that lives *min_ttl* seconds.

    It must not be one of *rejected*, the fingerprints of tokens that the vendor refused; *force*
    asks for a new one.
    """

    variant: Variant
    min_ttl: int | None = None
    rejected: frozenset[str] = frozenset()
    force: bool = False
