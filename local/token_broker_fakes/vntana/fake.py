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
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Unpack

from token_broker_fakes.fake import SHOWN, Clockwork, Fake, Handler
from token_broker_fakes.faults import Fault
from token_broker_fakes.vntana import endpoints
from token_broker_fakes.vntana.accounts import (
    Account,
    Organization,
    Workspace,
    demo_account,
    found,
)
from token_broker_fakes.vntana.modes import VntanaModes
from token_broker_fakes.vntana.responses import accepted, handed_out, refused
from token_broker_fakes.vntana.sessions import Session, Sessions
from token_broker_fakes.wire import Answer, Call, Data, without, without_headers

REFRESH = "/v1/auth/refresh-token"
REFRESH_METHODS = {"POST": ("POST",), "GET": ("GET",), "either": ("POST", "GET")}
OTHER_METHODS = frozenset({"/v1/clients", REFRESH})
"""Paths that VNTANA has, but with other methods: there is no ``GET /v1/clients``."""

ROUTES = {
    ("POST", "/v1/auth/login"): ("login", endpoints.with_password),
    ("POST", "/v1/auth/login/token"): ("login", endpoints.with_key),
    ("GET", "/v1/organizations"): ("list organizations", endpoints.organizations),
    ("GET", "/v1/clients/client-organizations"): ("list workspaces", endpoints.workspaces),
    ("GET", "/v1/organizations/current"): ("current", endpoints.current),
    ("POST", "/v1/auth/logout"): ("logout", endpoints.log_out),
}
ENTRIES = {
    False: ("enter organization", endpoints.into_organization),
    True: ("enter workspace", endpoints.into_workspace),
}
"""One path, two steps: by whether a workspace is named."""


class FakeVntana(Fake[VntanaModes]):
    """VNTANA with some accounts. A new token revokes the previous one of its scope."""

    vendor = "vntana"
    home = "https://api-platform.vntana.com"
    steps: ClassVar[frozenset[str]] = frozenset(
        {step for step, _ in (*ROUTES.values(), *ENTRIES.values())} | {"data"}
    )
    exchanges: ClassVar[frozenset[str]] = frozenset({"login"})
    secrets: ClassVar[frozenset[str]] = frozenset(
        {"password", "personal-access-token", "authenticationKey"}
    )
    other_refusals: ClassVar[tuple[tuple[int, object], ...]] = (
        (403, {"success": False, "errors": ["CLIENT_BLOCKED"]}),
        (401, {"success": False, "errors": ["UNAUTHORIZED_IP"]}),
    )

    def __init__(
        self,
        accounts: Sequence[Account] | None = None,
        modes: VntanaModes | None = None,
        **clockwork: Unpack[Clockwork],
    ) -> None:
        super().__init__(modes or VntanaModes(), **clockwork)
        self.accounts = [demo_account()] if accounts is None else list(accounts)
        """The accounts. They may be changed at any time."""
        self.sessions = Sessions(self.rng)
        """All issued tokens."""
        self.data = Data()
        """Responses to other calls with a live token of an organization or workspace, by method
        and path: ``fake.data["GET", "/v1/products"] = {...}``."""

    def accept(self, secret: Mapping[str, Any]) -> None:
        """Set the first account's key, or e-mail and password, to those of *secret*."""
        names = {"personal_access_token": "key", "email": "email", "password": "password"}
        known = {names[key]: value for key, value in secret.items() if key in names}
        self.accounts[0] = replace(self.accounts[0], **known)

    @staticmethod
    def demo_secret(base_url: str, /) -> dict[str, Any]:
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
        """Set a fault with an error *code*, for example ``API_RATE_LIMIT_EXCEEDED``."""
        answer = refused(self.modes, status, code).answer
        details = {"headers": answer.headers, "body": answer.content.decode()}
        return self.fail("answer", step=step, times=times, status=answer.status, **details)

    def issue(
        self, organization: str | None = None, workspace: str | None = None
    ) -> dict[str, Any]:
        """Make a live token, and return its part of the broker's answer.

        For the first account; *organization* and *workspace* are slugs, by default its first
        organization and no workspace. The token before it is revoked, as by any other entry.
        """
        account = self.accounts[0]
        entered = found(account.organizations, organization or account.organizations[0].slug)
        place = found(entered.workspaces, workspace) if workspace else None
        with self.lock:
            session = self._entered(account, entered, place)
        return {"headers": {"X-AUTH-TOKEN": f"Bearer {session.token}"}, "base_url": self.base}

    def log_in(self, account: Account) -> Answer:
        """Return a token that can only list and enter."""
        expires_at = self.now + self.modes.login_lifetime
        session = self.sessions.open(account, expires_at, revoke=self.modes.logins == "one")
        return handed_out(self.modes, session, self.now)

    def enter(
        self, account: Account, organization: Organization, workspace: Workspace | None = None
    ) -> Answer:
        """Return a token of an organization or workspace, which revokes the previous one."""
        return handed_out(self.modes, self._entered(account, organization, workspace), self.now)

    def session(self, token: str) -> Session | None:
        """Return the session of *token*; None if it was never issued."""
        return self.sessions.by_token.get(token)

    def route(self, call: Call) -> tuple[str, Handler] | None:
        """Return the step of *call*, and the function that answers it."""
        place = (call.method, call.path)
        if call.path == REFRESH and call.method in REFRESH_METHODS[self.modes.refresh_method]:
            step, handler = ENTRIES["clientuuid" in call.headers]
        elif place in ROUTES:
            step, handler = ROUTES[place]
        else:
            return ("data", self._data) if place in self.data else None
        return step, partial(handler, self)

    def lost_way(self, call: Call) -> Answer:
        """Return 405 if the path has another method, else 404."""
        if call.path in OTHER_METHODS.union(path for _, path in (*ROUTES, *self.data)):
            return refused(self.modes, 405, "METHOD_NOT_ALLOWED").answer
        return refused(self.modes, 404, "HANDLER_NOT_FOUND").answer

    def without_token(self, answer: Answer) -> Answer:
        """Return *answer* without its token, in the header and wherever a mode puts it."""
        places = (("response", "token"), ("response", "session", "accessToken"))
        return without(without_headers(answer, {"x-auth-token"}), *places)

    def revoke(self, token: str | None = None) -> int:
        """Revoke *token*, or all tokens; return how many of them were live."""
        with self.lock:
            ended = [one for one in self.sessions.live(self.now) if token in (None, one.token)]
            for session in ended:
                session.end = "revoked"
            return len(ended)

    def describe(self) -> dict[str, Any]:
        """Return the accounts and the live tokens."""
        return {
            "accounts": [account.describe() for account in self.accounts],
            "tokens": [
                {"token": one.token, "is": one.named, "expires_at": one.expires_at}
                for one in self.sessions.live(self.now)[SHOWN:]
            ],
        }

    def _data(self, call: Call) -> Answer:
        session = endpoints.live(self, call, "organization", "workspace")
        return accepted(self.modes, self.data[call.method, call.path], f"used: {session.named}")

    def _entered(
        self, account: Account, organization: Organization, workspace: Workspace | None
    ) -> Session:
        expires_at, revoke = self.now + self.modes.lifetime, self.modes.single_session != "off"
        return self.sessions.open(account, expires_at, organization, workspace, revoke=revoke)
