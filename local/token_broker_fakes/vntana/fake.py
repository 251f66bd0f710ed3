"""VNTANA's Admin API, as far as tokens go.

    POST /v1/auth/login                        e-mail and password     -> a login token
    POST /v1/auth/login/token                  personal access token   -> a login token
    GET  /v1/organizations                     login token             -> organizations, roles
    POST /v1/auth/refresh-token                organizationUuid        -> the organization's token
    GET  /v1/clients/client-organizations      organization token      -> workspaces
    POST /v1/auth/refresh-token                + clientUuid            -> the workspace's token
    GET  /v1/organizations/current             any but a login token   -> the organization
    POST /v1/auth/logout                       any token               -> ends it

https://www.vntana.com/resource/refresh-token-usage/
https://www.vntana.com/resource/api-authentication/
"""

from collections.abc import Callable, Sequence
from random import Random
from time import sleep as real_sleep
from time import time
from typing import Any, ClassVar

from token_broker_fakes.fake import Fake, Handler, Sleep
from token_broker_fakes.faults import Fault
from token_broker_fakes.vntana.accounts import (
    REFUSALS,
    Account,
    Organization,
    Workspace,
    demo_account,
)
from token_broker_fakes.vntana.answers import (
    accepted,
    grid,
    handed_out,
    refused,
    row_of,
    unauthorized,
)
from token_broker_fakes.vntana.modes import VntanaModes
from token_broker_fakes.vntana.sessions import Session, Sessions
from token_broker_fakes.wire import Answer, Call, Refused

REFRESH = "/v1/auth/refresh-token"
REFRESH_METHODS = {"POST": ("POST",), "GET": ("GET",), "either": ("POST", "GET")}
OTHER_METHODS = frozenset({"/v1/clients"})
"""Paths that VNTANA has, but not with GET; the fake does not play their other methods."""


