"""The tokens that VNTANA knows, and which of them a new one revokes."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from token_broker_fakes.sources import opaque
from token_broker_fakes.vntana.accounts import Account, Organization, Workspace

TOKEN_BYTES = 65

Scope = Literal["login", "organization", "workspace"]


@dataclass(slots=True)
class Session:
    """A token, and its scope."""

    token: str
    scope: Scope
    account: Account
    organization: Organization | None
    workspace: Workspace | None
    expires_at: float
    end: str = ""
    """Why it was ended before its time: ``revoked`` or ``logged out``."""

    def is_dead(self, now: float) -> bool:
        """Say whether this token is good for nothing any more."""
        return bool(self.end) or now >= self.expires_at

    @property
    def entered(self) -> Organization:
        """The organization that was entered; a login token has none."""
        if self.organization is None:
            raise LookupError("a login token has entered no organization")
        return self.organization

    @property
    def place(self) -> tuple[str, str, str]:
        """The key of a scope that has at most one live token."""
        organization = self.organization.uuid if self.organization else ""
        workspace = self.workspace.uuid if self.workspace else ""
        return self.account.email, organization, workspace

    @property
    def named(self) -> str:
        """A description of this token."""
        where = self.workspace or self.organization
        return f"{self.scope} token of {where.slug if where else self.account.email}"


class Sessions:
    """All tokens that were ever handed out; which of them live is each one's own matter."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.by_token: dict[str, Session] = {}
        self.current: dict[tuple[str, str, str], Session] = {}
        """The latest token of each place."""

    def open(
        self,
        account: Account,
        expires_at: float,
        organization: Organization | None = None,
        workspace: Workspace | None = None,
    ) -> Session:
        """Make a token; the one before, if any, is left as it is."""
        scope: Scope = "workspace" if workspace else "organization" if organization else "login"
        token = opaque(self.rng, TOKEN_BYTES)
        session = Session(token, scope, account, organization, workspace, expires_at)
        self.by_token[token] = session
        return session

    def succeed(self, session: Session, *, revoke: bool) -> None:
        """Make *session* the current one of its place, and end the one before where *revoke*."""
        before = self.current.get(session.place)
        if before and revoke and not before.end:
            before.end = "revoked"
        self.current[session.place] = session

    def revoke_workspaces(self, email: str, organization: str) -> None:
        """End the workspace tokens of an account's organization."""
        for place, session in self.current.items():
            if place[:2] == (email, organization) and session.workspace and not session.end:
                session.end = "revoked"

    @property
    def latest(self) -> Session:
        """The token that was made last."""
        return next(reversed(self.by_token.values()))

    def live(self, now: float) -> list[Session]:
        """Return the tokens that are good for something, oldest first."""
        return [session for session in self.by_token.values() if not session.is_dead(now)]
