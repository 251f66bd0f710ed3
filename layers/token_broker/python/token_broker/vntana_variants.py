"""VNTANA's variants, and how a conversation gets to those that its own is made from."""

from collections.abc import Callable

from token_broker.exchange import Ask, Conversation, Request, Response
from token_broker.tokens import Token
from token_broker.variants import Variant
from token_broker.vntana_answers import Refusal, refusal
from token_broker.vntana_grid import Grid

ORGANIZATION_LEVEL = frozenset({"ORGANIZATION_OWNER", "ORGANIZATION_ADMIN"})
"""Roles that work with the organization's token: the test of VNTANA's own demo (viewer-demo)."""

LISTING = Variant("listing", {"listing": "organizations"})
"""The account's organizations: kept like a token, so that a renewal lists nothing."""

LISTING_PATIENCE = 300
"""Seconds for which a listing is taken at its word, where another one would cost a login."""

ODD_PATIENCE = 60
"""The same where a workspace is refused as it is to those who need none."""


def organization(uuid: str) -> Variant:
    """Return the variant that an organization's token is."""
    return Variant("organization", {"organization": uuid})


def workspace(organization_uuid: str, uuid: str) -> Variant:
    """Return the variant that a workspace's token is."""
    return Variant("workspace", {"organization": organization_uuid, "workspace": uuid.lower()})


def listing_with(wanted: str | None, now: int) -> Conversation[Token]:
    """Return the account's organizations, listed anew if a listing of long ago lacks *wanted*."""
    listing: Token = yield Ask(LISTING)
    is_old = now - listing.issued_at > LISTING_PATIENCE
    if is_old and not Grid.kept(listing.context).only(wanted):
        listing = yield Ask(LISTING, rejected=listing.fingerprint)
    return listing


def recent_listing(now: int, patience: int = LISTING_PATIENCE) -> Conversation[Token]:
    """Return the account's organizations, as they were at most *patience* seconds ago."""
    listing: Token = yield Ask(LISTING)
    if now - listing.issued_at > patience:
        listing = yield Ask(LISTING, rejected=listing.fingerprint)
    return listing


def promoted_to(uuid: str, now: int) -> Conversation[str | None]:
    """Return the account's role in an organization, if it has become one of the organization's."""
    listing = yield from recent_listing(now, ODD_PATIENCE)
    row = Grid.kept(listing.context).only(uuid)
    return row.role if row and row.role in ORGANIZATION_LEVEL else None


def with_organization(
    uuid: str, request: Callable[[str], Request], now: int
) -> Conversation[tuple[Response, Token]]:
    """Send a request with the organization's token, which is made anew once if it is dead.

    What an owner or administrator is told, ``BAD_CREDENTIALS``, leaves the token alone. Where the
    broker answers with the same token, that is too young to be dead: the refusal stands.
    """
    token: Token = yield Ask(organization(uuid))
    response: Response = yield request(token.value)
    meaning = refusal(response)
    is_misled = meaning is Refusal.BAD_CREDENTIALS and (yield from promoted_to(uuid, now))
    if meaning and not is_misled:
        newer: Token = yield Ask(organization(uuid), rejected=token.fingerprint)
        if newer.fingerprint != token.fingerprint:
            token = newer
            response = yield request(token.value)
    return response, token
