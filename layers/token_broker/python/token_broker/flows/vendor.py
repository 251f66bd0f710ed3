"""A vendor's functions: those that every flow has, and optional ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from token_broker.document import Document
from token_broker.exchange import Conversation, Exchange
from token_broker.tokens import Token, Variant

Credentials = TypeVar("Credentials")


def pinned(members: Document, given: Mapping[str, Any], rule: str) -> tuple[str, ...]:
    """Return the names of the fields that callers may not choose. *given* has their values.

    Raises an error with the text *rule* for a field without a value. The text omits the name.
    """
    names = tuple(members.texts("pinned", ()))
    if any(is_blank(given.get(name)) for name in names):
        raise members.wrong("pinned", rule)
    return names


def is_blank(value: object) -> bool:
    """Say whether *value* is null, or a text of blanks."""
    return value is None or (isinstance(value, str) and not value.strip())


@dataclass(frozen=True, slots=True)
class Vendor(Generic[Credentials]):
    """A vendor's functions. They do no I/O. Those with a default are optional."""

    parse: Callable[[object], Credentials]
    """Reads a secret. Raises `NotConfigured`, which names the wrong key."""
    exchange: Callable[[Credentials, Variant, int, Token | None], Exchange]
    """Makes a token of the variant, at a time, from the kept token if there is one."""
    token_kinds: tuple[str, ...]
    """Kinds of tokens that callers get. A kind stands before the kinds that are made from it."""
    resolve: Callable[[Credentials, Variant], Variant] = lambda _, variant: variant
    """Returns a requested variant with the secret's defaults. Raises `InvalidRequest`.

    It returns a variant unchanged that an exchange needs or resolves to.
    """
    complete: Callable[[Credentials, Variant], Variant] = lambda _, variant: variant
    """Returns a requested variant that `resolve` accepts. Required fields without a value get a
    placeholder, which the vendor must accept though it does not know it. For a probe, and for the
    test of a new secret: for these, a placeholder that it refuses is a wrong secret."""
    pins: Callable[[Credentials], Mapping[str, Any]] = lambda _: {}
    """Returns the fields that callers may not choose, with the secret's values. `resolve` refuses a
    request with another value."""
    is_shared: Callable[[Credentials], bool] | None = None
    """Says whether callers share a token. None: they always do."""
    log_out: Callable[[Token], Conversation[Any]] | None = None
    """Ends the session of a token. None: the vendor documents no way, or needs the credentials."""
    revoke: Callable[[Credentials, Token, int], Conversation[Any]] | None = None
    """Ends the session of a token at a time, with the credentials that made it."""
    verify: Callable[[Credentials, str], Conversation[dict[str, Any] | None]] | None = None
    """Returns the parameters of a token; None if the vendor does not know the token.

    None: the vendor documents no way.
    """
    check: Callable[[Credentials, Token], Conversation[bool]] | None = None
    """Sends one request without side effects; says whether the vendor accepts the token.

    The credentials are those that made the token. Raises an `UpstreamError` for any other answer.
    None: the vendor has no request without side effects.
    """
    probe: str | None = None
    """The module that has the flow's `PROBER`. None: there is nothing to probe."""

    @property
    def ends_sessions(self) -> bool:
        """Say whether the vendor has a way to end a session."""
        return self.log_out is not None or self.revoke is not None

    def end_session(
        self, credentials: Credentials | None, token: Token, now: int
    ) -> Conversation[None]:
        """End the session of *token*, if the vendor has a way.

        *credentials* are those that made the token; None if they are gone.
        """
        if self.log_out:
            yield from self.log_out(token)
        if self.revoke and credentials is not None:
            yield from self.revoke(credentials, token, now)
