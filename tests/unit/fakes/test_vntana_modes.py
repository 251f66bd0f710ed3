"""Each contradiction in what VNTANA and its clients say is a mode of the fake."""

from typing import Any

import pytest

from tests.unit.fakes.entrances import Ask
from tests.unit.fakes.played import Played
from tests.unit.fakes.vntana_client import NOW, Client, account, client, token_in, told
from token_broker.exchange import Response
from token_broker_fakes import Account, Organization, VntanaModes, Workspace

plays = Played(VntanaModes)


def unauthorized(response: Response) -> bool:
    """Say whether this is the 401 of the framework, which has no envelope."""
    body = response.json()
    return (response.status, body["status"], body["error"]) == (401, 401, "Unauthorized")


@plays("token_place", "body", "both", "session")
@pytest.mark.parametrize(
    ("place", "where"),
    [("body", ["token"]), ("both", ["token"]), ("session", ["session", "accessToken"])],
)
def test_token_in_the_body(ask: Ask, place: str, where: list[str]) -> None:
    """``both`` has it in the header as well."""
    visitor = client(ask, token_place=place)
    response = visitor.login()
    value = response.json()["response"]
    for name in where:
        value = value[name]

    assert visitor.fake.session(value)
    assert ("x-auth-token" in response.headers) == (place == "both")


@plays("token_header", "x-auth-token", "X-Auth-Token")
@pytest.mark.parametrize("name", ["x-auth-token", "X-AUTH-TOKEN", "X-Auth-Token"])
def test_token_header_in_any_case(ask: Ask, name: str) -> None:
    """The name is written as the mode says, and means the same."""
    visitor = client(ask, token_header=name)
    assert visitor.fake.session(token_in(visitor.login()))


@plays("token_prefix", "Bearer", "bearer")
@pytest.mark.parametrize("prefix", ["Bearer", "bearer"])
def test_token_that_comes_with_a_prefix(ask: Ask, prefix: str) -> None:
    visitor = client(ask, token_prefix=prefix)
    scheme, token = token_in(visitor.login()).split(" ")
    assert scheme == prefix
    assert visitor.fake.session(token)


@plays("request_prefix", "none", "either")
@pytest.mark.parametrize(
    ("mode", "sent", "accepted"),
    [
        ("none", "", True),
        ("none", "Bearer ", False),
        ("either", "", True),
        ("either", "Bearer ", True),
    ],
)
def test_prefix_that_is_sent(ask: Ask, mode: str, sent: str, accepted: bool) -> None:
    visitor = client(ask, request_prefix=mode)
    visitor.prefix = sent
    listed = visitor.call("GET", "/v1/organizations", visitor.login_token())
    assert listed.is_success == accepted


@plays("request_header", "authorization", "either")
@pytest.mark.parametrize(
    ("mode", "sent", "accepted"),
    [
        ("authorization", "authorization", True),
        ("authorization", "x-auth-token", False),
        ("either", "authorization", True),
        ("either", "x-auth-token", True),
    ],
)
def test_header_that_is_sent(ask: Ask, mode: str, sent: str, accepted: bool) -> None:
    visitor = client(ask, request_header=mode)
    visitor.header = sent
    listed = visitor.call("GET", "/v1/organizations", visitor.login_token())
    assert listed.is_success == accepted


