"""Which of VNTANA's organizations or workspaces a call means: by name, by uuid, or by default."""

import re
from collections.abc import Callable
from functools import partial

from token_broker.errors import BrokerError, InvalidRequest, NotConfigured
from token_broker.exchange import Conversation, Exchange, NeedToken, Request, ResolvedTo, Response
from token_broker.flows.vntana import api
from token_broker.flows.vntana.api import Refusal, checked, refusal
from token_broker.flows.vntana.credentials import Credentials
from token_broker.flows.vntana.listing import Entry, Listing
from token_broker.tokens import Token, Variant

ORGANIZATION_LEVEL = frozenset({"ORGANIZATION_OWNER", "ORGANIZATION_ADMIN"})
"""Roles that work with the organization's token: the test of VNTANA's own demo (viewer-demo)."""

LISTING = Variant("listing", {"listing": "organizations"})
"""The account's organizations: kept like a token, so that a renewal need not list them."""

LISTING_MAX_AGE_SECONDS = 300
"""For how long a kept listing is relied on where a new one would cost a login."""

PROMOTION_MAX_AGE_SECONDS = 60
"""The same where a workspace is refused, as it is to accounts that need none."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def organization(uuid: str) -> Variant:
    """Return the variant of an organization's token."""
    return Variant("organization", {"organization": uuid})


def workspace(organization_uuid: str, uuid: str) -> Variant:
    """Return the variant of a workspace's token."""
    return Variant("workspace", {"organization": organization_uuid, "workspace": uuid.lower()})


def listing_with(wanted: str | None, now: int) -> Conversation[Token]:
    """Return the account's organizations, listed again if an old listing does not have *wanted*."""
    kept: Token = yield NeedToken(LISTING)
    is_old = now - kept.issued_at > LISTING_MAX_AGE_SECONDS
    if is_old and not Listing.from_context(kept.context).only(wanted):
        kept = yield NeedToken(LISTING, rejected=kept.fingerprint)
    return kept


def recent_listing(now: int, max_age: int = LISTING_MAX_AGE_SECONDS) -> Conversation[Token]:
    """Return the account's organizations as they were at most *max_age* seconds ago."""
    kept: Token = yield NeedToken(LISTING)
    if now - kept.issued_at > max_age:
        kept = yield NeedToken(LISTING, rejected=kept.fingerprint)
    return kept


def promoted_to(uuid: str, now: int) -> Conversation[str | None]:
    """Return the account's role in an organization if it is one that needs no workspace."""
    kept = yield from recent_listing(now, PROMOTION_MAX_AGE_SECONDS)
    entry = Listing.from_context(kept.context).only(uuid)
    return entry.role if entry and entry.role in ORGANIZATION_LEVEL else None


def current_role(uuid: str, role: str | None) -> Conversation[str | None]:
    """Return *role*, which an organization's token was made with, or the one that is kept by now.

    With a role of the organization's there is no workspace's token: it has changed since.
    """
    if role not in ORGANIZATION_LEVEL:
        return role
    listing: Token = yield NeedToken(LISTING)
    entry = Listing.from_context(listing.context).only(uuid)
    return entry.role if entry else role


def with_organization(
    uuid: str, request: Callable[[str], Request], now: int
) -> Conversation[tuple[Response, Token]]:
    """Send a request with the organization's token, and again with a new one if that is dead.

    An owner or administrator gets ``BAD_CREDENTIALS`` with a live token, so the token is kept then.
    If the broker sends the same token again, it is too new to be dead: the refusal is returned.
    """
    token: Token = yield NeedToken(organization(uuid))
    response: Response = yield request(token.value)
    meaning = refusal(response)
    is_live = meaning is Refusal.BAD_CREDENTIALS and (yield from promoted_to(uuid, now))
    if meaning and not is_live:
        newer: Token = yield NeedToken(organization(uuid), rejected=token.fingerprint)
        if newer.fingerprint != token.fingerprint:
            token = newer
            response = yield request(token.value)
    return response, token


def resolve_requested(credentials: Credentials, requested: Variant, now: int) -> Exchange:
    """Resolve what a call names, or else the secret, to an organization's or workspace's variant.

    A name that fits none is the caller's mistake if the call has it, else the secret's.
    """
    named = requested.inputs["organization"]
    kept = yield from listing_with(named or credentials.organization, now)
    error = InvalidRequest if named else NotConfigured
    organizations = Listing.from_context(kept.context)
    entry = organizations.pick(named or credentials.organization, "organization", error)
    is_needed = entry.role not in ORGANIZATION_LEVEL
    wanted = requested.inputs["workspace"] or _default_workspace(credentials, entry)
    if not wanted and not is_needed:
        return ResolvedTo(organization(entry.uuid), {"role": entry.role})
    error = InvalidRequest if requested.inputs["workspace"] else NotConfigured
    request = partial(api.list_workspaces, credentials)
    listed, _ = yield from with_organization(entry.uuid, request, now)
    uuid = _workspace(listed, wanted, error, is_needed=is_needed)
    if not is_needed:
        return ResolvedTo(organization(entry.uuid), {"role": entry.role})
    return ResolvedTo(workspace(entry.uuid, uuid))


def _workspace(
    listed: Response, wanted: str | None, error: type[BrokerError], *, is_needed: bool
) -> str:
    """Return the uuid of the workspace that is meant.

    A uuid that is not listed is accepted only where the list cannot show that it does not exist.
    """
    is_uuid = wanted and UUID.fullmatch(wanted)
    if wanted and is_uuid and is_needed and refusal(listed):
        return wanted
    workspaces = Listing.parse(checked(listed, "list workspaces"), "list workspaces")
    is_whole = len(workspaces.entries) == workspaces.total
    is_conclusive = is_whole and (workspaces.entries or not is_needed)
    if wanted and is_uuid and not is_conclusive and not workspaces.only(wanted):
        return wanted
    return workspaces.pick(wanted, "workspace", error).uuid


def _default_workspace(credentials: Credentials, organization: Entry) -> str | None:
    """Return the secret's workspace, unless the secret names it in another organization."""
    home = credentials.organization
    is_home = not home or Listing([organization], 1).only(home)
    return credentials.workspace if is_home else None
