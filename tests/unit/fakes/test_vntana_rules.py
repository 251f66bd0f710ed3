"""The fake enforces VNTANA's documented rules for its tokens."""

from collections.abc import Callable

import pytest

from tests.unit.fakes.entrances import Ask
from tests.unit.fakes.vntana_client import NOW, Client, client, listed, refusal, token_in
from token_broker.exchange import Response
from token_broker_fakes import Account, Organization
from token_broker_fakes.vntana.accounts import Status

REFRESH = "/v1/auth/refresh-token"


def test_a_login_by_password_returns_a_token_in_the_header(ask: Ask) -> None:
    """It has no prefix, is opaque and long, no JWT, with characters to escape."""
    visitor = client(ask)
    response = visitor.login()
    token = token_in(response)
    shown = {"email": "a@example.com"}
    assert response.json() == {"success": True, "errors": [], "response": shown}
    assert (len(token) > 60, "." in token, " " in token) == (True, False, False)
    assert {"/", "+", "="} <= set(token)
    assert len({token, *(visitor.login_token() for _ in range(20))}) == 21


WRONG = (403, ["BAD_CREDENTIALS"])
LOGIN, BY_KEY = "/v1/auth/login", "/v1/auth/login/token"


@pytest.mark.parametrize(
    ("path", "body", "headers", "outcome"),
    [
        (LOGIN, {"email": "a@example.com", "password": "wrong"}, {}, WRONG),
        (LOGIN, {"email": "b@example.com", "password": "pass"}, {}, WRONG),
        (BY_KEY, {"personal-access-token": "key"}, {}, WRONG),
        (BY_KEY, {"personal_access_token": "new"}, {}, WRONG),
        (LOGIN, {}, {"content-type": "text/plain"}, (403, ["UNSUPPORTED_MEDIA_TYPE"])),
        (LOGIN, {}, {"x-auth-token": "Bearer x"}, (400, ["BAD_REQUEST"])),
        (LOGIN, ["a@example.com"], {}, (400, ["BAD_REQUEST"])),
    ],
)
def test_a_login_with_other_credentials_or_a_malformed_request_is_refused(
    ask: Ask, path: str, body: object, headers: dict[str, str], outcome: object
) -> None:
    """So is the key of an account that has a new one."""
    visitor = client(ask)
    assert visitor.post(BY_KEY, {"personal-access-token": "key"}).is_success
    visitor.fake.accounts[0].key = "new"
    assert refusal(visitor.post(path, body, **headers)) == outcome


def entering(status: Status) -> Callable[[Client], Response]:
    """Enter an organization that has this status."""

    def entered(one: Client) -> Response:
        one.organization.status = status
        return one.enter(one.login_token())

    return entered


def without_organization(one: Client) -> Response:
    return one.call("POST", REFRESH, one.login_token())


def into_an_unknown_workspace(one: Client) -> Response:
    headers = {"organizationuuid": one.organization.uuid, "clientuuid": "chairs"}
    return one.call("POST", REFRESH, one.organization_token(), **headers)


def into_a_workspace_of_another(one: Client) -> Response:
    """Name an organization in the header that is not the token's."""
    token, workspace = one.organization_token(), one.organization.workspaces[0].uuid
    one.fake.accounts[0].organizations.insert(0, Organization("b"))
    headers = {"organizationuuid": one.organization.uuid, "clientuuid": workspace}
    return one.call("POST", REFRESH, token, **headers)


REFUSALS: dict[str, tuple[Callable[[Client], Response], str]] = {
    "a slug is no uuid": (lambda one: one.enter(one.login_token(), "acme"), "FORBIDDEN"),
    "no organization": (without_organization, "MISSING_ORGANIZATION_UUID"),
    "a workspace's organization is named": (
        lambda one: one.workspace(one.organization_token(), names_both=False),
        "MISSING_ORGANIZATION_UUID",
    ),
    "an unknown workspace": (into_an_unknown_workspace, "INVALID_CLIENT_UUID"),
    "a workspace of another organization": (into_a_workspace_of_another, "FORBIDDEN"),
    "without Bearer": (lambda one: listed(one, prefix=""), "FORBIDDEN"),
    "with another word": (lambda one: listed(one, prefix="Token "), "FORBIDDEN"),
    "in another header": (lambda one: listed(one, header="authorization"), "FORBIDDEN"),
    "disabled": (entering("DISABLED"), "CLIENT_BLOCKED"),
    "suspended": (entering("SUSPENDED"), "SUBSCRIPTION_SUSPENDED"),
    "canceled": (entering("SUBSCRIPTION_CANCELED"), "SUBSCRIPTION_NOT_FOUND"),
}


