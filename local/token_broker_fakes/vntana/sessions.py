"""The tokens of VNTANA, and which of them a new one revokes."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from token_broker_fakes.opaque import opaque
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
    """``revoked`` or ``logged out``, if it ended before it expired."""

    def is_dead(self, now: float) -> bool:
        """Say whether this token has expired, or ended before."""
        return bool(self.end) or now >= self.expires_at

    @property
    def entered(self) -> Organization:
        """The organization that was entered; a login token has none."""
        if self.organization is None:
            raise LookupError("a login token has entered no organization")
        return self.organization

    @property
    def scope_key(self) -> tuple[str, str, str]:
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
    """All issued tokens, dead or live."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.by_token: dict[str, Session] = {}
        self.current: dict[tuple[str, str, str], Session] = {}
        """The latest token of each scope."""

    def open(
        self,
        account: Account,
        expires_at: float,
        organization: Organization | None = None,
        workspace: Workspace | None = None,
        *,
        revoke: bool,
    ) -> Session:
        """Make a token. With *revoke*, revoke the previous one of its scope."""
        scope: Scope = "workspace" if workspace else "organization" if organization else "login"
        token = opaque(self.rng, TOKEN_BYTES)
        session = Session(token, scope, account, organization, workspace, expires_at)
        before = self.current.get(session.scope_key)
        if before and revoke and not before.end:
            before.end = "revoked"
        self.by_token[token] = self.current[session.scope_key] = session
        return session

    def revoke_workspaces(self, email: str, organization: str) -> None:
        """End the workspace tokens of an account's organization."""
        for key, session in self.current.items():
            if key[:2] == (email, organization) and session.workspace and not session.end:
                session.end = "revoked"

    def live(self, now: float) -> list[Session]:
        """Return the live tokens, oldest first."""
        return [session for session in self.by_token.values() if not session.is_dead(now)]
