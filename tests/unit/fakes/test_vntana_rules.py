"""The fake enforces VNTANA's documented rules for its tokens."""

from collections.abc import Callable

import pytest

from tests.unit.fakes.entrances import Ask
from tests.unit.fakes.vntana_client import NOW, Client, client, listed, refusal, token_in
from token_broker.exchange import Response
from token_broker_fakes import Account, FakeVntana, Organization
from token_broker_fakes.vntana.accounts import Status

REFRESH = "/v1/auth/refresh-token"


def test_a_login_by_password_returns_a_token_in_the_header(ask: Ask) -> None:
    """It has no prefix, is opaque and long, no JWT, with characters to escape."""
    visitor = client(ask)
    response = visitor.login()
    token = token_in(response)

    assert response.json() == {
        "success": True,
        "errors": [],
        "response": {"email": "a@example.com"},
    }
    assert (len(token) > 60, "." in token, " " in token) == (True, False, False)
    assert {"/", "+", "="} <= set(token)
    assert len({token, *(visitor.login_token() for _ in range(20))}) == 21


def test_a_login_by_key_works_until_the_key_is_replaced(ask: Ask) -> None:
    visitor = client(ask)
    assert visitor.post("/v1/auth/login/token", {"personal-access-token": "key"}).is_success

    visitor.fake.accounts[0].key = "new"
    refused = visitor.post("/v1/auth/login/token", {"personal-access-token": "key"})
    assert refusal(refused) == (403, ["BAD_CREDENTIALS"])


WRONG = (403, ["BAD_CREDENTIALS"])
LOGIN, BY_KEY = "/v1/auth/login", "/v1/auth/login/token"


@pytest.mark.parametrize(
    ("path", "body", "headers", "outcome"),
    [
        (LOGIN, {"email": "a@example.com", "password": "wrong"}, {}, WRONG),
        (LOGIN, {"email": "b@example.com", "password": "pass"}, {}, WRONG),
        (BY_KEY, {"personal_access_token": "key"}, {}, WRONG),
        (LOGIN, {}, {"content-type": "text/plain"}, (403, ["UNSUPPORTED_MEDIA_TYPE"])),
        (LOGIN, {}, {"x-auth-token": "Bearer x"}, (400, ["BAD_REQUEST"])),
        (LOGIN, ["a@example.com"], {}, (400, ["BAD_REQUEST"])),
    ],
)
def test_a_login_with_a_malformed_request_is_refused(
    ask: Ask, path: str, body: object, headers: dict[str, str], outcome: object
) -> None:
    assert refusal(client(ask).post(path, body, **headers)) == outcome


def into(one: Client, token: str, **headers: str) -> Response:
    return one.call("POST", REFRESH, token, **headers)


def space(one: Client) -> str:
    return one.organization.workspaces[0].uuid


