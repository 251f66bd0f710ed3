"""VNTANA's endpoints: log in, enter an organization or a workspace, list, and log out.

https://www.vntana.com/resource/api-authentication/
https://www.vntana.com/resource/refresh-token-usage/
https://www.vntana.com/resource/api-organizations-clients/
"""

from typing import TYPE_CHECKING, Any

from token_broker_fakes.vntana.accounts import REFUSALS, Account, Organization
from token_broker_fakes.vntana.modes import VntanaModes
from token_broker_fakes.vntana.responses import accepted, grid, refused, row_of, unauthorized
from token_broker_fakes.vntana.sessions import Session
from token_broker_fakes.wire import Answer, Call, Refused

if TYPE_CHECKING:
    from token_broker_fakes.vntana.fake import FakeVntana

SENT_IN = {
    "x-auth-token": ("x-auth-token",),
    "authorization": ("authorization",),
    "either": ("x-auth-token", "authorization"),
}


def with_password(vntana: "FakeVntana", call: Call) -> Answer:
    """Log in with e-mail and password."""
    body = body_of(vntana, call)
    for account in vntana.accounts:
        if account.email == body.get("email"):
            return guarded(vntana, call, account, str(body.get("password")))
    raise bad_credentials(vntana, call)


def guarded(vntana: "FakeVntana", call: Call, account: Account, password: str) -> Answer:
    """Log *account* in, unless it is locked or the password is wrong."""
    if 0 < vntana.modes.lockout <= account.failures:
        raise refused(vntana.modes, 403, "CLIENT_BLOCKED")
    if account.password != password:
        account.failures += 1
        raise bad_credentials(vntana, call)
    account.failures = 0
    return vntana.log_in(account)


def with_key(vntana: "FakeVntana", call: Call) -> Answer:
    """Log in with a personal access token: an account has one, and a new one ends the old."""
    key = body_of(vntana, call).get(vntana.modes.key_field)
    for account in vntana.accounts:
        if account.key == key and vntana.modes.key_login == "accepted":
            return vntana.log_in(account)
    raise bad_credentials(vntana, call)


def body_of(vntana: "FakeVntana", call: Call) -> dict[str, Any]:
    """Return the JSON of a login, which carries no token."""
    if "x-auth-token" in call.headers:
        raise refused(vntana.modes, 400, "BAD_REQUEST")
    if not call.is_json:
        raise refused(vntana.modes, 403, "UNSUPPORTED_MEDIA_TYPE")
    body = call.json()
    if not isinstance(body, dict):
        raise refused(vntana.modes, 400, "BAD_REQUEST")
    return body


def bad_credentials(vntana: "FakeVntana", call: Call) -> Refused:
    """Return the refusal of a wrong password or key, to be raised."""
    if vntana.modes.wrong_password == "401":
        return unauthorized(vntana.modes, call.path)
    return refused(vntana.modes, 403, "BAD_CREDENTIALS")


def into_organization(vntana: "FakeVntana", call: Call) -> Answer:
    """Make an organization's token, by a login token."""
    without_body(vntana, call)
    login = live(vntana, call, "login")
    organization = named_organization(vntana, call, login.account)
    if vntana.modes.single_session == "family":
        vntana.sessions.revoke_workspaces(login.account.email, organization.uuid)
    if vntana.modes.login_token == "spent":
        login.end = "spent"
    return vntana.enter(login.account, organization)


def into_workspace(vntana: "FakeVntana", call: Call) -> Answer:
    """Return a workspace's token for its organization's; roles of the organization get none."""
    without_body(vntana, call)
    session = live(vntana, call, "organization")
    check_headers(vntana, call, session)
    organization = session.entered
    if organization.is_organization_level:
        raise refused(vntana.modes, 403, "BAD_CREDENTIALS")
    for workspace in organization.workspaces:
        if workspace.uuid == call.headers["clientuuid"]:
            return vntana.enter(session.account, organization, workspace)
    raise refused(vntana.modes, 403, "INVALID_CLIENT_UUID")


