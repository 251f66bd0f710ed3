"""A client of VNTANA that can send invalid requests, too."""

from dataclasses import dataclass
from typing import Any

from tests.unit.fakes.entrances import Ask
from token_broker.exchange import Request, Response
from token_broker_fakes import Account, FakeVntana, Organization, VntanaModes, Workspace

BASE = "https://api-platform.vntana.com"
NOW = 1_790_000_000


def account(role: str = "ORGANIZATION_CLIENT_MEMBER") -> Account:
    """Return an account with one organization that has two workspaces."""
    workspaces = [Workspace("chairs"), Workspace("tables")]
    return Account("a@example.com", "pass", "key", [Organization("acme", role, workspaces)])


@dataclass
class Client:
    """Talks to a fake of VNTANA."""

    fake: FakeVntana
    ask: Ask
    prefix: str = "Bearer "
    header: str = "x-auth-token"

    @property
    def organization(self) -> Organization:
        """The organization in question."""
        return self.fake.accounts[0].organizations[0]

    def call(self, method: str, path: str, token: str | None = None, **headers: str) -> Response:
        """Send a request without a body."""
        if token is not None:
            headers[self.header] = self.prefix + token
        return self.ask(self.fake, Request(method, BASE + path, "test", headers))

    def post(self, path: str, body: object, **headers: str) -> Response:
        """Send a request with a body."""
        return self.ask(self.fake, Request("POST", BASE + path, "test", headers, body))

    def login(self) -> Response:
        """Log in with e-mail and password."""
        one = self.fake.accounts[0]
        return self.post("/v1/auth/login", {"email": one.email, "password": one.password})

    def enter(self, token: str, uuid: str | None = None, *, method: str = "POST") -> Response:
        """Enter the organization."""
        uuid = uuid or self.organization.uuid
        return self.call(method, "/v1/auth/refresh-token", token, organizationuuid=uuid)

    def workspace(self, token: str, place: int = 0, *, names_both: bool = True) -> Response:
        """Enter a workspace; *names_both*: by its organization's uuid and its own."""
        headers = {"organizationuuid": self.organization.uuid} if names_both else {}
        headers["clientuuid"] = self.organization.workspaces[place].uuid
        return self.call("POST", "/v1/auth/refresh-token", token, **headers)

    def current(self, token: str) -> Response:
        """Use a token."""
        return self.call("GET", "/v1/organizations/current", token)

    def login_token(self) -> str:
        """Return a login token."""
        return token_in(self.login())

    def organization_token(self) -> str:
        """Return an organization's token, by a login of its own."""
        return token_in(self.enter(self.login_token()))


def client(ask: Ask, role: str = "ORGANIZATION_CLIENT_MEMBER", **modes: Any) -> Client:
    """Return a client of a fake with one account, whose clock stands still."""
    fake = FakeVntana([account(role)], VntanaModes(**modes), clock=lambda: NOW)
    return Client(fake, ask)


def listed(one: Client, **how: str) -> Response:
    """List the organizations with a login's token that is sent otherwise."""
    token = one.login_token()
    vars(one).update(how)
    return one.call("GET", "/v1/organizations", token)


def token_in(response: Response) -> str:
    """Return the token in the header of an answer that must be a success."""
    assert response.status == 200, response.content
    return response.headers["x-auth-token"]


def refusal(response: Response) -> tuple[int, Any]:
    """Return the status and the codes of a refusal."""
    body = response.json()
    assert body["success"] is False
    return response.status, body["errors"]
