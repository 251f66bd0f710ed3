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

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from token_broker import addresses
from token_broker.document import Document
from token_broker.errors import InvalidRequest, NotConfigured, UpstreamContractChanged
from token_broker.exchange import Ask, Conversation, Elsewhere, Exchange, Request, Response
from token_broker.tokens import Token
from token_broker.variants import Variant
from token_broker.vntana_answers import (
    Refusal,
    checked,
    expiry_of,
    login_checked,
    refusal,
    rows_of,
    token_of,
)

NAME = "vntana"
TOKEN_KINDS = frozenset({"organization", "workspace"})
ORGANIZATION_LEVEL = frozenset({"ORGANIZATION_OWNER", "ORGANIZATION_ADMIN"})
"""Roles that work with the organization's token: the test of VNTANA's own demo (viewer-demo)."""

LISTING = Variant("listing", {"listing": "organizations"})
"""The account's organizations: kept like a token, so that a renewal lists nothing."""

LIFETIME = 86_400
"""Seconds that a token is kept for: far less than the 30 days of the help centre."""

LISTING_LIFETIME = 30 * 86_400
"""Seconds that a listing is kept for. A new version of the secret lists anew before that."""

LISTING_PATIENCE = 300
"""Seconds before a name that a listing does not have makes the broker list again."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the secret of a connection holds."""

    login: Mapping[str, str] = field(repr=False)
    """The body of the login: e-mail and password, or the authentication key."""
    organization: str | None = None
    workspace: str | None = None
    base_url: str = "https://api-platform.vntana.com"
    refresh_method: str = "POST"
    workspace_headers: str = "both"
    token_from_body: bool = False
    lifetime: int = LIFETIME

    @classmethod
    def parse(cls, secret: object) -> "Credentials":
        """Read a secret. Raises `NotConfigured` naming the key that is wrong."""
        members = Document(secret, NotConfigured)
        options = members.document("options")
        credentials = cls(
            login=_login(members),
            organization=members.optional_text("organization"),
            workspace=members.optional_text("workspace"),
            base_url=addresses.base_url(
                members.text("base_url", "https://api-platform.vntana.com"),
                "base_url",
                without="/v1",
            ),
            refresh_method=options.choice("refresh_method", "POST", "GET"),
            workspace_headers=options.choice("workspace_headers", "both", "client"),
            token_from_body=options.boolean("token_from_body", default=False),
            lifetime=options.seconds("lifetime", LIFETIME) or LIFETIME,
        )
        options.finish()
        members.finish()
        return credentials


def asked(body: Document) -> Variant:
    """Return what a call asks for, as it spells it; the secret has the defaults."""
    organization, workspace = (body.optional_text(name) for name in ("organization", "workspace"))
    return Variant("asked", {"organization": organization, "workspace": workspace})


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
    wanted = variant.inputs["organization"] or credentials.organization
    listing = yield from _listing(wanted, now)
    from_call = bool(variant.inputs["organization"])
    row = _pick(_rows(listing), wanted, "organization", from_call=from_call)
    organization = Variant("organization", {"organization": row["uuid"]})
    if row["role"] in ORGANIZATION_LEVEL:
        return Elsewhere(organization)
    workspace = variant.inputs["workspace"] or credentials.workspace
    if not (workspace and UUID.fullmatch(workspace)):
        token: Token = yield Ask(organization)
        listed: Response = yield Request(
            "GET",
            f"{credentials.base_url}/v1/clients/client-organizations",
            "list workspaces",
            headers={"x-auth-token": f"Bearer {token.value}"},
        )
        rows, total = rows_of(checked(listed, "list workspaces"), "list workspaces")
        _complete(rows, total, workspace, "list workspaces")
        from_call = bool(variant.inputs["workspace"])
        workspace = _pick(rows, workspace, "workspace", from_call=from_call)["uuid"]
    return Elsewhere(
        Variant("workspace", {"organization": row["uuid"], "workspace": workspace.lower()})
    )


def list_organizations(credentials: Credentials, now: int) -> Exchange:
    """Log in and list the account's organizations with the roles it has in them."""
    login = yield from log_in(credentials)
    listed: Response = yield Request(
        "GET",
        f"{credentials.base_url}/v1/organizations",
        "list organizations",
        headers={"x-auth-token": f"Bearer {login}"},
    )
    rows, total = rows_of(checked(listed, "list organizations"), "list organizations")
    context = {"organizations": rows, "total": total}
    return Token(
        value=json.dumps([context, now]),
        headers={},
        base_url=credentials.base_url,
        issued_at=now,
        expires_at=now + LISTING_LIFETIME,
        context=context,
        seed={"login": login},
    )


