"""The shared parts of VNTANA's endpoints: they find a request's session and end sessions."""

from dataclasses import dataclass

from token_broker_fakes.sources import Clock
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
        """Hand out a token that only lists and enters."""
        session = self.sessions.open(account, self.clock.now() + self.modes.login_lifetime)
        self.sessions.succeed(session, revoke=self.modes.logins == "one")
        return handed_out(self.modes, session, self.clock.now())

    def enter(
        self, account: Account, organization: Organization, workspace: Workspace | None = None
    ) -> Answer:
        """Hand out the token of a place, which ends the one before."""
        expires_at = self.clock.now() + self.modes.lifetime
        session = self.sessions.open(account, expires_at, organization, workspace)
        self.sessions.succeed(session, revoke=self.modes.single_session != "off")
        return handed_out(self.modes, session, self.clock.now())

    def live(self, call: Call, *scopes: str) -> Session:
        """Return the session of the token that came, which must be of one of *scopes*."""
        session = self.sessions.by_token.get(token_of(self.modes, call))
        if session is None or session.is_dead(self.clock.now()):
            raise self.dead(call)
        if session.scope not in scopes:
            raise refused(self.modes, 403, "FORBIDDEN")
        return session

    def dead(self, call: Call) -> Refused:
        """Return the refusal of a token that is unknown, expired or revoked, to be raised."""
        match self.modes.dead_token:
            case "401":
                return unauthorized(self.modes, call.path)
            case "403_bad_credentials":
                return refused(self.modes, 403, "BAD_CREDENTIALS")
        return refused(self.modes, 403, "FORBIDDEN")


def token_of(modes: VntanaModes, call: Call) -> str:
    """Return the token that *call* carries as *modes* want it, or an empty text."""
    names = SENT_IN[modes.request_header]
    value = next((call.headers[name] for name in names if name in call.headers), "")
    scheme, _, token = value.partition(" ")
    is_prefixed = scheme.lower() == "bearer"
    if modes.request_prefix == ("none" if is_prefixed else "Bearer"):
        return ""
    return token if is_prefixed else value
