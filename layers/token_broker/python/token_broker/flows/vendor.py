"""A vendor's functions: those that every flow has, and optional abilities."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from token_broker.document import Document
from token_broker.exchange import Conversation, Exchange
from token_broker.tokens import Token, Variant

Credentials = TypeVar("Credentials")
OPTIONAL = frozenset({"verify", "check", "probe"})
"""The actions of callers that a flow has only if its vendor has the member of that name."""

Verified: TypeAlias = Conversation[dict[str, Any] | None]


def pinned(members: Document, given: Mapping[str, Any], rule: str) -> tuple[str, ...]:
    """Return the names of the fields that callers may not choose. The secret gives their values.

    Raises an error with *rule* for a field without a value. It does not show the name.
    """
    names = tuple(members.texts("pinned", ()))
    if any(is_blank(given.get(name)) for name in names):
        raise members.wrong("pinned", rule)
    return names


def is_blank(value: object) -> bool:
    """Say whether *value* is null, or a text of blanks."""
    return value is None or (isinstance(value, str) and not value.strip())


def no_pins(_credentials: object) -> Mapping[str, Any]:
    """Return nothing: callers choose nothing that could be pinned."""
    return {}


def unchanged(_credentials: object, variant: Variant) -> Variant:
    """Return *variant*: the secret adds nothing to it."""
    return variant


@dataclass(frozen=True, slots=True)
class Vendor(Generic[Credentials]):
    """Functions without I/O. Those with a default are for the vendors that need them."""

    parse: Callable[[object], Credentials]
    """Reads a secret. Raises `NotConfigured` naming the key that is wrong."""
    exchange: Callable[[Credentials, Variant, int, Token | None], Exchange]
    """Converses for a token of the variant, now, from the token that is kept, if there is one."""
    token_kinds: tuple[str, ...]
    """Kinds of tokens that callers get. Kinds that others are made from come first."""
    resolve: Callable[[Credentials, Variant], Variant] = unchanged
    """Returns a requested variant with the secret's defaults. Raises `InvalidRequest`.

    Any other variant, which an exchange needs or resolves to, it returns unchanged.
    """
    complete: Callable[[Credentials, Variant], Variant] = unchanged
    """Returns a requested variant that `resolve` accepts, with made-up values for required fields
    that neither the request nor the secret has. For a probe, and for a trial of a secret."""
    pins: Callable[[Credentials], Mapping[str, Any]] = no_pins
    """Returns the fields that callers may not choose, with the secret's values for them. `resolve`
    refuses a request with another value."""
    is_shared: Callable[[Credentials], bool] | None = None
    """Says whether callers share a token. None: they always do, and the secret is not read."""
    log_out: Callable[[Token], Conversation[Any]] | None = None
    """Converses to end a token's session. None: the vendor documents no way."""
    verify: Callable[[Credentials, str], Verified] | None = None
    """Asks for the parameters of a token; the result is None if the vendor does not know it.

    None: the vendor documents no way.
    """
    check: Callable[[Credentials, Token], Conversation[bool]] | None = None
    """Sends one harmless request with a token; says whether the vendor accepts that token.

    The credentials are those that it was made with. Raises an `UpstreamError` for any other answer.
    None: there is no harmless request.
    """
    probe: str | None = None
    """The name of the module that has the flow's `PROBER`. None: there is nothing to probe."""

    @property
    def abilities(self) -> frozenset[str]:
        """Those of the optional actions that this vendor has: routes are made from them."""
        return frozenset(name for name in OPTIONAL if getattr(self, name) is not None)