@pytest.mark.parametrize(("act", "code"), REFUSALS.values(), ids=REFUSALS)
def test_invalid_requests_are_refused_with_their_code(
    ask: Ask, act: Callable[[Client], Response], code: str
) -> None:
    assert refusal(act(client(ask))) == (403, [code])


TOKENS: dict[str, Callable[[Client], str]] = {
    "login": Client.login_token,
    "organization": Client.organization_token,
    "workspace": lambda one: token_in(one.workspace(one.organization_token())),
    "unknown": lambda _: "unknown",
}
ACCEPTED: dict[str, tuple[Callable[[Client, str], Response], set[str]]] = {
    "enters an organization": (Client.enter, {"login"}),
    "enters a workspace": (Client.workspace, {"organization"}),
    "is used": (Client.current, {"organization", "workspace"}),
    "lists organizations": (
        lambda one, token: one.call("GET", "/v1/organizations", token),
        {"login", "organization"},
    ),
    "lists workspaces": (
        lambda one, token: one.call("GET", "/v1/clients/client-organizations", token),
        {"organization"},
    ),
    "gets data": (
        lambda one, token: one.call("GET", "/v1/data", token),
        {"organization", "workspace"},
    ),
    "logs out": (
        lambda one, token: one.call("POST", "/v1/auth/logout", token),
        {"login", "organization", "workspace"},
    ),
}


@pytest.mark.parametrize(("act", "scopes"), ACCEPTED.values(), ids=ACCEPTED)
@pytest.mark.parametrize("scope", TOKENS)
def test_a_request_takes_tokens_of_its_scopes_only(
    ask: Ask, act: Callable[[Client, str], Response], scopes: set[str], scope: str
) -> None:
    """A live token of another scope gets a 403, whatever a dead one gets."""
    visitor = client(ask, dead_token="401")
    visitor.fake.data["GET", "/v1/data"] = {}
    status = 200 if scope in scopes else 401 if scope == "unknown" else 403
    assert act(visitor, TOKENS[scope](visitor)).status == status


def test_organizations_are_listed(ask: Ask) -> None:
    """Also an empty list. A name defaults to the slug. The prefix of a token ignores case."""
    visitor = client(ask)
    organizations = visitor.fake.accounts[0].organizations
    organizations.append(Organization("b", name="Other"))
    found = listed(visitor, prefix="bearer ").json()["response"]
    assert found["totalCount"] == 2
    row, other = found["grid"]
    assert row == {
        "uuid": visitor.organization.uuid,
        "slug": "acme",
        "name": "Acme",
        "role": "ORGANIZATION_CLIENT_MEMBER",
        "imageBlobId": "",
        "created": "2020-01-31T19:17:23.972",
    }
    assert other["name"] == "Other"
    organizations.clear()
    empty = {"success": True, "errors": [], "response": {"totalCount": 0, "grid": []}}
    assert listed(visitor).json() == empty


def test_a_new_token_revokes_the_previous_one_of_the_same_scope(ask: Ask) -> None:
    """At once, and only that: of the same account and organization, or of the same workspace."""
    visitor = client(ask)
    organization = visitor.organization
    visitor.fake.accounts.append(Account("b@example.com", "pass", "other", [organization]))
    of_another = visitor.post(BY_KEY, {"personal-access-token": "other"})
    other = token_in(visitor.enter(token_in(of_another)))
    login = visitor.login_token()
    first = token_in(visitor.enter(login))
    chairs = token_in(visitor.workspace(first, 0))
    tables = token_in(visitor.workspace(first, 1))
    new_chairs = token_in(visitor.workspace(first, 0))
    second = token_in(visitor.enter(login))
    tokens = (first, chairs, tables, new_chairs, second, other)
    lives = [visitor.current(token).is_success for token in tokens]
    assert lives == [False, False, True, True, True, True]


@pytest.mark.parametrize("role", ["ORGANIZATION_OWNER", "ORGANIZATION_ADMIN"])
def test_roles_of_an_organization_get_no_workspace_token(ask: Ask, role: str) -> None:
    """BAD_CREDENTIALS; the organization's token stays valid. Any other role gets one."""
    visitor = client(ask, role)
    token = visitor.organization_token()
    assert refusal(visitor.workspace(token)) == (403, ["BAD_CREDENTIALS"])
    for other in ("SUPER_ADMIN", "A_ROLE_TO_COME"):
        visitor.organization.role = other
        assert visitor.workspace(token).is_success


