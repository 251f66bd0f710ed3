"""What Vendorlink documents of its tokens is enforced by the fake."""

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
    """Return what an access token says, by its payload."""
    payload = pair["accessToken"].split(".")[1]
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return told


def test_login(ask: Ask) -> None:
    """A password with quotes, backslashes and umlauts gets the documented answer."""
    response = client(ask).login()
    answer = response.json()
    assert response.status == 200
    assert answer.keys() == {"userId", "displayName", "accessToken", "renewalToken", "hostname"}
    assert (answer["userId"], answer["displayName"]) == (7, "Ä. User")
    assert answer["hostname"] == HOST


def test_access_token_is_a_jwt_of_sixty_minutes(ask: Ask) -> None:
    """Its ``nbf`` is five minutes early, so that it spans 65; there is no ``iat``."""
    pair = client(ask).login().json()
    header, _, signature = pair["accessToken"].split(".")
    told = claims(pair)

    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"typ": "JWT", "alg": "HS256"}
    assert len(base64.urlsafe_b64decode(signature + "=")) == 32
    assert (told["exp"], told["nbf"]) == (NOW + 3600, NOW - 300)
    assert told.keys() == {"sid", "iss", "exp", "nbf"}


def test_renewal_token_is_48_bytes_in_base64(ask: Ask) -> None:
    """It holds what a careless client would escape."""
    token = client(ask).login().json()["renewalToken"]
    assert (len(token), len(base64.b64decode(token))) == (64, 48)
    assert {"/", "+"} <= set(token)


@pytest.mark.parametrize("body", [None, [], {"u": "user"}, {"u": "user", "p": "wrong"}])
def test_wrong_login_is_an_empty_success(ask: Ask, body: object) -> None:
    """That is what the vendor's own clients read as a failed login."""
    refused = client(ask).call("POST", "auth/login", body)
    assert (refused.status, refused.content) == (200, b"")
    assert client(ask).login(**{"content-type": "text/plain"}).content == b""


def test_access_token_is_used_as_bearer(ask: Ask) -> None:
    """Without the word, as one of the vendor's clients has it, it is refused."""
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
def test_documented_data_calls(ask: Ask, method: str, path: str) -> None:
    """Each answers with the envelope of its kind, to a live token only."""
    visitor = client(ask)
    bearer = f"Bearer {visitor.login().json()['accessToken']}"
    assert visitor.call(method, path, {}, authorization=bearer).json()["messages"] == []
    assert visitor.call(method, path, {}).status == 401


def test_token_is_good_at_its_host_only(ask: Ask) -> None:
    visitor = client(ask)
    assert visitor.data(visitor.login().json(), "app2.vendorlink.nl").status == 401


@pytest.mark.parametrize(("later", "status"), [(3599, 200), (3600, 401)])
def test_extension_of_a_live_or_expired_token(ask: Ask, later: int, status: int) -> None:
    """It replaces both tokens, of the same session; the answer names no host."""
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


def test_renewal_token_is_good_once(ask: Ask) -> None:
    """A second use is refused and written down, though the first answer was lost."""
    visitor = client(ask)
    pair = visitor.login().json()
    visitor.fake.fail("drop", step="extend")
    with pytest.raises(UpstreamUnavailable):
        visitor.extend(pair)
    assert visitor.fake.reused == []

    assert visitor.extend(pair).status == 401
    assert visitor.fake.reused == [pair["renewalToken"]]
    assert visitor.fake.log[-1].led_to == "renewal token reused"


def test_renewal_token_lives_a_fortnight(ask: Ask) -> None:
    visitor = client(ask)
    early, late = visitor.login().json(), visitor.login().json()
    visitor.fake.advance(14 * 86_400 - 1)
    assert visitor.extend(early).is_success
    visitor.fake.advance(1)
    assert visitor.extend(late).status == 401


def test_extension_wants_the_access_token_that_came_with_it(ask: Ask) -> None:
    visitor = client(ask)
    one, other = visitor.login().json(), visitor.login().json()
    mixed = one | {"accessToken": other["accessToken"]}
    assert visitor.extend(mixed).status == 401
    assert visitor.extend(one, authorization="Bearer").status == 401
    assert visitor.extend(one | {"renewalToken": "unknown"}).status == 401
    assert visitor.extend(one).is_success


def test_host_that_leads_elsewhere(ask: Ask) -> None:
    """A login is sent from host to host with a 200 that has nothing else in it."""
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
def test_credentials_sent_to_a_stranger_are_a_breach(ask: Ask, host: str, is_breach: bool) -> None:
    visitor = client(ask)
    visitor.login(host)
    assert visitor.fake.log.breaches == ([f"credentials were sent to {host}"] if is_breach else [])


@pytest.mark.parametrize(
    ("url", "is_breach"),
    [("http://app.vendorlink.nl", True), ("http://127.0.0.1:80", False), ("https://x.nl", False)],
)
def test_credentials_over_a_network_in_clear_are_a_breach(url: str, is_breach: bool) -> None:
    """Only the call knows the scheme: over HTTP everything is loopback."""
    fake = FakeVendorlink()
    fake(Request("GET", url + "/API/Queries/List", "test"))
    assert fake.log.breaches == (["GET /API/Queries/List over http"] if is_breach else [])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "auth/login", 405), ("POST", "Queries/List", 405), ("GET", "auth/logout", 404)],
)
def test_routes_that_are_not_there(ask: Ask, method: str, path: str, status: int) -> None:
    """They fail, and are kept in a list that a test can look at."""
    visitor = client(ask)
    assert visitor.call(method, path).status == status
    assert visitor.fake.log.unknown == [f"{method} /API/{path}"]


def test_data_that_a_test_brings_is_behind_the_token(ask: Ask) -> None:
    visitor = client(ask)
    visitor.fake.data["GET", "/api/suppliers"] = {"data": [{"name": "Ikea"}]}
    bearer = f"Bearer {visitor.login().json()['accessToken']}"
    got = visitor.call("GET", "Suppliers", authorization=bearer)
    assert got.json() == {"data": [{"name": "Ikea"}]}


def test_sessions_can_be_revoked_by_hand(ask: Ask) -> None:
    """One or all; neither can be used or extended afterwards."""
    visitor = client(ask)
    pair, other = visitor.login().json(), visitor.login().json()
    assert visitor.fake.revoke(pair["accessToken"]) == 1
    assert visitor.data(pair).status == 401
    assert visitor.extend(pair).status == 401
    assert visitor.data(other).is_success
    assert (visitor.fake.revoke(), visitor.fake.revoke()) == (1, 0)


@pytest.mark.parametrize(
    ("place", "host", "more"),
    [
        (HOST, HOST, {}),
        (
            "http://127.0.0.1:8083",
            "127.0.0.1:8083",
            {"scheme": "http", "allowed_hosts": [".vendorlink.nl", "localhost:8083"]},
        ),
    ],
)
def test_demo_secret_allows_the_other_name_of_loopback(
    place: str, host: str, more: dict[str, object]
) -> None:
    user = User()
    login = {"username": user.username, "password": user.password}
    assert FakeVendorlink.demo_secret(place) == login | {"host": host} | more


def test_tokens_that_are_shown_are_live(ask: Ask) -> None:
    """Neither spent nor expired ones, and nothing else of a user than his name and number."""
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
