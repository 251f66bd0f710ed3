"""VNTANA: a login, a token for an organization, and for most roles one for a workspace.

    POST /v1/auth/login[/token]        e-mail and password, or key   -> a token that only lists
    GET  /v1/organizations             any token                     -> uuid, slug, role of each
    POST /v1/auth/refresh-token        organizationUuid              -> the organization's token
    GET  /v1/clients/client-organizations   the organization's       -> its workspaces
    POST /v1/auth/refresh-token        organizationUuid, clientUuid  -> the workspace's token

Tokens come in the header ``X-AUTH-TOKEN``. Making one revokes the one before it. Documented at
https://www.vntana.com/resource/refresh-token-usage/ (tokens, roles) and
https://www.vntana.com/resource/api-authentication/ (logins); codes and header by the OpenAPI file
in https://github.com/VNTANA-3D/vntana-n8n-node.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from token_broker.document import Document
from token_broker.errors import InvalidRequest, NotConfigured
from token_broker.exchange import Ask, Conversation, Elsewhere, Exchange, Request, Response
from token_broker.tokens import Token
from token_broker.variants import Variant, canonical_hash
from token_broker.vntana_answers import (
    Refusal,
    checked,
    expiry_of,
    login_checked,
    refusal,
    token_of,
)
from token_broker.vntana_credentials import LONGEST_LIFETIME, Credentials
from token_broker.vntana_grid import Grid, Row

__all__ = [
    "NAME",
    "TOKEN_KINDS",
    "Credentials",
    "asked",
    "exchange",
    "is_shared",
    "log_out",
    "settle",
]

NAME = "vntana"
TOKEN_KINDS = frozenset({"organization", "workspace"})
ORGANIZATION_LEVEL = frozenset({"ORGANIZATION_OWNER", "ORGANIZATION_ADMIN"})
"""Roles that work with the organization's token: the test of VNTANA's own demo (viewer-demo)."""

LISTING = Variant("listing", {"listing": "organizations"})
"""The account's organizations: kept like a token, so that a renewal lists nothing."""

LISTING_LIFETIME = LONGEST_LIFETIME
"""Seconds that a listing is kept for. A new version of the secret lists anew before that."""

LISTING_PATIENCE = 300
"""Seconds for which a listing that lacks what is wanted, or has an odd role, is not repeated."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def asked(body: Document) -> Variant:
    """Return what a call asks for, as it spells it; the secret has the defaults."""
    return Variant(
        "asked", {name: body.optional_text(name) for name in ("organization", "workspace")}
    )


def settle(credentials: Credentials, variant: Variant) -> Variant:
    """Return *variant*: which one is meant, only the vendor can tell."""
    del credentials
    return variant


def is_shared(credentials: Credentials) -> bool:
    """Say that callers share a token: a second one would revoke the first."""
    del credentials
    return True


def exchange(
    credentials: Credentials,
    variant: Variant,
    now: int,
    kept: Token | None = None,
) -> Exchange:
    """Earn what *variant* is, made from what it is made from."""
    del kept
    match variant.kind:
        case "asked":
            return (yield from find(credentials, variant, now))
        case "listing":
            return (yield from list_organizations(credentials, now))
        case "organization":
            return (yield from enter_organization(credentials, variant, now))
        case _:
            return (yield from enter_workspace(credentials, variant, now))


def find(credentials: Credentials, variant: Variant, now: int) -> Exchange:
    """Return which organization or workspace is meant by names, uuids or their absence."""
    named = variant.inputs["organization"]
    wanted = named or credentials.organization
    listing = yield from _listing(wanted, now)
    error = InvalidRequest if named else NotConfigured
    organization = Grid.kept(listing.context).pick(wanted, "organization", error)
    if organization.role in ORGANIZATION_LEVEL:
        return Elsewhere(_organization(organization.uuid))
    workspace = yield from _find_workspace(
        credentials, organization, variant.inputs["workspace"], now
    )
    inputs = {"organization": organization.uuid, "workspace": workspace.lower()}
    return Elsewhere(Variant("workspace", inputs))


def list_organizations(credentials: Credentials, now: int) -> Exchange:
    """Log in and list the account's organizations with the roles it has in them."""
    login = yield from log_in(credentials)
    listed: Response = yield _get(credentials, "/v1/organizations", "list organizations", login)
    grid = Grid.parse(checked(listed, "list organizations"), "list organizations")
    return Token(
        value=canonical_hash([grid.context(), now]),
        headers={},
        base_url=credentials.base_url,
        issued_at=now,
        expires_at=now + LISTING_LIFETIME,
        context=grid.context(),
        seed={"login": login},
    )


def enter_organization(credentials: Credentials, variant: Variant, now: int) -> Exchange:
    """Make the organization's token, by the login that listed it if that was just now."""
    uuid = variant.inputs["organization"]
    listing = yield from _listing(uuid, now)
    organization = Grid.kept(listing.context).pick(uuid, "organization", NotConfigured)
    login = listing.seed.get("login") or (yield from log_in(credentials))
    entered: Response = yield Request(
        credentials.refresh_method,
        f"{credentials.base_url}/v1/auth/refresh-token",
        "enter organization",
        headers={"x-auth-token": f"Bearer {login}", "organizationuuid": uuid},
    )
    checked(entered, "enter organization")
    context = {"organization": uuid, "workspace": None, "role": organization.role}
    return _token(credentials, entered, "enter organization", context, now)