class FakeVntana(Fake[VntanaModes]):
    """VNTANA with some accounts, of which each lives token is the only one of its place."""

    vendor = "vntana"
    steps: ClassVar[frozenset[str]] = frozenset(
        {"login", "organizations", "organization", "workspaces", "workspace", "current", "logout"}
    )

    def __init__(
        self,
        accounts: Sequence[Account] | None = None,
        modes: VntanaModes | None = None,
        *,
        clock: Callable[[], float] = time,
        rng: Random | None = None,
        sleep: Sleep = real_sleep,
    ) -> None:
        super().__init__(modes or VntanaModes(), clock=clock, rng=rng, sleep=sleep)
        self.accounts = [demo_account()] if accounts is None else list(accounts)
        self.sessions = Sessions(self.rng)
        self._routes: dict[tuple[str, str], tuple[str, Handler]] = {
            ("POST", "/v1/auth/login"): ("login", self._password_login),
            ("POST", "/v1/auth/login/token"): ("login", self._key_login),
            ("GET", "/v1/organizations"): ("organizations", self._organizations),
            ("GET", "/v1/clients/client-organizations"): ("workspaces", self._workspaces),
            ("GET", "/v1/organizations/current"): ("current", self._current),
            ("POST", "/v1/auth/logout"): ("logout", self._logout),
        }

    @staticmethod
    def demo_secret(base_url: str) -> dict[str, Any]:
        """Return the secret of a connection to the demo's account at *base_url*."""
        account = demo_account()
        return {
            "personal_access_token": account.key,
            "organization": account.organizations[0].slug,
            "base_url": base_url,
        }

    def refuse(
        self, code: str, *, status: int = 403, step: str | None = None, times: int | None = None
    ) -> Fault:
        """Refuse with *code*, say ``API_RATE_LIMIT_EXCEEDED``; always, where *times* is None."""
        answer = refused(self.modes, status, code).answer
        body = answer.content.decode()
        headers = answer.headers
        return self.fail(
            "answer", step=step, times=times, status=answer.status, headers=headers, body=body
        )

    def route(self, call: Call) -> tuple[str, Handler] | None:
        """Return the step that *call* is, and who answers it."""
        if call.path == REFRESH and call.method in REFRESH_METHODS[self.modes.refresh_method]:
            into = "clientuuid" in call.headers
            return ("workspace", self._workspace) if into else ("organization", self._enter)
        return self._routes.get((call.method, call.path))

    def lost_way(self, call: Call) -> Answer:
        """Answer 405 where another method has this path, else 404."""
        paths = {path for _, path in self._routes} | OTHER_METHODS | {REFRESH}
        if call.path in paths:
            return refused(self.modes, 405, "METHOD_NOT_ALLOWED").answer
        return refused(self.modes, 404, "HANDLER_NOT_FOUND").answer

    def without_token(self, answer: Answer) -> Answer:
        """Return *answer* without its token header."""
        headers = {k: v for k, v in answer.headers.items() if k.lower() != "x-auth-token"}
        return Answer(answer.status, headers, answer.content, answer.led_to)

    def describe(self) -> dict[str, Any]:
        """Return the accounts and the tokens that live."""
        return {
            "accounts": [account.describe() for account in self.accounts],
            "tokens": [
                {"token": one.token, "is": one.named, "expires_at": one.expires_at}
                for one in self.sessions.live(self.now)
            ],
        }

    def session(self, token: str) -> Session | None:
        """Return what *token* is, if it was ever handed out."""
        return self.sessions.by_token.get(token)

    # Logging in

    def _password_login(self, call: Call) -> Answer:
        body = self._login_body(call)
        for account in self.accounts:
            if account.email == body.get("email") and account.password == body.get("password"):
                return self._logged_in(account)
        raise self._bad_credentials(call)

    def _key_login(self, call: Call) -> Answer:
        key = self._login_body(call).get(self.modes.key_field)
        for account in self.accounts:
            if account.key == key and self.modes.key_login == "accepted":
                return self._logged_in(account)
        raise self._bad_credentials(call)

    def _login_body(self, call: Call) -> dict[str, Any]:
        if "x-auth-token" in call.headers:
            raise refused(self.modes, 400, "BAD_REQUEST")
        if not call.is_json:
            raise refused(self.modes, 403, "UNSUPPORTED_MEDIA_TYPE")
        body = call.json()
        if not isinstance(body, dict):
            raise refused(self.modes, 400, "BAD_REQUEST")
        return body

    def _logged_in(self, account: Account) -> Answer:
        session = self.sessions.open(account, self.now + self.modes.login_lifetime)
        self.sessions.succeed(session, revoke=self.modes.logins == "one")
        return self._handed_out(session)

    def _bad_credentials(self, call: Call) -> Refused:
        if self.modes.wrong_password == "401":
            return unauthorized(self.modes, call.path)
        return refused(self.modes, 403, "BAD_CREDENTIALS")

    # Entering an organization, and a workspace of it

    def _enter(self, call: Call) -> Answer:
        self._no_body(call)
        login = self._live(call, "login")
        organization = self._organization(call, login.account)
        session = self._open(login.account, organization)
        if self.modes.single_session == "family":
            self.sessions.revoke_workspaces(login.account.email, organization.uuid)
        if self.modes.login_token == "spent":
            login.end = "revoked"
        return self._handed_out(session)

    def _workspace(self, call: Call) -> Answer:
        self._no_body(call)
        entered = self._live(call, "organization")
        organization = self._own_organization(call, entered)
        if organization.is_organization_level:
            raise refused(self.modes, 403, "BAD_CREDENTIALS")
        uuid = call.headers["clientuuid"]
        for workspace in organization.workspaces:
            if workspace.uuid == uuid:
                return self._handed_out(self._open(entered.account, organization, workspace))
        raise refused(self.modes, 403, "INVALID_CLIENT_UUID")

    def _own_organization(self, call: Call, entered: Session) -> Organization:
        named = call.headers.get("organizationuuid")
        wanted = self.modes.workspace_headers
        if named is None and wanted == "both":
            raise refused(self.modes, 403, "MISSING_ORGANIZATION_UUID")
        if named is not None and (wanted == "client" or named != entered.entered.uuid):
            raise refused(self.modes, 403, "FORBIDDEN")
        return entered.entered

    def _organization(self, call: Call, account: Account) -> Organization:
        uuid = call.headers.get("organizationuuid")
        if not uuid:
            raise refused(self.modes, 403, "MISSING_ORGANIZATION_UUID")
        organization = account.organization(uuid)
        if organization is None or self._is_shut_out(organization):
            raise refused(self.modes, 403, "FORBIDDEN")
        if organization.status in REFUSALS:
            raise refused(self.modes, 403, REFUSALS[organization.status])
        return organization

    def _is_shut_out(self, organization: Organization) -> bool:
        return organization.role == "SUPER_ADMIN" and self.modes.super_admin == "forbidden"

    def _open(
        self, account: Account, organization: Organization, workspace: Workspace | None = None
    ) -> Session:
        expires_at = self.now + self.modes.lifetime
        session = self.sessions.open(account, expires_at, organization, workspace)
        self.sessions.succeed(session, revoke=self.modes.single_session != "off")
        return session

    def _no_body(self, call: Call) -> None:
        if call.content.strip() not in (b"", b"{}"):
            raise refused(self.modes, 400, "BAD_REQUEST")

    # Looking, and leaving

    def _organizations(self, call: Call) -> Answer:
        session = self._live(call, "login", "organization")
        rows = session.account.organizations
        return accepted(self.modes, grid(self.modes, rows), "organizations", self._decoy())

    def _workspaces(self, call: Call) -> Answer:
        rows = self._live(call, "organization").entered.workspaces
        return accepted(self.modes, grid(self.modes, rows), "workspaces", self._decoy())

    def _current(self, call: Call) -> Answer:
        session = self._live(call, "organization", "workspace")
        response = row_of(self.modes, session.entered)
        response |= {"email": session.account.email, "status": session.entered.status}
        response |= {"updated": response["created"], "removed": None}
        del response["role"]
        return accepted(self.modes, response, session.named, self._decoy())

    def _logout(self, call: Call) -> Answer:
        token = self._token(call)
        session = self.sessions.by_token.get(token) if token else None
        if session is None or session.is_dead(self.now):
            raise refused(self.modes, 401, "TOKEN_NOT_FOUND" if token else "MISSING_TOKEN")
        session.end = "logged out"
        return accepted(self.modes, {}, f"logged out: {session.named}")

    # Tokens

    def _token(self, call: Call) -> str | None:
        wanted = self.modes.request_header
        names = ("x-auth-token", "authorization") if wanted == "either" else (wanted,)
        value = next((call.headers[name] for name in names if name in call.headers), "")
        scheme, blank, token = value.partition(" ")
        if blank and scheme.lower() == "bearer":
            return token if self.modes.request_prefix != "none" else None
        return value if self.modes.request_prefix != "Bearer" else None

    def _live(self, call: Call, *scopes: str) -> Session:
        session = self.sessions.by_token.get(self._token(call) or "")
        if session is None or session.is_dead(self.now):
            raise self._dead(call)
        if session.scope not in scopes:
            raise refused(self.modes, 403, "FORBIDDEN")
        return session

    def _dead(self, call: Call) -> Refused:
        match self.modes.dead_token:
            case "401":
                return unauthorized(self.modes, call.path)
            case "403_bad_credentials":
                return refused(self.modes, 403, "BAD_CREDENTIALS")
        return refused(self.modes, 403, "FORBIDDEN")

    def _handed_out(self, session: Session) -> Answer:
        return handed_out(self.modes, session, self.now)

    def _decoy(self) -> dict[str, str]:
        if self.modes.other_answers == "plain":
            return {}
        return {self.modes.token_header: "decoy/" + "A" * 60 + "+="}
