"""The fake enforces Vendorlink's documented rules for its tokens."""

import base64
import json
from typing import Any

import pytest

from tests.unit.fakes.entrances import Ask
from tests.unit.fakes.vendorlink_client import HOST, NOW, client
from token_broker.errors import UpstreamUnavailable
from token_broker.exchange import Request
from token_broker_fakes import FakeVendorlink, User


def claims(pair: dict[str, str]) -> dict[str, Any]:
    """Return the claims of an access token."""
    payload = pair["accessToken"].split(".")[1]
    members: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return members


def test_login_returns_tokens_user_and_host(ask: Ask) -> None:
    """With quotes, backslashes and umlauts in the password."""
    response = client(ask).login()
    answer = response.json()
    assert response.status == 200
    assert answer.keys() == {"userId", "displayName", "accessToken", "renewalToken", "hostname"}
    assert (answer["userId"], answer["displayName"]) == (7, "Ä. User")
    assert answer["hostname"] == HOST


def test_the_access_token_is_a_jwt_of_sixty_minutes(ask: Ask) -> None:
    """Its ``nbf`` is five minutes early, so that it spans 65; there is no ``iat``."""
    pair = client(ask).login().json()
    header, _, signature = pair["accessToken"].split(".")
    members = claims(pair)

    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"typ": "JWT", "alg": "HS256"}
    assert len(base64.urlsafe_b64decode(signature + "=")) == 32
    assert (members["exp"], members["nbf"]) == (NOW + 3600, NOW - 300)
    assert members.keys() == {"sid", "iss", "exp", "nbf"}


def test_the_renewal_token_is_48_bytes_in_base64(ask: Ask) -> None:
    """With characters that a client may wrongly escape."""
    token = client(ask).login().json()["renewalToken"]
    assert (len(token), len(base64.b64decode(token))) == (64, 48)
    assert {"/", "+"} <= set(token)


@pytest.mark.parametrize("body", [None, [], {"u": "user"}, {"u": "user", "p": "wrong"}])
def test_a_wrong_login_gets_200_with_an_empty_body(ask: Ask, body: object) -> None:
    """The vendor's own clients read it as a failed login."""
    refused = client(ask).call("POST", "auth/login", body)
    assert (refused.status, refused.content) == (200, b"")
    assert client(ask).login(**{"content-type": "text/plain"}).content == b""


def test_an_access_token_needs_the_bearer_prefix(ask: Ask) -> None:
    """Without it, as in one of the vendor's clients, the token is refused."""
    visitor = client(ask)
    token = visitor.login().json()["accessToken"]
    used = visitor.call("GET", "Queries/List", authorization=f"Bearer {token}").json()

    assert used["hasErrors"] is False
    assert visitor.call("GET", "Queries/List", authorization=token).status == 401
    assert visitor.call("GET", "Queries/List").status == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "Queries/List"),
        ("GET", "Queries/Execute?id=1"),
        ("GET", "generic/execute"),
        ("POST", "generic/execute"),
        ("POST", "Contracts/Contracts"),
        ("POST", "contracts/obligations"),
        ("POST", "ContractObligations/ContractObligations"),
    ],
)
def test_documented_data_calls_need_a_live_token(ask: Ask, method: str, path: str) -> None:
    """The response has the documented envelope."""
    visitor = client(ask)
    bearer = f"Bearer {visitor.login().json()['accessToken']}"
    assert visitor.call(method, path, {}, authorization=bearer).json()["messages"] == []
    assert visitor.call(method, path, {}).status == 401


def test_a_token_is_valid_at_its_host_only(ask: Ask) -> None:
    visitor = client(ask)
    assert visitor.data(visitor.login().json(), "app2.vendorlink.nl").status == 401


@pytest.mark.parametrize(("later", "status"), [(3599, 200), (3600, 401)])
def test_a_live_or_expired_access_token_can_be_extended(ask: Ask, later: int, status: int) -> None:
    """Both tokens are replaced within the session; the response names no host."""
    visitor = client(ask)
    pair = visitor.login().json()
    visitor.fake.advance(later)
    assert visitor.data(pair).status == status
    response = visitor.extend(pair)
    extended = response.json()

    assert response.status == 200
    assert extended.keys() == {"userId", "displayName", "accessToken", "renewalToken"}
    assert extended["accessToken"] != pair["accessToken"]
    assert extended["renewalToken"] != pair["renewalToken"]
    assert claims(extended)["sid"] == claims(pair)["sid"] != claims(visitor.login().json())["sid"]
    assert visitor.data(extended).is_success


def test_a_renewal_token_can_be_used_once(ask: Ask) -> None:
    """A second use is refused and recorded, even if the first response was lost."""
    visitor = client(ask)
    pair = visitor.login().json()
    visitor.fake.fail("drop", step="extend")
    with pytest.raises(UpstreamUnavailable):
        visitor.extend(pair)
    assert visitor.fake.reused == []

    assert visitor.extend(pair).status == 401
    assert visitor.fake.reused == [pair["renewalToken"]]
    assert visitor.fake.log[-1].led_to == "renewal token reused"


def test_a_renewal_token_lives_fourteen_days(ask: Ask) -> None:
    visitor = client(ask)
    early, late = visitor.login().json(), visitor.login().json()
    visitor.fake.advance(14 * 86_400 - 1)
    assert visitor.extend(early).is_success
    visitor.fake.advance(1)
    assert visitor.extend(late).status == 401


