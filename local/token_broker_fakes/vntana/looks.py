"""VNTANA: what a token shows, and how it is ended.

https://www.vntana.com/resource/api-organizations-clients/
"""

from token_broker_fakes.vntana.modes import VntanaModes
from token_broker_fakes.vntana.platform import Platform, token_of
from token_broker_fakes.vntana.responses import accepted, grid, refused, row_of
from token_broker_fakes.wire import Answer, Call

DECOY = "decoy/" + "A" * 60 + "+="
"""A token that is good for nothing, in an answer where nobody should look for one."""


def organizations(platform: Platform, call: Call) -> Answer:
    """List what the account can enter."""
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