@pytest.mark.parametrize(("body", "status"), [({}, 200), ({"a": 1}, 400)])
def test_entering_accepts_no_body_or_an_empty_object(ask: Ask, body: object, status: int) -> None:
    """For an organization and for a workspace."""
    visitor = client(ask)
    into_organization = {"organizationuuid": visitor.organization.uuid}
    into_workspace = into_organization | {"clientuuid": visitor.organization.workspaces[0].uuid}
    for token, headers in (
        (visitor.login_token, into_organization),
        (visitor.organization_token, into_workspace),
    ):
        headers["x-auth-token"] = f"Bearer {token()}"
        assert visitor.post(REFRESH, body, **headers).status == status


def test_logout_ends_a_token(ask: Ask) -> None:
    """A second logout does not find it."""
    visitor = client(ask)
    token = visitor.organization_token()
    left = visitor.call("POST", "/v1/auth/logout", token)
    assert left.json() == {"success": True, "errors": [], "response": {}}
    assert refusal(visitor.current(token)) == (403, ["FORBIDDEN"])
    assert refusal(visitor.call("POST", "/v1/auth/logout", token)) == (401, ["TOKEN_NOT_FOUND"])
    assert refusal(visitor.call("POST", "/v1/auth/logout")) == (401, ["MISSING_TOKEN"])


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/clients", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/auth/refresh-token", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/v1/organizations", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/products", 404, "HANDLER_NOT_FOUND"),
        ("POST", "/auth/login", 404, "HANDLER_NOT_FOUND"),
    ],
)
def test_unknown_routes_are_refused_and_recorded(
    ask: Ask, method: str, path: str, status: int, code: str
) -> None:
    """In ``log.unknown``."""
    visitor = client(ask)
    assert refusal(visitor.call(method, path)) == (status, [code])
    assert visitor.fake.log.unknown == [f"{method} {path}"]


def test_data_set_by_a_test_needs_a_live_token(ask: Ask) -> None:
    """For the requests of a user's service."""
    visitor = client(ask)
    visitor.fake.data["GET", "/v1/products"] = {"totalCount": 1, "grid": [{"name": "Chair"}]}
    token = visitor.organization_token()
    assert visitor.call("GET", "/v1/products", token).json()["response"]["totalCount"] == 1
    assert refusal(visitor.call("GET", "/v1/products")) == (403, ["FORBIDDEN"])
    assert refusal(visitor.call("POST", "/v1/products", token)) == (405, ["METHOD_NOT_ALLOWED"])


def test_a_test_can_set_any_error_code(ask: Ask) -> None:
    """For a number of requests of a step, or until `heal`."""
    visitor = client(ask)
    visitor.fake.refuse("API_RATE_LIMIT_EXCEEDED", step="login", times=1)
    assert refusal(visitor.login()) == (403, ["API_RATE_LIMIT_EXCEEDED"])
    assert visitor.login().is_success
    visitor.fake.refuse("CLIENT_BLOCKED", status=401)
    assert [refusal(visitor.login()) for _ in range(2)] == [(401, ["CLIENT_BLOCKED"])] * 2
    visitor.fake.heal()
    assert visitor.login().is_success


def test_one_or_all_tokens_can_be_revoked(ask: Ask) -> None:
    """As by an administrator."""
    visitor = client(ask)
    token = visitor.organization_token()
    assert visitor.fake.revoke(token) == 1
    assert refusal(visitor.current(token)) == (403, ["FORBIDDEN"])
    assert visitor.fake.revoke() == 1  # the login token
    assert visitor.fake.revoke() == 0


def test_a_token_can_be_looked_up(ask: Ask) -> None:
    """Each lives thirty days."""
    visitor = client(ask)
    token = visitor.organization_token()
    used = visitor.current(token).json()["response"]
    assert (used["uuid"], used["status"]) == (visitor.organization.uuid, "ACTIVE")
    session, login = (visitor.fake.session(one) for one in (token, visitor.login_token()))
    assert session
    assert login
    assert session.named == "organization token of acme"
    assert session.expires_at == login.expires_at == NOW + 30 * 86_400
    assert visitor.fake.session("unknown") is None
    with pytest.raises(LookupError, match="a login token has entered no organization"):
        _ = login.entered


def test_neither_repr_nor_description_nor_log_has_a_secret(ask: Ask) -> None:
    """A key is masked under both of its names, and Basic credentials that VNTANA does not use."""
    visitor = client(ask)
    [account] = visitor.fake.accounts
    account.password, account.key = "password-canary", 'a"key-canary'
    visitor.login()
    for name in ("personal-access-token", "authenticationKey"):
        visitor.post(BY_KEY, {name: account.key})
    visitor.call("GET", "/v1/clients", authorization="Basic canary")
    logged = [entry.describe() for entry in visitor.fake.log]
    assert "canary" not in f"{account} {visitor.fake.describe()} {logged}"
