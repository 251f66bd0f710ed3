"""What VNTANA documents of its tokens is enforced by the fake."""

import pytest

from tests.unit.fakes.entrances import Ask
from tests.unit.fakes.vntana_client import NOW, Client, client, token_in, told
from token_broker_fakes import Account, FakeVntana, Organization

REFRESH = "/v1/auth/refresh-token"


def test_password_logs_in(ask: Ask) -> None:
    """The token is in the header, without a prefix; the body has the e-mail."""
    response = client(ask).login()

    assert response.json() == {
        "success": True,
        "errors": [],
        "response": {"email": "a@example.com"},
    }
    assert not token_in(response).startswith("Bearer")


def test_key_logs_in_and_a_new_key_ends_the_old_one(ask: Ask) -> None:
    visitor = client(ask)
    assert visitor.post("/v1/auth/login/token", {"personal-access-token": "key"}).is_success

    visitor.fake.accounts[0].key = "new"
    refused = visitor.post("/v1/auth/login/token", {"personal-access-token": "key"})
    assert told(refused) == (403, ["BAD_CREDENTIALS"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/auth/login", {"email": "a@example.com", "password": "wrong"}),
        ("/v1/auth/login", {"email": "b@example.com", "password": "pass"}),
        ("/v1/auth/login", {}),
        ("/v1/auth/login/token", {"personal-access-token": "wrong"}),
        ("/v1/auth/login/token", {"personal_access_token": "key"}),
    ],
)
def test_wrong_credentials(ask: Ask, path: str, body: object) -> None:
    """A wrong or misspelt credential is BAD_CREDENTIALS."""
    assert told(client(ask).post(path, body)) == (403, ["BAD_CREDENTIALS"])


def test_login_takes_json_that_is_declared(ask: Ask) -> None:
    refused = client(ask).post("/v1/auth/login", {}, **{"content-type": "text/plain"})
    assert told(refused) == (403, ["UNSUPPORTED_MEDIA_TYPE"])


def test_login_takes_an_object(ask: Ask) -> None:
    assert told(client(ask).post("/v1/auth/login", ["a@example.com"])) == (400, ["BAD_REQUEST"])


def test_login_carries_no_token(ask: Ask) -> None:
    """A login with a token in its header is refused."""
    refused = client(ask).post("/v1/auth/login", {}, **{"x-auth-token": "Bearer x"})
    assert told(refused) == (400, ["BAD_REQUEST"])


def test_tokens_are_opaque_long_and_hard_to_escape(ask: Ask) -> None:
    """They are longer than 60 characters, hold slash, plus and equals signs, and are no JWT."""
    visitor = client(ask)
    tokens = {visitor.login_token() for _ in range(20)}

    assert len(tokens) == 20
    assert all(len(token) > 60 and {"/", "+", "="} <= set(token) for token in tokens)
    assert not any("." in token for token in tokens)


def test_login_token_lists_organizations(ask: Ask) -> None:
    visitor = client(ask)
    listed = visitor.call("GET", "/v1/organizations", visitor.login_token()).json()["response"]

    assert listed["totalCount"] == 1
    row = listed["grid"][0]
    assert row["uuid"] == visitor.organization.uuid
    assert (row["slug"], row["role"]) == ("acme", "ORGANIZATION_CLIENT_MEMBER")
    assert row["created"] == "2020-01-31T19:17:23.972"
    assert row["imageBlobId"] == ""


def test_names_are_made_of_slugs_unless_they_are_given(ask: Ask) -> None:
    visitor = client(ask)
    visitor.fake.accounts[0].organizations.append(Organization("b", name="Acme"))
    rows = visitor.call("GET", "/v1/organizations", visitor.login_token()).json()["response"]
    assert [row["name"] for row in rows["grid"]] == ["Acme", "Acme"]


def test_organization_token_lists_organizations_too(ask: Ask) -> None:
    visitor = client(ask)
    assert visitor.call("GET", "/v1/organizations", visitor.organization_token()).is_success


