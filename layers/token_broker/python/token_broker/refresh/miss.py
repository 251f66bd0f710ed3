"""A miss: a token of an exchange, or the old one while it lives, if the exchange fails."""

from token_broker.cache import CachedToken
from token_broker.decisions import AliasState
from token_broker.errors import (
    AWS_FAILURES,
    BrokerError,
    ConnectionHeld,
    UpstreamError,
    UpstreamUnavailable,
)
from token_broker.look import Look, open_shown
from token_broker.records import replace
from token_broker.refresh.invocation import Invocation
from token_broker.refresh.refresher import Obtained, Refresher
from token_broker.refresh.requirement import Requirement
from token_broker.tokens import TokenRequest


def obtained_or_old(
    invocation: Invocation, request: TokenRequest, seen: Look, kept: CachedToken | None
) -> Obtained:
    """Return a token from an exchange, of this call or another; else the old one while it lives.

    *kept* is the token that *seen* shows, which is not good enough; None if there is none, or the
    caller wants another one. Raises the `BrokerError` of the exchange.
    """
    requirement = Requirement(request.min_ttl, request.rejected, request.force)
    try:
        return Refresher(invocation).obtain(request.variant, requirement, seen)
    except BrokerError as error:
        may_use = may_use_old(error, request, seen, kept)
        old = old_token(invocation, request, kept) if may_use else None
        if not old:
            raise
        return Obtained(old, "table", is_old=True)


def may_use_old(
    error: BrokerError, request: TokenRequest, seen: Look, kept: CachedToken | None
) -> bool:
    """Say whether the old token may be returned after *error*."""
    if request.force:
        return isinstance(error, UpstreamUnavailable)
    if seen.alias_state is not AliasState.VALID:  # only while nothing can tell whether it is right
        return error.retryable or isinstance(error, UpstreamError)
    # The read that shows a hold again may fail: *kept* must not be used then.
    return kept is not None and not isinstance(error, ConnectionHeld)


def old_token(
    invocation: Invocation, request: TokenRequest, kept: CachedToken | None
) -> CachedToken | None:
    """Return the token that the failed exchange should have replaced, if it still lives.

    That is *kept* if the table cannot be read. An alias is followed, unless it is wrong.
    """
    deps = invocation.deps
    try:
        seen = invocation.look(request.variant.key)
    except AWS_FAILURES:
        old = kept
    else:
        if seen.alias_state is AliasState.UNCONFIRMED:
            seen = replace(seen, own=seen.target)
        try:
            old = open_shown(deps, seen)
        except AWS_FAILURES:
            return None
    if old is None or old.item.fingerprint in request.rejected:
        return None
    return old if old.item.lives_for(deps.clock.now(), request.min_ttl) else None