def named_organization(vntana: "FakeVntana", call: Call, account: Account) -> Organization:
    """Return the organization of the header, if *account* may enter it."""
    uuid = call.headers.get("organizationuuid")
    if not uuid:
        raise refused(vntana.modes, 403, "MISSING_ORGANIZATION_UUID")
    organization = account.organization(uuid)
    is_super = organization is not None and organization.role == "SUPER_ADMIN"
    if organization is None or (is_super and vntana.modes.super_admin == "forbidden"):
        raise refused(vntana.modes, 403, "FORBIDDEN")
    if organization.status in REFUSALS:
        raise refused(vntana.modes, 403, REFUSALS[organization.status])
    return organization


def check_headers(vntana: "FakeVntana", call: Call, session: Session) -> None:
    """Raise an error unless the workspace is named as the modes require."""
    named, wanted = call.headers.get("organizationuuid"), vntana.modes.workspace_headers
    if named is None and wanted == "both":
        raise refused(vntana.modes, 403, "MISSING_ORGANIZATION_UUID")
    if named is not None and (wanted == "client" or named != session.entered.uuid):
        raise refused(vntana.modes, 403, "FORBIDDEN")


def without_body(vntana: "FakeVntana", call: Call) -> None:
    """Raise an error for a body other than an empty object."""
    if call.content.strip() not in (b"", b"{}"):
        raise refused(vntana.modes, 400, "BAD_REQUEST")


DECOY = "decoy/" + "A" * 60 + "+="
"""An invalid token, in responses that should have none."""


def organizations(vntana: "FakeVntana", call: Call) -> Answer:
    """List the account's organizations."""
    rows = live(vntana, call, "login", "organization").account.organizations
    return accepted(vntana.modes, grid(vntana.modes, rows), "organizations", decoy(vntana.modes))


def workspaces(vntana: "FakeVntana", call: Call) -> Answer:
    """List the workspaces of the organization that was entered."""
    rows = live(vntana, call, "organization").entered.workspaces
    if vntana.modes.workspaces == "forbidden":
        raise refused(vntana.modes, 403, "FORBIDDEN")
    return accepted(vntana.modes, grid(vntana.modes, rows), "workspaces", decoy(vntana.modes))


def current(vntana: "FakeVntana", call: Call) -> Answer:
    """Show the organization that was entered."""
    session = live(vntana, call, "organization", "workspace")
    shown = row_of(vntana.modes, session.entered)
    shown |= {"email": session.account.email, "status": session.entered.status}
    shown |= {"updated": shown["created"], "removed": None}
    del shown["role"]
    return accepted(vntana.modes, shown, f"used: {session.named}", decoy(vntana.modes))


def log_out(vntana: "FakeVntana", call: Call) -> Answer:
    """End the token that came."""
    token = token_of(vntana.modes, call)
    session = vntana.sessions.by_token.get(token)
    if session is None or session.is_dead(vntana.now):
        raise refused(vntana.modes, 401, "TOKEN_NOT_FOUND" if token else "MISSING_TOKEN")
    session.end = "logged out"
    return accepted(vntana.modes, {}, f"logged out: {session.named}")


def decoy(modes: VntanaModes) -> dict[str, str]:
    """Return the token header that other answers may carry."""
    return {modes.token_header: DECOY} if modes.other_answers == "decoy" else {}


def live(vntana: "FakeVntana", call: Call, *scopes: str) -> Session:
    """Return the session of the token in *call*, which must have one of *scopes*."""
    session = vntana.session(token_of(vntana.modes, call))
    if session is None or session.is_dead(vntana.now):
        raise dead(vntana.modes, call)
    if session.scope not in scopes:
        raise refused(vntana.modes, 403, "FORBIDDEN")
    return session


def dead(modes: VntanaModes, call: Call) -> Refused:
    """Return the error of an unknown, expired or revoked token, to be raised."""
    match modes.dead_token:
        case "401":
            return unauthorized(modes, call.path)
        case "403_bad_credentials":
            return refused(modes, 403, "BAD_CREDENTIALS")
    return refused(modes, 403, "FORBIDDEN")


def token_of(modes: VntanaModes, call: Call) -> str:
    """Return the token in *call*, if it is sent as *modes* require, or an empty text."""
    names = SENT_IN[modes.request_header]
    value = next((call.headers[name] for name in names if name in call.headers), "")
    scheme, _, token = value.partition(" ")
    is_prefixed = scheme.lower() == "bearer"
    if modes.request_prefix == ("none" if is_prefixed else "Bearer"):
        return ""
    return token if is_prefixed else value