REFUSALS: dict[str, tuple[Callable[[Client], Response], str]] = {
    "a slug is no uuid": (lambda one: one.enter(one.login_token(), "acme"), "FORBIDDEN"),
    "no organization": (lambda one: into(one, one.login_token()), "MISSING_ORGANIZATION_UUID"),
    "a workspace's organization is named": (
        lambda one: one.workspace(one.organization_token(), names_both=False),
        "MISSING_ORGANIZATION_UUID",
    ),
    "an unknown workspace": (
        lambda one: into(
            one,
            one.organization_token(),
            clientuuid="chairs",
            organizationuuid=one.organization.uuid,
        ),
        "INVALID_CLIENT_UUID",
    ),
    "without Bearer": (lambda one: listed(one, prefix=""), "FORBIDDEN"),
    "with another word": (lambda one: listed(one, prefix="Token "), "FORBIDDEN"),
    "in another header": (lambda one: listed(one, header="authorization"), "FORBIDDEN"),
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


def test_the_log_masks_a_key_under_both_names(ask: Ask) -> None:
    visitor = client(ask)
    for name in ("personal-access-token", "authenticationKey"):
        visitor.post(BY_KEY, {name: 'my"secret'})
    assert "secret" not in str([entry.describe() for entry in visitor.fake.log])


def test_the_bearer_prefix_ignores_case(ask: Ask) -> None:
    assert listed(client(ask), prefix="bearer ").is_success


STATUSES: dict[Status, str] = {
    "DISABLED": "CLIENT_BLOCKED",
    "SUSPENDED": "SUBSCRIPTION_SUSPENDED",
    "SUBSCRIPTION_CANCELED": "SUBSCRIPTION_NOT_FOUND",
}


@pytest.mark.parametrize("status", STATUSES)
def test_an_inactive_organization_cannot_be_entered(ask: Ask, status: Status) -> None:
    """The error code does not concern the credentials."""
    visitor = client(ask)
    visitor.organization.status = status
    assert refusal(visitor.enter(visitor.login_token())) == (403, [STATUSES[status]])


def test_login_and_organization_tokens_list_organizations(ask: Ask) -> None:
    """Also an empty list. A name defaults to the slug."""
    visitor = client(ask)
    organizations = visitor.fake.accounts[0].organizations
    organizations.append(Organization("b", name="Other"))
    for token in (visitor.login_token(), visitor.organization_token()):
        found = visitor.call("GET", "/v1/organizations", token).json()["response"]
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
    empty = visitor.call("GET", "/v1/organizations", visitor.login_token()).json()
    assert empty == {"success": True, "errors": [], "response": {"totalCount": 0, "grid": []}}


def test_a_new_token_revokes_the_previous_one_of_the_same_scope(ask: Ask) -> None:
    """At once, and only that: of the same organization, or of the same workspace."""
    visitor = client(ask)
    login = visitor.login_token()
    first = token_in(visitor.enter(login))
    chairs = token_in(visitor.workspace(first, 0))
    tables = token_in(visitor.workspace(first, 1))
    new_chairs = token_in(visitor.workspace(first, 0))
    second = token_in(visitor.enter(login))
    tokens = (first, chairs, tables, new_chairs, second)
    lives = [visitor.current(token).is_success for token in tokens]
    assert lives == [False, False, True, True, True]


def test_tokens_of_other_accounts_are_not_revoked(ask: Ask) -> None:
    """Also within one organization."""
    visitor = client(ask)
    shared = visitor.organization
    visitor.fake.accounts.append(Account("b@example.com", "pass", "other", [shared]))
    token = visitor.organization_token()
    login = visitor.post("/v1/auth/login/token", {"personal-access-token": "other"})
    visitor.enter(token_in(login))

    assert visitor.current(token).is_success


@pytest.mark.parametrize("role", ["ORGANIZATION_OWNER", "ORGANIZATION_ADMIN"])
def test_roles_of_an_organization_get_no_workspace_token(ask: Ask, role: str) -> None:
    """BAD_CREDENTIALS; the organization's token stays valid. Any other role gets one."""
    visitor = client(ask, role)
    token = visitor.organization_token()
    assert refusal(visitor.workspace(token)) == (403, ["BAD_CREDENTIALS"])
    for other in ("SUPER_ADMIN", "A_ROLE_TO_COME"):
        visitor.organization.role = other
        assert visitor.workspace(token).is_success


def test_a_workspace_of_another_organization_is_refused(ask: Ask) -> None:
    """The organization in the header must be that of the token."""
    visitor = client(ask)
    token, uuid = visitor.organization_token(), space(visitor)
    visitor.fake.accounts[0].organizations.insert(0, Organization("b"))
    headers = {"organizationuuid": visitor.organization.uuid, "clientuuid": uuid}
    assert refusal(into(visitor, token, **headers)) == (403, ["FORBIDDEN"])


@pytest.mark.parametrize(("body", "status"), [({}, 200), ({"a": 1}, 400)])
def test_entering_accepts_no_body_or_an_empty_object(ask: Ask, body: object, status: int) -> None:
    """For an organization and for a workspace."""
    visitor = client(ask)
    headers = {"organizationuuid": visitor.organization.uuid}
    login = {"x-auth-token": f"Bearer {visitor.login_token()}"}
    assert visitor.post(REFRESH, body, **headers, **login).status == status

    headers["clientuuid"] = visitor.organization.workspaces[0].uuid
    entered = {"x-auth-token": f"Bearer {visitor.organization_token()}"}
    assert visitor.post(REFRESH, body, **headers, **entered).status == status


def test_tokens_live_thirty_days(ask: Ask) -> None:
    """To the second, by the fake's clock."""
    visitor = client(ask)
    token = visitor.organization_token()
    visitor.fake.advance(30 * 86_400 - 1)
    assert visitor.current(token).is_success
    visitor.fake.advance(1)
    assert refusal(visitor.current(token)) == (403, ["FORBIDDEN"])


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
    visitor = client(ask)
    token = visitor.organization_token()
    used = visitor.current(token).json()["response"]
    assert (used["uuid"], used["status"]) == (visitor.organization.uuid, "ACTIVE")
    session = visitor.fake.session(token)
    assert session is not None
    assert session.named == "organization token of acme"
    assert session.expires_at == NOW + 30 * 86_400
    assert visitor.fake.session("unknown") is None

    login = visitor.fake.session(visitor.login_token())
    assert login is not None
    with pytest.raises(LookupError, match="a login token has entered no organization"):
        _ = login.entered


def test_no_secret_in_a_repr() -> None:
    fake = FakeVntana()
    account = fake.accounts[0]
    assert account.password not in repr(account)
    assert account.key not in repr(account)
    assert account.key not in str(fake.describe())
    assert account.password not in str(fake.describe())