def test_no_organization_is_a_legal_answer(ask: Ask) -> None:
    """An account without organizations sees an empty list, successfully."""
    visitor = Client(FakeVntana([Account()]), ask)
    listed = visitor.call("GET", "/v1/organizations", visitor.login_token()).json()
    assert listed == {"success": True, "errors": [], "response": {"totalCount": 0, "grid": []}}


@pytest.mark.parametrize("path", ["/v1/clients/client-organizations", "/v1/organizations/current"])
def test_login_token_does_nothing_else(ask: Ask, path: str) -> None:
    """A login token can list organizations and enter one, and that is all."""
    visitor = client(ask)
    assert told(visitor.call("GET", path, visitor.login_token())) == (403, ["FORBIDDEN"])


def test_login_token_enters_no_workspace(ask: Ask) -> None:
    visitor = client(ask)
    assert told(visitor.workspace(visitor.login_token())) == (403, ["FORBIDDEN"])


def test_organization_is_entered_by_its_uuid(ask: Ask) -> None:
    visitor = client(ask)
    used = visitor.current(visitor.organization_token()).json()["response"]
    assert (used["uuid"], used["status"]) == (visitor.organization.uuid, "ACTIVE")


def test_organization_token_enters_no_organization(ask: Ask) -> None:
    """The organization step wants the login's token."""
    visitor = client(ask)
    assert told(visitor.enter(visitor.organization_token())) == (403, ["FORBIDDEN"])


def test_organization_must_be_named(ask: Ask) -> None:
    visitor = client(ask)
    refused = visitor.call("POST", REFRESH, visitor.login_token())
    assert told(refused) == (403, ["MISSING_ORGANIZATION_UUID"])


def test_organization_of_others_is_forbidden(ask: Ask) -> None:
    """A slug is no uuid, and an organization that the account does not see is no other's."""
    visitor = client(ask)
    assert told(visitor.enter(visitor.login_token(), "acme")) == (403, ["FORBIDDEN"])


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("DISABLED", "CLIENT_BLOCKED"),
        ("SUSPENDED", "SUBSCRIPTION_SUSPENDED"),
        ("SUBSCRIPTION_CANCELED", "SUBSCRIPTION_NOT_FOUND"),
    ],
)
def test_organization_that_is_not_active(ask: Ask, status: str, code: str) -> None:
    """Entering it is refused by a code that is not about credentials."""
    visitor = client(ask)
    visitor.organization.status = status  # type: ignore[assignment]  # parametrized texts
    assert told(visitor.enter(visitor.login_token())) == (403, [code])


def test_new_organization_token_revokes_the_one_before(ask: Ask) -> None:
    """At once, and only that: the login token and the workspaces' go on."""
    visitor = client(ask)
    login = visitor.login_token()
    first = token_in(visitor.enter(login))
    workspace = token_in(visitor.workspace(first))
    second = token_in(visitor.enter(login))

    assert told(visitor.current(first)) == (403, ["FORBIDDEN"])
    assert visitor.current(second).is_success
    assert visitor.current(workspace).is_success


def test_new_workspace_token_revokes_the_one_before(ask: Ask) -> None:
    """Only the same workspace's: another one's, and the organization's, go on."""
    visitor = client(ask)
    organization = visitor.organization_token()
    chairs = token_in(visitor.workspace(organization, 0))
    tables = token_in(visitor.workspace(organization, 1))
    visitor.workspace(organization, 0)

    assert told(visitor.current(chairs)) == (403, ["FORBIDDEN"])
    assert visitor.current(tables).is_success
    assert visitor.current(organization).is_success


def test_other_accounts_tokens_are_their_own(ask: Ask) -> None:
    """Two users in one organization do not revoke each other's tokens."""
    visitor = client(ask)
    shared = visitor.organization
    visitor.fake.accounts.append(Account("b@example.com", "pass", "other", [shared]))
    mine = visitor.organization_token()
    login = visitor.post("/v1/auth/login/token", {"personal-access-token": "other"})
    visitor.enter(token_in(login))

    assert visitor.current(mine).is_success


