"""The shared parts of VNTANA's endpoints: logins, entries, and the session of a request."""

from dataclasses import dataclass

from token_broker_fakes.clock import Clock
from token_broker_fakes.vntana.accounts import Account, Organization, Workspace
from token_broker_fakes.vntana.modes import VntanaModes
from token_broker_fakes.vntana.responses import handed_out, refused, unauthorized
from token_broker_fakes.vntana.sessions import Session, Sessions
from token_broker_fakes.wire import Answer, Call, Refused

SENT_IN = {
    "x-auth-token": ("x-auth-token",),
    "authorization": ("authorization",),
    "either": ("x-auth-token", "authorization"),
}


@dataclass(slots=True)
class Platform:
    """The accounts and their tokens, under the modes and the clock of the fake."""

    modes: VntanaModes
    clock: Clock
    accounts: list[Account]
    sessions: Sessions

    def log_in(self, account: Account) -> Answer:
        """Return a token that can only list and enter."""
        session = self.sessions.open(account, self.clock.now() + self.modes.login_lifetime)
        self.sessions.make_current(session, revoke=self.modes.logins == "one")
        return handed_out(self.modes, session, self.clock.now())

    def enter(
        self, account: Account, organization: Organization, workspace: Workspace | None = None
    ) -> Answer:
        """Return a token of an organization or workspace, which revokes the previous one."""
        expires_at = self.clock.now() + self.modes.lifetime
        session = self.sessions.open(account, expires_at, organization, workspace)
        self.sessions.make_current(session, revoke=self.modes.single_session != "off")
        return handed_out(self.modes, session, self.clock.now())

    def live(self, call: Call, *scopes: str) -> Session:
        """Return the session of the token in *call*, which must have one of *scopes*."""
        session = self.sessions.by_token.get(token_of(self.modes, call))
        if session is None or session.is_dead(self.clock.now()):
            raise self.dead(call)
        if session.scope not in scopes:
            raise refused(self.modes, 403, "FORBIDDEN")
        return session

    def dead(self, call: Call) -> Refused:
        """Return the error of an unknown, expired or revoked token, to be raised."""
        match self.modes.dead_token:
            case "401":
                return unauthorized(self.modes, call.path)
            case "403_bad_credentials":
                return refused(self.modes, 403, "BAD_CREDENTIALS")
        return refused(self.modes, 403, "FORBIDDEN")


def token_of(modes: VntanaModes, call: Call) -> str:
    """Return the token in *call*, if it is sent as *modes* require, or an empty text."""
    names = SENT_IN[modes.request_header]
    value = next((call.headers[name] for name in names if name in call.headers), "")
    scheme, _, token = value.partition(" ")
    is_prefixed = scheme.lower() == "bearer"
    if modes.request_prefix == ("none" if is_prefixed else "Bearer"):
        return ""
    return token if is_prefixed else value