def test_an_extension_needs_the_access_token_of_the_same_login(ask: Ask) -> None:
    visitor = client(ask)
    one, other = visitor.login().json(), visitor.login().json()
    mixed = one | {"accessToken": other["accessToken"]}
    assert visitor.extend(mixed).status == 401
    assert visitor.extend(one, authorization="Bearer").status == 401
    assert visitor.extend(one | {"renewalToken": "unknown"}).status == 401
    assert visitor.extend(one).is_success


def test_a_login_can_be_redirected_to_another_host(ask: Ask) -> None:
    """By a 200 whose body has nothing but the host."""
    visitor = client(ask)
    visitor.fake.leads[HOST] = "app2.vendorlink.nl"
    assert visitor.login().json() == {"hostname": "app2.vendorlink.nl"}
    assert visitor.wrong_login().content == b""
    assert visitor.login("app2.vendorlink.nl").json()["hostname"] == "app2.vendorlink.nl"


@pytest.mark.parametrize(
    ("host", "is_breach"),
    [
        (HOST, False),
        ("127.0.0.1:8083", False),
        ("app.vendorlink.nl.example.com", True),
        ("xvendorlink.nl", True),
    ],
)
def test_credentials_sent_to_an_unknown_host_are_a_breach(
    ask: Ask, host: str, is_breach: bool
) -> None:
    visitor = client(ask)
    visitor.login(host)
    assert visitor.fake.log.breaches == ([f"credentials were sent to {host}"] if is_breach else [])


@pytest.mark.parametrize(
    ("url", "is_breach"),
    [("http://app.vendorlink.nl", True), ("http://127.0.0.1:80", False), ("https://x.nl", False)],
)
def test_credentials_sent_over_http_to_another_machine_are_a_breach(
    url: str, is_breach: bool
) -> None:
    """Only by call: a served fake is on loopback."""
    fake = FakeVendorlink()
    fake(Request("GET", url + "/API/Queries/List", "test"))
    assert fake.log.breaches == (["GET /API/Queries/List over http"] if is_breach else [])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "auth/login", 405), ("POST", "Queries/List", 405), ("GET", "auth/logout", 404)],
)
def test_unknown_routes_are_refused_and_recorded(
    ask: Ask, method: str, path: str, status: int
) -> None:
    """In ``log.unknown``."""
    visitor = client(ask)
    assert visitor.call(method, path).status == status
    assert visitor.fake.log.unknown == [f"{method} /API/{path}"]


def test_data_set_by_a_test_needs_a_live_token(ask: Ask) -> None:
    visitor = client(ask)
    visitor.fake.data["GET", "/api/suppliers"] = {"data": [{"name": "Ikea"}]}
    bearer = f"Bearer {visitor.login().json()['accessToken']}"
    got = visitor.call("GET", "Suppliers", authorization=bearer)
    assert got.json() == {"data": [{"name": "Ikea"}]}


def test_one_or_all_sessions_can_be_revoked(ask: Ask) -> None:
    """Their tokens can be neither used nor extended afterwards."""
    visitor = client(ask)
    pair, other = visitor.login().json(), visitor.login().json()
    assert visitor.fake.revoke(pair["accessToken"]) == 1
    assert visitor.data(pair).status == 401
    assert visitor.extend(pair).status == 401
    assert visitor.data(other).is_success
    assert (visitor.fake.revoke(), visitor.fake.revoke()) == (1, 0)


@pytest.mark.parametrize(
    ("host_or_url", "host", "more"),
    [
        (HOST, HOST, {}),
        (
            "http://127.0.0.1:8083",
            "127.0.0.1:8083",
            {"scheme": "http", "allowed_hosts": [".vendorlink.nl", "localhost:8083"]},
        ),
    ],
)
def test_the_demo_secret_allows_both_names_of_loopback(
    host_or_url: str, host: str, more: dict[str, object]
) -> None:
    user = User()
    login = {"username": user.username, "password": user.password}
    assert FakeVendorlink.demo_secret(host_or_url) == login | {"host": host} | more


def test_the_description_lists_live_tokens(ask: Ask) -> None:
    """Neither spent nor expired ones; of a user, name and number alone."""
    visitor = client(ask)
    pair = visitor.login().json()
    extended = visitor.extend(pair).json()
    visitor.fake.leads["a"] = "b"
    shown = visitor.fake.describe()

    assert shown["users"] == [{"username": "user", "user_id": 7}]
    assert (shown["leads"], shown["reused"]) == ({"a": "b"}, [])
    accesses = [row["token"] for row in shown["access_tokens"]]
    assert accesses == [pair["accessToken"], extended["accessToken"]]
    assert [row["token"] for row in shown["renewal_tokens"]] == [extended["renewalToken"]]

    visitor.fake.advance(14 * 86_400)
    assert visitor.fake.describe()["access_tokens"] == []
    assert visitor.fake.describe()["renewal_tokens"] == []


def test_no_secret_in_a_repr() -> None:
    fake = FakeVendorlink([User(password="hunter2")])
    assert "hunter2" not in repr(fake.users[0])
    assert "hunter2" not in str(fake.describe())