def enter_workspace(credentials: Credentials, variant: Variant, now: int) -> Exchange:
    """Make the workspace's token from the organization's."""
    uuid = variant.inputs["organization"]
    entered, token = yield from _with_organization(
        uuid, partial(_workspace_step, credentials, variant.inputs), now
    )
    if refusal(entered) is Refusal.BAD_CREDENTIALS and (yield from _is_promoted(uuid, now)):
        return Elsewhere(_organization(uuid))
    checked(entered, "enter workspace")
    context = dict(variant.inputs) | {"role": token.context["role"]}
    return _token(credentials, entered, "enter workspace", context, now)


def log_in(credentials: Credentials) -> Conversation[str]:
    """Return the token of a login, which can list and enter and nothing else."""
    call = "login/token" if "personal-access-token" in credentials.login else "login"
    response: Response = yield Request(
        "POST",
        f"{credentials.base_url}/v1/auth/{call}",
        "login",
        headers={"content-type": "application/json"},
        json=dict(credentials.login),
    )
    login_checked(response)
    return token_of(response, "login", in_body=credentials.token_from_body)


def log_out(credentials: Credentials, token: Token) -> Exchange | None:
    """End the session of *token*, whatever the answer: it is thrown away in any case."""
    is_listing = not token.headers
    return None if is_listing else _log_out(credentials, token)


def _log_out(credentials: Credentials, token: Token) -> Exchange:
    yield Request(
        "POST",
        f"{credentials.base_url}/v1/auth/logout",
        "logout",
        headers={"x-auth-token": f"Bearer {token.value}"},
    )
    return token


def _organization(uuid: str) -> Variant:
    return Variant("organization", {"organization": uuid})


def _listing(wanted: str | None, now: int) -> Conversation[Token]:
    """Return the account's organizations, listed anew if a listing of long ago lacks *wanted*."""
    listing: Token = yield Ask(LISTING)
    is_old = now - listing.issued_at > LISTING_PATIENCE
    if is_old and not Grid.kept(listing.context).only(wanted):
        listing = yield Ask(LISTING, rejected=listing.fingerprint)
    return listing


def _is_promoted(uuid: str, now: int) -> Conversation[bool]:
    """Say whether the account's role in an organization has become one of the organization's."""
    listing: Token = yield Ask(LISTING)
    if now - listing.issued_at > LISTING_PATIENCE:
        listing = yield Ask(LISTING, rejected=listing.fingerprint)
    row = Grid.kept(listing.context).only(uuid)
    return row is not None and row.role in ORGANIZATION_LEVEL


def _find_workspace(
    credentials: Credentials, organization: Row, named: str | None, now: int
) -> Conversation[str]:
    """Return the uuid of the workspace that is meant: a uuid is taken at its word."""
    wanted = named or _default_workspace(credentials, organization)
    if wanted and UUID.fullmatch(wanted):
        return wanted
    step, path = "list workspaces", "/v1/clients/client-organizations"
    request = partial(_get, credentials, path, step)
    listed, _ = yield from _with_organization(
        organization.uuid, lambda token: request(token.value), now
    )
    grid = Grid.parse(checked(listed, step), step)
    return grid.pick(wanted, "workspace", InvalidRequest if named else NotConfigured).uuid


def _default_workspace(credentials: Credentials, organization: Row) -> str | None:
    """Return the secret's workspace, unless it belongs to another organization of the secret's."""
    home = credentials.organization
    is_home = not home or Grid([organization], 1).only(home)
    return credentials.workspace if is_home else None


def _with_organization(
    uuid: str, request: Callable[[Token], Request], now: int
) -> Conversation[tuple[Response, Token]]:
    """Send a request with the organization's token, which is made anew once if it is dead.

    What an owner or administrator is told, ``BAD_CREDENTIALS``, leaves the token alone.
    """
    token: Token = yield Ask(_organization(uuid))
    response: Response = yield request(token)
    meaning = refusal(response)
    is_misled = meaning is Refusal.BAD_CREDENTIALS and (yield from _is_promoted(uuid, now))
    if meaning and not is_misled:
        token = yield Ask(_organization(uuid), rejected=token.fingerprint)
        response = yield request(token)
    return response, token


def _get(credentials: Credentials, path: str, step: str, token: str) -> Request:
    headers = {"x-auth-token": f"Bearer {token}"}
    return Request("GET", f"{credentials.base_url}{path}", step, headers=headers)


def _workspace_step(credentials: Credentials, inputs: Mapping[str, Any], token: Token) -> Request:
    """Return the request for a workspace's token. The demo sends *only* the workspace's uuid."""
    headers = {"x-auth-token": f"Bearer {token.value}", "clientuuid": inputs["workspace"]}
    if credentials.workspace_headers == "both":
        headers["organizationuuid"] = inputs["organization"]
    return Request(
        credentials.refresh_method,
        f"{credentials.base_url}/v1/auth/refresh-token",
        "enter workspace",
        headers=headers,
    )


def _token(
    credentials: Credentials, response: Response, step: str, context: dict[str, Any], now: int
) -> Token:
    value = token_of(response, step, in_body=credentials.token_from_body)
    latest = now + credentials.lifetime
    return Token(
        value=value,
        headers={"X-AUTH-TOKEN": f"Bearer {value}"},
        base_url=credentials.base_url,
        issued_at=now,
        expires_at=min(expiry_of(response, now) or latest, latest),
        context=context,
    )
