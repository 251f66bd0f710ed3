"""VNTANA: a login, a token for an organization, and for most roles one for a workspace.

    POST /v1/auth/login[/token]        e-mail and password, or key   -> a token that only lists
    GET  /v1/organizations             any token                     -> uuid, slug, role of each
    POST /v1/auth/refresh-token        organizationUuid              -> the organization's token
    GET  /v1/clients/client-organizations   organization's token     -> its workspaces
    POST /v1/auth/refresh-token        organizationUuid, clientUuid  -> the workspace's token
    GET  /v1/organizations/current     either of these two tokens    -> its organization: a check

The header ``X-AUTH-TOKEN`` has the token. A new token revokes the one before it. Documentation:
https://www.vntana.com/resource/refresh-token-usage/ (tokens, roles) and
https://www.vntana.com/resource/api-authentication/ (logins). The codes and the header are in the
OpenAPI file of https://github.com/VNTANA-3D/vntana-n8n-node.
"""

from functools import partial
from typing import Any

from token_broker.errors import InvalidRequest, NotConfigured
from token_broker.exchange import Conversation, Exchange, NeedToken, ResolvedTo, Response
from token_broker.flows.vendor import Vendor
from token_broker.flows.vntana import api, organizations
from token_broker.flows.vntana.credentials import LONGEST_LIFETIME, Credentials
from token_broker.flows.vntana.listing import Listing
from token_broker.tokens import Token, Variant, canonical_hash

LISTING_LIFETIME = LONGEST_LIFETIME
"""Seconds that a listing is kept, unless the secret changes."""


def exchange(
    credentials: Credentials, variant: Variant, now: int, _kept: Token | None = None
) -> Exchange:
    """Make the token of *variant*, or resolve it to another variant. There is no renewal."""
    match variant.kind:
        case "asked":
            return (yield from organizations.resolve_requested(credentials, variant, now))
        case "listing":
            return (yield from list_organizations(credentials, now))
        case "organization":
            return (yield from enter_organization(credentials, variant, now))
        case _:
            return (yield from enter_workspace(credentials, variant, now))


def resolve(credentials: Credentials, variant: Variant) -> Variant:
    """Return *variant*. Refuse a name other than the pinned one.

    The call must spell a pinned name as the secret does: slug and uuid are not compared, because
    only an exchange can tell which slug has which uuid.
    """
    if variant.kind == "asked":
        for name, value in credentials.pins.items():
            if variant.inputs[name] not in (None, value):
                raise InvalidRequest(f"{name}: is pinned, so a call may not choose it")
    return variant


def list_organizations(credentials: Credentials, now: int) -> Exchange:
    """Log in, and list the account's organizations with its role in each."""
    login = yield from log_in(credentials)
    listed: Response = yield api.list_organizations(credentials, login)
    listing = Listing.parse(api.checked(listed, "list organizations"), "list organizations")
    return Token(
        value=canonical_hash([listing.to_context(), now]),
        headers={},
        base_url=credentials.base_url,
        issued_at=now,
        expires_at=now + LISTING_LIFETIME,
        context=listing.to_context(),
        handoff={"login": login},
    )


def enter_organization(credentials: Credentials, variant: Variant, now: int) -> Exchange:
    """Make the organization's token, with the login of a new listing if there is one.

    A login is needed anyway. So the account is listed again if the listing is old: roles change.
    """
    uuid = variant.inputs["organization"]
    kept = yield from organizations.recent_listing(now)
    entry = Listing.from_context(kept.context).pick(uuid, "organization", NotConfigured)
    login = kept.handoff.get("login") or (yield from log_in(credentials))
    entered: Response = yield api.enter_organization(credentials, login, uuid)
    context = {"organization": uuid, "workspace": None, "role": entry.role}
    return _token(credentials, entered, "enter organization", context, now)


def enter_workspace(credentials: Credentials, variant: Variant, now: int) -> Exchange:
    """Make the workspace's token from the organization's."""
    uuid, workspace = variant.inputs["organization"], variant.inputs["workspace"]
    request = partial(api.enter_workspace, credentials, organization=uuid, workspace=workspace)
    entered, token = yield from organizations.with_organization(uuid, request)
    if api.refuses_token(entered) and api.BAD_CREDENTIALS in api.codes_of(entered):
        kept = yield from organizations.recent_listing(now, organizations.PROMOTION_MAX_AGE_SECONDS)
        role = organizations.role_in(kept, uuid)
        if role in organizations.ORGANIZATION_LEVEL:
            return ResolvedTo(organizations.organization(uuid), {"role": role})
    if api.refuses_token(entered) or api.WRONG_WORKSPACE in api.codes_of(entered):
        # The token is live. Another account may lack this workspace, and have another default.
        listed: Response = yield api.list_workspaces(credentials, token.value)
        organizations.workspace_in(listed, workspace, InvalidRequest, is_needed=True)
    role = token.context["role"]
    if role in organizations.ORGANIZATION_LEVEL:
        # Such a role gets no workspace's token. One was just made, so the role is out of date.
        kept = yield NeedToken(organizations.LISTING)
        role = organizations.role_in(kept, uuid, default=role)
    context = {"organization": uuid, "workspace": workspace, "role": role}
    return _token(credentials, entered, "enter workspace", context, now)


def log_in(credentials: Credentials) -> Conversation[str]:
    """Log in, and return a token that can only list organizations and enter one."""
    response: Response = yield api.login(credentials)
    api.login_checked(response)
    return api.token_of(response, "login", in_body=credentials.token_from_body)


def log_out(token: Token) -> Conversation[None]:
    """End the session of *token*, unless it is a listing. A refusal shows that it has ended.

    Raises `UpstreamUnavailable` for 429 and 5xx: the session may live on.
    """
    is_listing = not token.headers
    if not is_listing:
        answer: Response = yield api.log_out(token)
        answer.reached("logout")


def _token(
    credentials: Credentials, response: Response, step: str, context: dict[str, Any], now: int
) -> Token:
    api.checked(response, step)
    value = api.token_of(response, step, in_body=credentials.token_from_body)
    latest = now + credentials.lifetime
    return Token(
        value=value,
        headers={"X-AUTH-TOKEN": f"Bearer {value}"},
        base_url=credentials.base_url,
        issued_at=now,
        expires_at=min(api.expiry_of(response, now) or latest, latest),
        context=context,
    )


VENDOR = Vendor(
    parse=Credentials.parse,
    exchange=exchange,
    token_kinds=("organization", "workspace"),
    resolve=resolve,
    pins=lambda credentials: credentials.pins,
    log_out=log_out,
    check=lambda _, token: organizations.is_live(token, "check"),
    probe="token_broker.flows.vntana.probe",
)
