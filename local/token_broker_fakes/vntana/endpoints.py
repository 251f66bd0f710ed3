"""VNTANA's endpoints: log in, enter an organization or a workspace, list, and log out.

https://www.vntana.com/resource/api-authentication/
https://www.vntana.com/resource/refresh-token-usage/
https://www.vntana.com/resource/api-organizations-clients/
"""

from typing import Any

from token_broker_fakes.vntana.accounts import REFUSALS, Account, Organization
from token_broker_fakes.vntana.modes import VntanaModes
from token_broker_fakes.vntana.platform import Platform, token_of
from token_broker_fakes.vntana.responses import accepted, grid, refused, row_of, unauthorized
from token_broker_fakes.vntana.sessions import Session
from token_broker_fakes.wire import Answer, Call, Refused


def with_password(platform: Platform, call: Call) -> Answer:
    """Log in with e-mail and password."""
    body = body_of(platform, call)
    for account in platform.accounts:
        if account.email == body.get("email"):
            return guarded(platform, call, account, str(body.get("password")))
    raise bad_credentials(platform, call)


def guarded(platform: Platform, call: Call, account: Account, password: str) -> Answer:
    """Log *account* in, unless it is locked or the password is wrong."""
    if 0 < platform.modes.lockout <= account.failures:
        raise refused(platform.modes, 403, "CLIENT_BLOCKED")
    if account.password != password:
        account.failures += 1
        raise bad_credentials(platform, call)
    account.failures = 0
    return platform.log_in(account)


def with_key(platform: Platform, call: Call) -> Answer:
    """Log in with a personal access token: an account has one, and a new one ends the old."""
    key = body_of(platform, call).get(platform.modes.key_field)
    for account in platform.accounts:
        if account.key == key and platform.modes.key_login == "accepted":
            return platform.log_in(account)
    raise bad_credentials(platform, call)


def body_of(platform: Platform, call: Call) -> dict[str, Any]:
    """Return the JSON of a login, which carries no token."""
    if "x-auth-token" in call.headers:
        raise refused(platform.modes, 400, "BAD_REQUEST")
    if not call.is_json:
        raise refused(platform.modes, 403, "UNSUPPORTED_MEDIA_TYPE")
    body = call.json()
    if not isinstance(body, dict):
        raise refused(platform.modes, 400, "BAD_REQUEST")
    return body


def bad_credentials(platform: Platform, call: Call) -> Refused:
    """Return the refusal of a wrong password or key, to be raised."""
    if platform.modes.wrong_password == "401":
        return unauthorized(platform.modes, call.path)
    return refused(platform.modes, 403, "BAD_CREDENTIALS")


def into_organization(platform: Platform, call: Call) -> Answer:
    """Make an organization's token, by a login token."""
    without_body(platform, call)
    login = platform.live(call, "login")
    organization = named_organization(platform, call, login.account)
    if platform.modes.single_session == "family":
        platform.sessions.revoke_workspaces(login.account.email, organization.uuid)
    if platform.modes.login_token == "spent":
        login.end = "spent"
    return platform.enter(login.account, organization)


def into_workspace(platform: Platform, call: Call) -> Answer:
    """Return a workspace's token for its organization's; roles of the organization get none."""
    without_body(platform, call)
    session = platform.live(call, "organization")
    check_headers(platform, call, session)
    organization = session.entered
    if organization.is_organization_level:
        raise refused(platform.modes, 403, "BAD_CREDENTIALS")
    for workspace in organization.workspaces:
        if workspace.uuid == call.headers["clientuuid"]:
            return platform.enter(session.account, organization, workspace)
    raise refused(platform.modes, 403, "INVALID_CLIENT_UUID")


def named_organization(platform: Platform, call: Call, account: Account) -> Organization:
    """Return the organization of the header, if *account* may enter it."""
    uuid = call.headers.get("organizationuuid")
    if not uuid:
        raise refused(platform.modes, 403, "MISSING_ORGANIZATION_UUID")
    organization = account.organization(uuid)
    if organization is None or is_forbidden(platform, organization):
        raise refused(platform.modes, 403, "FORBIDDEN")
    if organization.status in REFUSALS:
        raise refused(platform.modes, 403, REFUSALS[organization.status])
    return organization


def is_forbidden(platform: Platform, organization: Organization) -> bool:
    """Say whether the role gets the undocumented 403."""
    return organization.role == "SUPER_ADMIN" and platform.modes.super_admin == "forbidden"


def check_headers(platform: Platform, call: Call, session: Session) -> None:
    """Raise an error unless the workspace is named as the modes require."""
    named, wanted = call.headers.get("organizationuuid"), platform.modes.workspace_headers
    if named is None and wanted == "both":
        raise refused(platform.modes, 403, "MISSING_ORGANIZATION_UUID")
    if named is not None and (wanted == "client" or named != session.entered.uuid):
        raise refused(platform.modes, 403, "FORBIDDEN")


def without_body(platform: Platform, call: Call) -> None:
    """Raise an error for a body other than an empty object."""
    if call.content.strip() not in (b"", b"{}"):
        raise refused(platform.modes, 400, "BAD_REQUEST")


DECOY = "decoy/" + "A" * 60 + "+="
"""An invalid token, in responses that should have none."""


def organizations(platform: Platform, call: Call) -> Answer:
    """List the account's organizations."""
    rows = platform.live(call, "login", "organization").account.organizations
    return accepted(
        platform.modes, grid(platform.modes, rows), "organizations", decoy(platform.modes)
    )


def workspaces(platform: Platform, call: Call) -> Answer:
    """List the workspaces of the organization that was entered."""
    rows = platform.live(call, "organization").entered.workspaces
    if platform.modes.workspaces == "forbidden":
        raise refused(platform.modes, 403, "FORBIDDEN")
    return accepted(platform.modes, grid(platform.modes, rows), "workspaces", decoy(platform.modes))


def current(platform: Platform, call: Call) -> Answer:
    """Show the organization that was entered."""
    session = platform.live(call, "organization", "workspace")
    shown = row_of(platform.modes, session.entered)
    shown |= {"email": session.account.email, "status": session.entered.status}
    shown |= {"updated": shown["created"], "removed": None}
    del shown["role"]
    return accepted(platform.modes, shown, f"used: {session.named}", decoy(platform.modes))


def log_out(platform: Platform, call: Call) -> Answer:
    """End the token that came."""
    token = token_of(platform.modes, call)
    session = platform.sessions.by_token.get(token)
    if session is None or session.is_dead(platform.clock.now()):
        raise refused(platform.modes, 401, "TOKEN_NOT_FOUND" if token else "MISSING_TOKEN")
    session.end = "logged out"
    return accepted(platform.modes, {}, f"logged out: {session.named}")


def decoy(modes: VntanaModes) -> dict[str, str]:
    """Return the token header that other answers may carry."""
    return {modes.token_header: DECOY} if modes.other_answers == "decoy" else {}
