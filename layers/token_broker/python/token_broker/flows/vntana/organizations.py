"""Which of VNTANA's organizations or workspaces is meant by a name, a uuid, or by neither."""

import re
from collections.abc import Callable
from functools import partial

from token_broker.errors import BrokerError, InvalidRequest, NotConfigured
from token_broker.exchange import Ask, Conversation, Elsewhere, Exchange, Request, Response
from token_broker.flows.vntana import api
from token_broker.flows.vntana.api import Refusal, checked, refusal
from token_broker.flows.vntana.credentials import Credentials
from token_broker.flows.vntana.listing import Grid, Row
from token_broker.tokens import Token, Variant

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


UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def find(credentials: Credentials, asked: Variant, now: int) -> Exchange:
    """Return the variant that is meant. A call's mistake is the caller's, else the secret's."""
    named = asked.inputs["organization"]
    listing = yield from listing_with(named or credentials.organization, now)
    error = InvalidRequest if named else NotConfigured
    organizations = Grid.kept(listing.context)
    row = organizations.pick(named or credentials.organization, "organization", error)
    is_needed = row.role not in ORGANIZATION_LEVEL
    wanted = asked.inputs["workspace"] or _default(credentials, row)
    if not wanted and not is_needed:
        return Elsewhere(organization(row.uuid), {"role": row.role})
    error = InvalidRequest if asked.inputs["workspace"] else NotConfigured
    request = partial(api.list_workspaces, credentials)
    listed, _ = yield from with_organization(row.uuid, request, now)
    uuid = _workspace(listed, wanted, error, is_needed=is_needed)
    if not is_needed:
        return Elsewhere(organization(row.uuid), {"role": row.role})
    return Elsewhere(workspace(row.uuid, uuid))


def _workspace(
    listed: Response, wanted: str | None, error: type[BrokerError], *, is_needed: bool
) -> str:
    """Return the uuid of the workspace that is meant.

    A uuid is taken at its word only where no list can tell whether it is there.
    """
    is_uuid = wanted and UUID.fullmatch(wanted)
    if wanted and is_uuid and is_needed and refusal(listed):
        return wanted
    grid = Grid.parse(checked(listed, "list workspaces"), "list workspaces")
    is_told = len(grid.rows) == grid.total and (grid.rows or not is_needed)
    if wanted and is_uuid and not is_told and not grid.only(wanted):
        return wanted
    return grid.pick(wanted, "workspace", error).uuid


def _default(credentials: Credentials, organization: Row) -> str | None:
    """Return the secret's workspace, unless it belongs to another organization of the secret's."""
    home = credentials.organization
    is_home = not home or Grid([organization], 1).only(home)
    return credentials.workspace if is_home else None