def enter_organization(credentials: Credentials, variant: Variant, now: int) -> Exchange:
    """Make the organization's token, by the login that listed it if that was just now."""
    listing = yield from _listing(variant.inputs["organization"], now)
    row = _pick(_rows(listing), variant.inputs["organization"], "organization", from_call=False)
    login = listing.seed.get("login") or (yield from log_in(credentials))
    entered: Response = yield Request(
        credentials.refresh_method,
        f"{credentials.base_url}/v1/auth/refresh-token",
        "enter organization",
        headers={"x-auth-token": f"Bearer {login}", "organizationuuid": row["uuid"]},
    )
    checked(entered, "enter organization")
    context = {"organization": row["uuid"], "workspace": None, "role": row["role"]}
    return _token(credentials, entered, "enter organization", context, now)


def enter_workspace(credentials: Credentials, variant: Variant, now: int) -> Exchange:
    """Make the workspace's token from the organization's, made anew once if it is dead."""
    inputs = variant.inputs
    organization = Variant("organization", {"organization": inputs["organization"]})
    token: Token = yield Ask(organization)
    entered: Response = yield _workspace_step(credentials, inputs, token)
    if refusal(entered) is Refusal.DEAD:
        token = yield Ask(organization, rejected=token.fingerprint)
        entered = yield _workspace_step(credentials, inputs, token)
    if refusal(entered) is Refusal.CREDENTIALS:
        # What an owner or administrator is told: not a wrong password, but the wrong step.
        listing: Token = yield Ask(LISTING)
        listing = yield Ask(LISTING, rejected=listing.fingerprint)
        row = _pick(_rows(listing), inputs["organization"], "organization", from_call=False)
        if row["role"] in ORGANIZATION_LEVEL:
            return Elsewhere(organization)
    checked(entered, "enter workspace")
    context = dict(inputs) | {"role": token.context["role"]}
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
    if not token.headers:
        return None
    return _log_out(credentials, token)


def _log_out(credentials: Credentials, token: Token) -> Exchange:
    yield Request(
        "POST",
        f"{credentials.base_url}/v1/auth/logout",
        "logout",
        headers={"x-auth-token": f"Bearer {token.value}"},
    )
    return token


def _listing(wanted: str | None, now: int) -> Conversation[Token]:
    """Return the account's organizations, listed again if a listing of long ago lacks *wanted*."""
    listing: Token = yield Ask(LISTING)
    is_old = now - listing.issued_at > LISTING_PATIENCE
    if wanted and is_old and not _matching(_rows(listing), wanted):
        listing = yield Ask(LISTING, rejected=listing.fingerprint)
    _complete(_rows(listing), listing.context["total"], wanted, "list organizations")
    return listing


def _rows(listing: Token) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = listing.context["organizations"]
    return rows


def _matching(rows: list[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    """Return the rows with this uuid or slug; names are not unique."""
    return [row for row in rows if wanted.lower() == row["uuid"].lower() or wanted == row["slug"]]


def _complete(rows: list[dict[str, Any]], total: int, wanted: str | None, step: str) -> None:
    """Refuse to conclude anything from a part of a list that may hide what is wanted."""
    if len(rows) < total and not (wanted and _matching(rows, wanted)):
        raise UpstreamContractChanged(f"{step}: only {len(rows)} of {total} rows were listed")


def _pick(
    rows: list[dict[str, Any]], wanted: str | None, key: str, *, from_call: bool
) -> dict[str, Any]:
    """Return the row that is wanted, or the only one."""
    error = InvalidRequest if from_call else NotConfigured
    found = _matching(rows, wanted) if wanted else rows
    if len(found) == 1:
        return found[0]
    slugs = ", ".join(sorted(str(row["slug"]) for row in rows)) or "none"
    reason = "names none of" if wanted else "must be one of"
    raise error(f"{key}: {reason} the account's {key}s: {slugs}")


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


def _login(members: Document) -> dict[str, str]:
    """Return the body of the login; a secret holds one of the two kinds."""
    key = members.optional_text("personal_access_token")
    email, password = members.optional_text("email"), members.optional_text("password")
    if key and (email or password):
        raise members.wrong("personal_access_token", "two kinds of login: remove it, or the other")
    if key:
        return {"personal-access-token": key}
    if not email or not password:
        missing = "password" if email else "email" if password else "personal_access_token"
        raise members.wrong(missing, "is missing")
    return {"email": email, "password": password}
