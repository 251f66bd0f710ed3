"""The fake enforces Vendorlink's documented rules for its tokens."""

import base64
import json

import pytest

from tests.unit.fakes.entrances import Ask
from tests.unit.fakes.vendorlink_client import HOST, NOW, claims, client
from token_broker.errors import UpstreamUnavailable
from token_broker.exchange import Request
from token_broker_fakes import FakeVendorlink, User


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
    token = client(ask).pair()["accessToken"]
    header, _, signature = token.split(".")
    members = claims(token)
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == {"typ": "JWT", "alg": "HS256"}
    assert len(base64.urlsafe_b64decode(signature + "=")) == 32
    assert (members["exp"], members["nbf"]) == (NOW + 3600, NOW - 300)
    assert members.keys() == {"sid", "iss", "exp", "nbf"}


def test_the_renewal_token_is_48_bytes_in_base64(ask: Ask) -> None:
    """With characters that a client may wrongly escape."""
    token = client(ask).pair()["renewalToken"]
    assert (len(token), len(base64.b64decode(token))) == (64, 48)
    assert {"/", "+"} <= set(token)


@pytest.mark.parametrize("body", [None, [], {"u": "user"}, {"u": "user", "p": "wrong"}])
def test_a_wrong_login_gets_200_with_an_empty_body(ask: Ask, body: object) -> None:
    """The vendor's own clients read it as a failed login."""
    refused = client(ask).call("POST", "auth/login", body)
    assert (refused.status, refused.content) == (200, b"")
    assert client(ask).login(**{"content-type": "text/plain"}).content == b""


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
    """The response has the documented envelope.

    Without the prefix, as in one of the vendor's clients, a token is refused.
    """
    visitor = client(ask)
    token = visitor.pair()["accessToken"]
    used = visitor.call(method, path, {}, authorization=f"Bearer {token}").json()
    assert (used["hasErrors"], used["messages"]) == (False, [])
    assert visitor.call(method, path, {}, authorization=token).status == 401
    assert visitor.call(method, path, {}).status == 401


@pytest.mark.parametrize(("later", "status"), [(3599, 200), (3600, 401)])
def test_a_live_or_expired_access_token_can_be_extended(ask: Ask, later: int, status: int) -> None:
    """Both tokens are replaced within the session; the response names no host."""
    visitor = client(ask)
    pair, other = visitor.pair(), visitor.pair()
    visitor.fake.advance(later)
    assert visitor.data(pair).status == status
    extended = visitor.extend(pair).json()
    assert extended.keys() == {"userId", "displayName", "accessToken", "renewalToken"}
    assert extended["accessToken"] != pair["accessToken"]
    assert extended["renewalToken"] != pair["renewalToken"]
    assert visitor.data(extended).is_success
    before, after, others = (claims(of["accessToken"])["sid"] for of in (pair, extended, other))
    assert before == after != others


def test_a_renewal_token_can_be_used_once(ask: Ask) -> None:
    """A second use is refused and recorded, even if the first response was lost."""
    visitor = client(ask)
    pair = visitor.pair()
    visitor.fake.fail("drop", step="extend")
    with pytest.raises(UpstreamUnavailable):
        visitor.extend(pair)
    assert visitor.fake.reused == []

    assert visitor.extend(pair).status == 401
    assert visitor.fake.reused == [pair["renewalToken"]]
    assert visitor.fake.log[-1].led_to == "renewal token reused"


def test_an_extension_needs_the_access_token_of_the_same_login(ask: Ask) -> None:
    visitor = client(ask)
    one, other = visitor.pair(), visitor.pair()
    for change in ({"accessToken": other["accessToken"]}, {"renewalToken": "unknown"}):
        assert visitor.extend(one | change).status == 401
    assert visitor.extend(one, authorization="Bearer").status == 401
    assert visitor.extend(one).is_success


def test_a_login_can_be_redirected_to_another_host(ask: Ask) -> None:
    """By a 200 whose body has nothing but the host."""
    visitor = client(ask)
    visitor.fake.leads[HOST] = "app2.vendorlink.nl"
    assert visitor.login().json() == {"hostname": "app2.vendorlink.nl"}
    assert visitor.wrong_login().content == b""
    assert visitor.login("app2.vendorlink.nl").json()["hostname"] == "app2.vendorlink.nl"


@pytest.mark.parametrize("host", ["app.vendorlink.nl.example.com", "xvendorlink.nl"])
def test_credentials_sent_to_an_unknown_host_are_a_breach(ask: Ask, host: str) -> None:
    visitor = client(ask)
    for known in (HOST, "127.0.0.1:8083"):
        visitor.login(known)
    visitor.login(host)
    assert visitor.fake.log.breaches == [f"credentials were sent to {host}"]


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


def test_one_or_all_sessions_can_be_revoked(ask: Ask) -> None:
    """Their tokens can be neither used nor extended afterwards."""
    visitor = client(ask)
    pair, other = visitor.pair(), visitor.pair()
    assert visitor.fake.revoke(pair["accessToken"]) == 1
    assert visitor.data(pair).status == 401
    assert visitor.extend(pair).status == 401
    assert visitor.data(other).is_success
    assert (visitor.fake.revoke(), visitor.fake.revoke()) == (1, 0)


def test_the_demo_secret_allows_both_names_of_loopback() -> None:
    user = User()
    login = {"username": user.username, "password": user.password}
    assert FakeVendorlink.demo_secret(HOST) == login | {"host": HOST}
    hosts = [".vendorlink.nl", "localhost:8083"]
    local = {"host": "127.0.0.1:8083", "scheme": "http", "allowed_hosts": hosts}
    assert FakeVendorlink.demo_secret("http://127.0.0.1:8083") == login | local


def test_the_description_lists_live_tokens(ask: Ask) -> None:
    """Neither spent nor expired ones. A renewal token lives 14 days."""
    visitor = client(ask)
    pair = visitor.pair()
    extended = visitor.extend(pair).json()
    visitor.fake.leads["a"] = "b"
    shown = visitor.fake.describe()
    assert shown["users"] == [{"username": "user", "user_id": 7}]
    assert (shown["leads"], shown["reused"]) == ({"a": "b"}, [])
    accesses = [row["token"] for row in shown["access_tokens"]]
    assert accesses == [pair["accessToken"], extended["accessToken"]]
    [renewal] = shown["renewal_tokens"]
    assert renewal == {"token": extended["renewalToken"], "expires_at": NOW + 14 * 86_400}

    visitor.fake.advance(14 * 86_400)
    later = visitor.fake.describe()
    assert (later["access_tokens"], later["renewal_tokens"]) == ([], [])


def test_no_secret_in_a_repr() -> None:
    fake = FakeVendorlink([User(password="hunter2")])
    assert "hunter2" not in f"{fake.users[0]!r} {fake.describe()}"