@pytest.mark.parametrize("role", ["ORGANIZATION_OWNER", "ORGANIZATION_ADMIN"])
def test_organization_roles_get_no_workspace_token(ask: Ask, role: str) -> None:
    """BAD_CREDENTIALS, and the organization's token goes on."""
    visitor = client(ask, role)
    token = visitor.organization_token()

    assert told(visitor.workspace(token)) == (403, ["BAD_CREDENTIALS"])
    assert visitor.current(token).is_success


@pytest.mark.parametrize("role", ["SUPER_ADMIN", "CLIENT_ORGANIZATION_VIEWER", "A_ROLE_TO_COME"])
def test_other_roles_get_one(ask: Ask, role: str) -> None:
    """The list of roles is open: what is not the organization's gets a workspace's token."""
    visitor = client(ask, role)
    assert visitor.workspace(visitor.organization_token()).is_success


def test_workspaces_are_listed_with_the_organizations_token(ask: Ask) -> None:
    visitor = client(ask)
    token = visitor.organization_token()
    listed = visitor.call("GET", "/v1/clients/client-organizations", token).json()["response"]
    assert [row["slug"] for row in listed["grid"]] == ["chairs", "tables"]


def test_workspace_that_is_not_there(ask: Ask) -> None:
    visitor = client(ask)
    headers = {"organizationuuid": visitor.organization.uuid, "clientuuid": "chairs"}
    refused = visitor.call("POST", REFRESH, visitor.organization_token(), **headers)
    assert told(refused) == (403, ["INVALID_CLIENT_UUID"])


def test_workspace_needs_its_organization_named(ask: Ask) -> None:
    visitor = client(ask)
    uuid = visitor.organization.workspaces[0].uuid
    refused = visitor.call("POST", REFRESH, visitor.organization_token(), clientuuid=uuid)
    assert told(refused) == (403, ["MISSING_ORGANIZATION_UUID"])


def test_workspace_of_another_organization(ask: Ask) -> None:
    """The organization that is named must be the one that was entered."""
    visitor = client(ask)
    token = visitor.organization_token()
    visitor.fake.accounts[0].organizations.insert(0, Organization("b"))
    uuid = visitor.fake.accounts[0].organizations[1].workspaces[0].uuid
    headers = {"organizationuuid": visitor.organization.uuid, "clientuuid": uuid}
    assert told(visitor.call("POST", REFRESH, token, **headers)) == (403, ["FORBIDDEN"])


@pytest.mark.parametrize(("body", "status"), [({}, 200), ({"a": 1}, 400)])
def test_entering_takes_no_body_or_an_empty_object(ask: Ask, body: object, status: int) -> None:
    """Neither an organization nor a workspace."""
    visitor = client(ask)
    headers = {"organizationuuid": visitor.organization.uuid}
    login = {"x-auth-token": f"Bearer {visitor.login_token()}"}
    assert visitor.post(REFRESH, body, **headers, **login).status == status

    headers["clientuuid"] = visitor.organization.workspaces[0].uuid
    entered = {"x-auth-token": f"Bearer {visitor.organization_token()}"}
    assert visitor.post(REFRESH, body, **headers, **entered).status == status


@pytest.mark.parametrize("prefix", ["", "Token "])
def test_token_is_sent_with_bearer(ask: Ask, prefix: str) -> None:
    visitor = client(ask)
    token = visitor.organization_token()
    visitor.prefix = prefix
    assert told(visitor.current(token)) == (403, ["FORBIDDEN"])


def test_bearer_has_no_case(ask: Ask) -> None:
    visitor = client(ask)
    token = visitor.organization_token()
    visitor.prefix = "bearer "
    assert visitor.current(token).is_success


def test_authorization_header_is_not_read(ask: Ask) -> None:
    visitor = client(ask)
    token = visitor.organization_token()
    visitor.header = "authorization"
    assert told(visitor.current(token)) == (403, ["FORBIDDEN"])


def test_tokens_live_thirty_days(ask: Ask) -> None:
    """To the second, by the fake's clock; nothing but the clock tells."""
    visitor = client(ask)
    token = visitor.organization_token()
    visitor.fake.advance(30 * 86_400 - 1)
    assert visitor.current(token).is_success
    visitor.fake.advance(1)
    assert told(visitor.current(token)) == (403, ["FORBIDDEN"])


