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

from functools import partial
from typing import Any

from token_broker.errors import NotConfigured
from token_broker.exchange import Conversation, Elsewhere, Exchange, Response
from token_broker.flows.requested import vntana as asked
from token_broker.flows.vntana import api, organizations
from token_broker.flows.vntana.api import (
    Refusal,
    checked,
    expiry_of,
    login_checked,
    refusal,
    token_of,
)
from token_broker.flows.vntana.credentials import LONGEST_LIFETIME, Credentials
from token_broker.flows.vntana.listing import Grid
from token_broker.flows.vntana.organizations import (
    LISTING,
    find,
    promoted_to,
    recent_listing,
    with_organization,
)
from token_broker.tokens import Token, Variant, canonical_hash

__all__ = [
    "ALWAYS_SHARES",
    "LISTING",
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
ALWAYS_SHARES = True
TOKEN_KINDS: tuple[str, ...] = ("organization", "workspace")
LISTING_LIFETIME = LONGEST_LIFETIME
"""Seconds that a listing is kept for. A new version of the secret lists anew before that."""


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


def list_organizations(credentials: Credentials, now: int) -> Exchange:
    """Log in and list the account's organizations with the roles it has in them."""
    login = yield from log_in(credentials)
    listed: Response = yield api.list_organizations(credentials, login)
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
    """Make the organization's token, by the login that listed it if that was just now.

    It takes a login anyway, so a listing of long ago is made anew by it: roles change.
    """
    uuid = variant.inputs["organization"]
    listing = yield from recent_listing(now)
    row = Grid.kept(listing.context).pick(uuid, "organization", NotConfigured)
    login = listing.seed.get("login") or (yield from log_in(credentials))
    entered: Response = yield api.enter_organization(credentials, login, uuid)
    context = {"organization": uuid, "workspace": None, "role": row.role}
    return _token(credentials, entered, "enter organization", context, now)


def enter_workspace(credentials: Credentials, variant: Variant, now: int) -> Exchange:
    """Make the workspace's token from the organization's."""
    uuid, workspace = variant.inputs["organization"], variant.inputs["workspace"]
    request = partial(api.enter_workspace, credentials, organization=uuid, workspace=workspace)
    entered, token = yield from with_organization(uuid, request, now)
    if refusal(entered) is Refusal.BAD_CREDENTIALS:
        role = yield from promoted_to(uuid, now)
        if role:
            return Elsewhere(organizations.organization(uuid), {"role": role})
    context = {"organization": uuid, "workspace": workspace, "role": token.context["role"]}
    return _token(credentials, entered, "enter workspace", context, now)


def log_in(credentials: Credentials) -> Conversation[str]:
    """Return the token of a login, which can list and enter and nothing else."""
    response: Response = yield api.login(credentials)
    login_checked(response)
    return token_of(response, "login", in_body=credentials.token_from_body)


def log_out(credentials: Credentials, token: Token) -> Exchange | None:
    """End the session of *token*, whatever the answer: it is thrown away in any case.

    At the host that made it, which may be another than the one of *credentials*.
    """
    del credentials
    is_listing = not token.headers
    return None if is_listing else _log_out(token)


def _log_out(token: Token) -> Exchange:
    yield api.log_out(token)
    return token


def _token(
    credentials: Credentials, response: Response, step: str, context: dict[str, Any], now: int
) -> Token:
    checked(response, step)
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
