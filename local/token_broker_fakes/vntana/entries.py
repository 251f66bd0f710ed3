"""VNTANA: into an organization, and from there into one of its workspaces.

https://www.vntana.com/resource/refresh-token-usage/
"""

from token_broker_fakes.vntana.accounts import REFUSALS, Account, Organization
from token_broker_fakes.vntana.platform import Platform
from token_broker_fakes.vntana.responses import refused
from token_broker_fakes.vntana.sessions import Session
from token_broker_fakes.wire import Answer, Call


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
    """Make a workspace's token, by its organization's; roles of the organization's get none."""
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
    if organization is None or is_shut_out(platform, organization):
        raise refused(platform.modes, 403, "FORBIDDEN")
    if organization.status in REFUSALS:
        raise refused(platform.modes, 403, REFUSALS[organization.status])
    return organization


def is_shut_out(platform: Platform, organization: Organization) -> bool:
    """Say whether the role meets the 403 that nobody explained."""
    return organization.role == "SUPER_ADMIN" and platform.modes.super_admin == "forbidden"


def check_headers(platform: Platform, call: Call, session: Session) -> None:
    """Refuse a workspace that is not named as the modes want it."""
    named, wanted = call.headers.get("organizationuuid"), platform.modes.workspace_headers
    if named is None and wanted == "both":
        raise refused(platform.modes, 403, "MISSING_ORGANIZATION_UUID")
    if named is not None and (wanted == "client" or named != session.entered.uuid):
        raise refused(platform.modes, 403, "FORBIDDEN")


def without_body(platform: Platform, call: Call) -> None:
    """Refuse a body: clients send none, or an empty object."""
    if call.content.strip() not in (b"", b"{}"):
        raise refused(platform.modes, 400, "BAD_REQUEST")