def test_logout_ends_a_token(ask: Ask) -> None:
    """Once; a second logout does not find it."""
    visitor = client(ask)
    token = visitor.organization_token()
    left = visitor.call("POST", "/v1/auth/logout", token)

    assert left.json() == {"success": True, "errors": [], "response": {}}
    assert told(visitor.current(token)) == (403, ["FORBIDDEN"])
    assert told(visitor.call("POST", "/v1/auth/logout", token)) == (401, ["TOKEN_NOT_FOUND"])


def test_logout_without_a_token(ask: Ask) -> None:
    assert told(client(ask).call("POST", "/v1/auth/logout")) == (401, ["MISSING_TOKEN"])


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
def test_routes_that_are_not_there(
    ask: Ask, method: str, path: str, status: int, code: str
) -> None:
    """They fail, and are kept in a list that a test can look at."""
    visitor = client(ask)
    assert told(visitor.call(method, path)) == (status, [code])
    assert visitor.fake.log.unknown == [f"{method} {path}"]


def test_data_that_a_test_brings_is_behind_the_token(ask: Ask) -> None:
    """What a user's service reads can be added, and needs a live token."""
    visitor = client(ask)
    visitor.fake.data["GET", "/v1/products"] = {"totalCount": 1, "grid": [{"name": "Chair"}]}
    token = visitor.organization_token()

    assert visitor.call("GET", "/v1/products", token).json()["response"]["totalCount"] == 1
    assert told(visitor.call("GET", "/v1/products")) == (403, ["FORBIDDEN"])
    assert told(visitor.call("POST", "/v1/products", token)) == (405, ["METHOD_NOT_ALLOWED"])


def test_refusals_by_code(ask: Ask) -> None:
    """Any code can be had, for some requests of a step or until it is healed."""
    visitor = client(ask)
    visitor.fake.refuse("API_RATE_LIMIT_EXCEEDED", step="login", times=1)
    assert told(visitor.login()) == (403, ["API_RATE_LIMIT_EXCEEDED"])
    assert visitor.login().is_success

    visitor.fake.refuse("CLIENT_BLOCKED", status=401)
    assert [told(visitor.login()) for _ in range(2)] == [(401, ["CLIENT_BLOCKED"])] * 2
    visitor.fake.heal()
    assert visitor.login().is_success


def test_tokens_can_be_revoked_by_hand(ask: Ask) -> None:
    """One or all, as when an administrator ends sessions."""
    visitor = client(ask)
    token = visitor.organization_token()
    assert visitor.fake.revoke(token) == 1
    assert told(visitor.current(token)) == (403, ["FORBIDDEN"])
    assert visitor.fake.revoke() == 1  # the login token
    assert visitor.fake.revoke() == 0


def test_a_token_can_be_asked_what_it_is(ask: Ask) -> None:
    visitor = client(ask)
    session = visitor.fake.session(visitor.organization_token())
    assert session is not None
    assert session.named == "organization token of acme"
    assert session.expires_at == NOW + 30 * 86_400
    assert visitor.fake.session("unknown") is None

    login = visitor.fake.session(visitor.login_token())
    assert login is not None
    with pytest.raises(LookupError, match="a login token has entered no organization"):
        _ = login.entered


def test_demo_secret_logs_in(ask: Ask) -> None:
    """What the demo's connection holds is what the fake knows by default."""
    secret = FakeVntana.demo_secret("http://127.0.0.1:8082")
    visitor = Client(FakeVntana(), ask)
    body = {"personal-access-token": secret["personal_access_token"]}

    assert visitor.post("/v1/auth/login/token", body).is_success
    assert secret["organization"] == visitor.organization.slug
    assert secret["base_url"] == "http://127.0.0.1:8082"


def test_no_secret_in_a_repr() -> None:
    fake = FakeVntana()
    account = fake.accounts[0]
    assert account.password not in repr(account)
    assert account.key not in repr(account)
    assert account.key not in str(fake.describe())
    assert account.password not in str(fake.describe())