@plays("refresh_method", "GET", "either")
@pytest.mark.parametrize(
    ("mode", "methods"), [("POST", {"POST"}), ("GET", {"GET"}), ("either", {"GET", "POST"})]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_method_of_refresh_token(ask: Ask, mode: str, methods: set[str], method: str) -> None:
    """The official demo uses GET, everybody else POST."""
    visitor = client(ask, refresh_method=mode)
    headers = {"organizationuuid": visitor.organization.uuid}
    entered = visitor.call(method, "/v1/auth/refresh-token", visitor.login_token(), **headers)
    assert entered.status == (200 if method in methods else 405)


@plays("workspace_headers", "client", "either")
@pytest.mark.parametrize(
    ("mode", "with_organization", "accepted"),
    [
        ("client", False, True),
        ("client", True, False),
        ("either", False, True),
        ("either", True, True),
    ],
)
def test_headers_of_the_workspace_step(
    ask: Ask, mode: str, with_organization: bool, accepted: bool
) -> None:
    """The official demo sends the workspace's uuid only."""
    visitor = client(ask, workspace_headers=mode)
    headers = {"clientuuid": visitor.organization.workspaces[0].uuid}
    if with_organization:
        headers["organizationuuid"] = visitor.organization.uuid
    token = visitor.organization_token()
    assert visitor.call("POST", "/v1/auth/refresh-token", token, **headers).is_success == accepted


@plays("wrong_password", "401")
def test_wrong_password_as_401(ask: Ask) -> None:
    """Its body is the framework's, not the envelope."""
    visitor = client(ask, wrong_password="401")
    assert unauthorized(visitor.post("/v1/auth/login", {"email": "a@example.com"}))
    assert unauthorized(visitor.post("/v1/auth/login/token", {}))


@plays("dead_token", "401", "403_bad_credentials")
def test_dead_token(ask: Ask) -> None:
    visitor = client(ask, dead_token="401")
    assert unauthorized(visitor.current("dead"))
    visitor.fake.modes.dead_token = "403_bad_credentials"
    assert told(visitor.current("dead")) == (403, ["BAD_CREDENTIALS"])


@plays("failure_status", "200")
@pytest.mark.parametrize("modes", [{}, {"wrong_password": "401"}])
def test_failure_with_status_200(ask: Ask, modes: dict[str, Any]) -> None:
    """The envelope says that it is none."""
    visitor = client(ask, failure_status="200", **modes)
    status, codes = told(visitor.post("/v1/auth/login", {}))
    assert (status, len(codes)) == (200, 1)


@plays("success_errors", "object", "absent")
def test_errors_of_a_success(ask: Ask) -> None:
    visitor = client(ask, success_errors="object")
    assert visitor.login().json()["errors"] == {}
    visitor.fake.modes.success_errors = "absent"
    assert "errors" not in visitor.login().json()


@plays("failure_errors", "objects")
def test_errors_as_objects(ask: Ask) -> None:
    visitor = client(ask, failure_errors="objects")
    error = {"code": "BAD_CREDENTIALS", "message": "BAD_CREDENTIALS"}
    assert told(visitor.post("/v1/auth/login", {})) == (403, [error])


@plays("failure_body", "null")
def test_response_of_a_failure(ask: Ask) -> None:
    visitor = client(ask)
    assert "response" not in visitor.post("/v1/auth/login", {}).json()
    visitor.fake.modes.failure_body = "null"
    assert visitor.post("/v1/auth/login", {}).json()["response"] is None


@plays("key_login", "refused")
def test_key_that_is_for_plug_ins_only(ask: Ask) -> None:
    visitor = client(ask, key_login="refused")
    refused = visitor.post("/v1/auth/login/token", {"personal-access-token": "key"})
    assert told(refused) == (403, ["BAD_CREDENTIALS"])


@plays("key_field", "authenticationKey")
def test_key_by_its_older_name(ask: Ask) -> None:
    visitor = client(ask, key_field="authenticationKey")
    assert visitor.post("/v1/auth/login/token", {"authenticationKey": "key"}).is_success
    assert not visitor.post("/v1/auth/login/token", {"personal-access-token": "key"}).is_success


@plays("session", "millis", "micros", "seconds", "zulu", "past", "text", "null", "number")
@pytest.mark.parametrize(
    ("form", "expiration"),
    [
        ("millis", "2026-10-21T14:13:20.000"),
        ("micros", "2026-10-21T14:13:20.000000"),
        ("seconds", "2026-10-21T14:13:20"),
        ("zulu", "2026-10-21T14:13:20.000Z"),
        ("past", "2026-09-21T13:13:20.000"),
        ("text", "in a month"),
        ("null", None),
        ("number", NOW + 30 * 86_400),
    ],
)
def test_expiration_of_the_session(ask: Ask, form: str, expiration: object) -> None:
    """The body may tell the end, in any of these forms."""
    session = client(ask, session=form).login().json()["response"]["session"]
    assert session["expiration"] == expiration


def test_no_session_by_default(ask: Ask) -> None:
    assert client(ask).login().json()["response"].keys() == {"email"}


def listed(visitor: Client) -> dict[str, Any]:
    """Return the list of workspaces."""
    token = visitor.organization_token()
    answer = visitor.call("GET", "/v1/clients/client-organizations", token)
    rows: dict[str, Any] = answer.json()["response"]
    return rows


@plays("grid", "incomplete", "empty")
def test_grid(ask: Ask) -> None:
    """A list may be shorter than it says, or empty."""
    visitor = client(ask, grid="incomplete")
    rows = listed(visitor)
    assert (rows["totalCount"], [row["slug"] for row in rows["grid"]]) == (2, ["chairs"])
    visitor.fake.modes.grid = "empty"
    assert listed(visitor) == {"totalCount": 0, "grid": []}


@plays("workspaces", "forbidden")
def test_workspaces_that_may_not_be_listed(ask: Ask) -> None:
    visitor = client(ask, workspaces="forbidden")
    token = visitor.organization_token()
    refused = visitor.call("GET", "/v1/clients/client-organizations", token)
    assert told(refused) == (403, ["FORBIDDEN"])


@plays("created", "micros", "seconds")
@pytest.mark.parametrize(
    ("form", "created"),
    [("micros", "2020-01-31T19:17:23.972311"), ("seconds", "2020-01-31T19:17:23")],
)
def test_created(ask: Ask, form: str, created: str) -> None:
    """Six decimals, three or none, and never a zone."""
    assert listed(client(ask, created=form))["grid"][0]["created"] == created


@plays("single_session", "family", "off")
@pytest.mark.parametrize(
    ("mode", "organization_lives", "workspace_lives"),
    [("same", False, True), ("family", False, False), ("off", True, True)],
)
def test_what_a_new_token_revokes(
    ask: Ask, mode: str, organization_lives: bool, workspace_lives: bool
) -> None:
    visitor = client(ask, single_session=mode)
    organization = visitor.organization_token()
    workspace = token_in(visitor.workspace(organization))
    visitor.organization_token()

    assert visitor.current(organization).is_success == organization_lives
    assert visitor.current(workspace).is_success == workspace_lives


def test_family_is_the_accounts_and_the_organizations_own(ask: Ask) -> None:
    """Workspaces of another organization, or of another user, are none of it."""
    visitor = client(ask, single_session="family")
    second = Organization("second", "CLIENT_ORGANIZATION_VIEWER", [Workspace("sofas")])
    visitor.fake.accounts[0].organizations.append(second)
    other = account()
    visitor.fake.accounts.append(Account("b@example.com", "pass", "b", other.organizations))
    elsewhere = visitor.fake.issue("second", "sofas")
    visitor.fake.accounts.reverse()
    of_another = visitor.fake.issue("acme", "chairs")
    visitor.fake.accounts.reverse()
    visitor.organization_token()
    for issued in (elsewhere, of_another):
        assert visitor.current(issued["headers"]["X-AUTH-TOKEN"].split()[1]).is_success


@plays("login_token", "spent")
def test_login_token_that_enters_once(ask: Ask) -> None:
    visitor = client(ask, login_token="spent")
    login = visitor.login_token()
    assert visitor.enter(login).is_success
    assert told(visitor.enter(login)) == (403, ["FORBIDDEN"])


@plays("logins", "one")
def test_login_that_ends_the_login_before(ask: Ask) -> None:
    visitor = client(ask, logins="one")
    first = visitor.login_token()
    visitor.login_token()
    assert told(visitor.enter(first)) == (403, ["FORBIDDEN"])


@plays("other_answers", "decoy")
def test_token_header_where_none_is_handed_out(ask: Ask) -> None:
    """A caller that takes it has a token that does not work."""
    visitor = client(ask, other_answers="decoy")
    token = visitor.organization_token()
    paths = ["organizations", "organizations/current", "clients/client-organizations"]
    decoys = {token_in(visitor.call("GET", f"/v1/{path}", token)) for path in paths}

    assert len(decoys) == 1
    assert told(visitor.current(decoys.pop())) == (403, ["FORBIDDEN"])
    assert visitor.current(token).is_success


@plays("super_admin", "forbidden")
def test_super_admin(ask: Ask) -> None:
    visitor = client(ask, "SUPER_ADMIN", super_admin="forbidden")
    assert told(visitor.enter(visitor.login_token())) == (403, ["FORBIDDEN"])


@plays("lockout")
@pytest.mark.parametrize("times", [1, 2])
def test_lockout(ask: Ask, times: int) -> None:
    """So many wrong passwords in a row block even the right one; a right one begins anew."""
    visitor = client(ask, lockout=times)

    def fail(times: int) -> None:
        for _ in range(times):
            visitor.post("/v1/auth/login", {"email": "a@example.com", "password": "wrong"})

    for _ in range(2):
        fail(times - 1)
        assert visitor.login().is_success
    fail(times)
    assert told(visitor.login()) == (403, ["CLIENT_BLOCKED"])


@plays("lifetime")
@plays("login_lifetime")
def test_lifetimes(ask: Ask) -> None:
    """Of the login's token, and of those that are used."""
    visitor = client(ask, login_lifetime=10, lifetime=20)
    login = visitor.login_token()
    token = token_in(visitor.enter(login))
    visitor.fake.advance(10)
    assert not visitor.enter(login).is_success
    assert visitor.current(token).is_success
    visitor.fake.advance(10)
    assert not visitor.current(token).is_success


def test_each_mode_is_played() -> None:
    """No mode and no value of one is without a test here."""
    assert plays.left() == set()
