"""Finds the organization or workspace that a call requests: by slug, by uuid, or by default."""

import re
from collections.abc import Callable
from functools import partial

from token_broker.errors import BrokerError, InvalidRequest, NotConfigured
from token_broker.exchange import Conversation, Exchange, NeedToken, Request, ResolvedTo, Response
from token_broker.flows.vntana import api
from token_broker.flows.vntana.credentials import Credentials
from token_broker.flows.vntana.listing import Entry, Listing
from token_broker.tokens import Token, Variant

ORGANIZATION_LEVEL = frozenset({"ORGANIZATION_OWNER", "ORGANIZATION_ADMIN"})
"""Roles that use the organization's token. VNTANA's demo (viewer-demo) tests for the same."""

LISTING = Variant("listing", {"listing": "organizations"})
"""The account's organizations. They are kept like a token, so that a renewal need not list them."""

LISTING_MAX_AGE_SECONDS = 300
"""How long a kept listing is used where a new one would need a login."""

PROMOTION_MAX_AGE_SECONDS = 60
"""The same after a workspace was refused: the account may have a role that needs none."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def organization(uuid: str) -> Variant:
    """Return the variant of an organization's token."""
    return Variant("organization", {"organization": uuid})


def workspace(organization_uuid: str, uuid: str) -> Variant:
    """Return the variant of a workspace's token."""
    return Variant("workspace", {"organization": organization_uuid, "workspace": uuid.lower()})


def recent_listing(
    now: int,
    max_age: int = LISTING_MAX_AGE_SECONDS,
    suffices: Callable[[Listing], object] = lambda _: False,
) -> Conversation[Token]:
    """Return the account's organizations, from a kept listing or a new one.

    A kept one that is older than *max_age* is used only if it *suffices*.
    """
    kept: Token = yield NeedToken(LISTING)
    if now - kept.issued_at > max_age and not suffices(Listing.from_context(kept.context)):
        kept = yield NeedToken(LISTING, rejected=kept.fingerprint)
    return kept


def role_in(listing: Token, uuid: str, default: str | None = None) -> str | None:
    """Return the account's role in an organization, *default* if the listing lacks that."""
    entry = Listing.from_context(listing.context).only(uuid)
    return entry.role if entry else default


def with_organization(
    uuid: str, request: Callable[[str], Request]
) -> Conversation[tuple[Response, Token]]:
    """Send a request with the organization's token; if that is dead, again with a new one.

    VNTANA refuses a dead token as it refuses a workspace that the account may not enter. A live
    token is not replaced, because that would revoke the one that other callers use.
    If the broker returns the same token again, that is too new to be dead: return the refusal.
    """
    token: Token = yield NeedToken(organization(uuid))
    response: Response = yield request(token.value)
    if api.refuses_token(response) and not (yield from is_live(token, "check organization")):
        newer: Token = yield NeedToken(organization(uuid), rejected=token.fingerprint)
        if newer.fingerprint != token.fingerprint:
            token = newer
            response = yield request(token.value)
    return response, token


def is_live(token: Token, step: str) -> Conversation[bool]:
    """Say whether *token* works: request its organization, at the host that made the token."""
    response: Response = yield api.current_organization(token, step)
    if api.refuses_token(response):
        return False
    api.checked(response, step).object(step)
    return True


def resolve_requested(credentials: Credentials, requested: Variant, now: int) -> Exchange:
    """Resolve the names in a call, or the secret's defaults, to the variant that has the token.

    Raises `InvalidRequest` for an unknown name in the call, `NotConfigured` for one in the secret.
    """
    named = requested.inputs["organization"]
    name = named or credentials.organization
    kept = yield from recent_listing(now, suffices=lambda listing: listing.only(name))
    error = InvalidRequest if named else NotConfigured
    entry = Listing.from_context(kept.context).pick(name, "organization", error)
    is_needed = entry.role not in ORGANIZATION_LEVEL
    wanted = requested.inputs["workspace"] or _default_workspace(credentials, entry)
    if not wanted and not is_needed:
        return ResolvedTo(organization(entry.uuid), {"role": entry.role})
    error = InvalidRequest if requested.inputs["workspace"] else NotConfigured
    request = partial(api.list_workspaces, credentials)
    response, _ = yield from with_organization(entry.uuid, request)
    uuid = workspace_in(response, wanted, error, is_needed=is_needed)
    if not is_needed:
        return ResolvedTo(organization(entry.uuid), {"role": entry.role})
    return ResolvedTo(workspace(entry.uuid, uuid))


def workspace_in(
    listed: Response, wanted: str | None, error: type[BrokerError], *, is_needed: bool
) -> str:
    """Return the uuid of the *wanted* workspace.

    A uuid that is not in the list is accepted only if the list may not be complete.
    """
    uuid = wanted if wanted and UUID.fullmatch(wanted) else None
    if uuid and is_needed and api.refuses_token(listed):
        return uuid
    workspaces = Listing.parse(api.checked(listed, "list workspaces"), "list workspaces")
    is_whole = len(workspaces.entries) == workspaces.total
    is_conclusive = is_whole and (workspaces.entries or not is_needed)
    if uuid and not is_conclusive and not workspaces.only(uuid):
        return uuid
    return workspaces.pick(wanted, "workspace", error).uuid


def _default_workspace(credentials: Credentials, organization: Entry) -> str | None:
    """Return the secret's workspace, unless that is in another organization."""
    home = credentials.organization
    is_home = not home or Listing([organization], 1).only(home)
    return credentials.workspace if is_home else None
