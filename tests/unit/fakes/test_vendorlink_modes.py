"""Each contradiction in what Vendorlink and its clients say is a mode of the fake."""

import base64
import json

import pytest

from tests.unit.fakes.entrances import Ask
from tests.unit.fakes.played import Played
from tests.unit.fakes.vendorlink_client import HOST, NOW, client
from token_broker_fakes import VendorlinkModes

plays = Played(VendorlinkModes)


@plays("login_failure", "204", "null", "object", "400", "401", "403")
@pytest.mark.parametrize(
    ("mode", "status", "content"),
    [
        ("empty200", 200, b""),
        ("204", 204, b""),
        ("null", 200, b"null"),
        ("object", 200, b"{}"),
        ("400", 400, b""),
        ("401", 401, b""),
        ("403", 403, b""),
    ],
)
def test_failed_login(ask: Ask, mode: str, status: int, content: bytes) -> None:
    refused = client(ask, login_failure=mode).wrong_login()
    assert (refused.status, refused.content) == (status, content)


@plays("api", "off")
def test_api_that_is_not_allowed(ask: Ask) -> None:
    """The right password fails like a wrong one."""
    assert client(ask, api="off").login().content == b""


@plays("elsewhere", "self", "loop", "chain", "foreign")
@pytest.mark.parametrize(
    ("mode", "called", "named"),
    [
        ("self", HOST, HOST),
        ("loop", HOST, "app2.vendorlink.nl"),
        ("loop", "app2.vendorlink.nl", HOST),
        ("loop", "127.0.0.1:81", "localhost:81"),
        ("loop", "localhost:81", "127.0.0.1:81"),
        ("chain", HOST, "app2.vendorlink.nl"),
        ("chain", "app2.vendorlink.nl", "app3.vendorlink.nl"),
        ("chain", "app9.vendorlink.nl", "app10.vendorlink.nl"),
        ("chain", "127.0.0.1:81", "127.0.0.2:81"),
        ("chain", "127.0.0.2", "127.0.0.3"),
        ("foreign", HOST, "vendorlink.example.com"),
    ],
)
def test_login_that_is_sent_elsewhere(ask: Ask, mode: str, called: str, named: str) -> None:
    """To itself, in a circle, on and on, or out of the vendor's domain."""
    assert client(ask, elsewhere=mode).login(called).json() == {"hostname": named}


@plays("hostname", "absent", "empty", "null")
@pytest.mark.parametrize(
    ("mode", "told"),
    [("absent", {}), ("empty", {"hostname": ""}), ("null", {"hostname": None})],
)
def test_hostname_that_names_nothing(ask: Ask, mode: str, told: dict[str, str | None]) -> None:
    """The host that was called is then the one to use."""
    visitor = client(ask, hostname=mode)
    pair = visitor.login().json()
    assert {name: pair[name] for name in pair if name == "hostname"} == told
    assert visitor.data(pair).is_success


@plays("hostname", "twin")
def test_hostname_that_names_another(ask: Ask) -> None:
    """The tokens live there, and there only."""
    visitor = client(ask, hostname="twin")
    pair = visitor.login().json()
    assert pair["hostname"] == "app2.vendorlink.nl"
    assert visitor.data(pair).status == 401
    assert visitor.extend(pair).status == 401
    assert visitor.data(pair, pair["hostname"]).is_success


@plays("extend_key", "rToken", "RenewalToken")
@pytest.mark.parametrize("mode", ["rToken", "RenewalToken"])
@pytest.mark.parametrize("key", ["rToken", "RenewalToken"])
def test_only_one_key_is_known(ask: Ask, mode: str, key: str) -> None:
    """Old and new documents name it differently; both in one body suit either."""
    visitor = client(ask, extend_key=mode)
    pair = visitor.login().json()
    assert visitor.extend(pair, key).is_success == (mode == key)

    pair = visitor.login().json()
    body = dict.fromkeys(("rToken", "RenewalToken"), pair["renewalToken"])
    bearer = f"Bearer {pair['accessToken']}"
    assert visitor.call("POST", "auth/extendtoken", body, authorization=bearer).is_success


CONTENT_TYPES = {
    "utf-8": "application/json; charset=utf-8",
    "utf8": "application/json; charset=utf8",
    "colon": "application/json: charset=utf8",
}


@plays("extend_content_type", *CONTENT_TYPES)
@pytest.mark.parametrize("mode", ["any", *CONTENT_TYPES])
@pytest.mark.parametrize("sent", CONTENT_TYPES)
def test_content_type_of_the_extension(ask: Ask, mode: str, sent: str) -> None:
    """Three documents spell it in three ways, one with a colon."""
    visitor = client(ask, extend_content_type=mode)
    headers = {"content-type": CONTENT_TYPES[sent]}
    accepted = visitor.extend(visitor.login().json(), **headers).is_success
    assert accepted == (mode in ("any", sent))


@plays("extend_renewal", "null", "absent")
@pytest.mark.parametrize("mode", ["null", "absent"])
def test_renewal_token_that_goes_on(ask: Ask, mode: str) -> None:
    """The answer has none, and the old one is good again, with the new access token."""
    visitor = client(ask, extend_renewal=mode)
    pair = visitor.login().json()
    extended = visitor.extend(pair).json()
    assert extended.get("renewalToken", "absent") == (None if mode == "null" else "absent")

    again = extended | {"renewalToken": pair["renewalToken"]}
    assert visitor.extend(again).is_success
    assert visitor.fake.reused == []


@plays("extend_renewal", "null_spent")
def test_renewal_token_that_is_spent_without_another(ask: Ask) -> None:
    visitor = client(ask, extend_renewal="null_spent")
    pair = visitor.login().json()
    extended = visitor.extend(pair).json()
    assert extended["renewalToken"] is None
    assert visitor.extend(extended | {"renewalToken": pair["renewalToken"]}).status == 401
    assert len(visitor.fake.reused) == 1


@plays("extend_failure", "400", "403", "empty200", "null", "object")
@pytest.mark.parametrize(
    ("mode", "status", "content"),
    [
        ("400", 400, b""),
        ("403", 403, b""),
        ("empty200", 200, b""),
        ("null", 200, b"null"),
        ("object", 200, b"{}"),
    ],
)
def test_failed_extension(ask: Ask, mode: str, status: int, content: bytes) -> None:
    visitor = client(ask, extend_failure=mode)
    refused = visitor.extend(visitor.login().json() | {"renewalToken": "wrong"})
    assert (refused.status, refused.content) == (status, content)


@plays("renewal_use", "many")
def test_renewal_token_that_can_be_used_again(ask: Ask) -> None:
    """As the vendor's old client does, for ever, with whatever access token came last."""
    visitor = client(ask, renewal_use="many")
    pair = visitor.login().json()
    extended = visitor.extend(pair).json() | {"renewalToken": pair["renewalToken"]}
    assert visitor.extend(extended).is_success
    assert visitor.fake.reused == []


@plays("access_token", "wrapped", "garbled", "no_exp", "opaque")
@pytest.mark.parametrize("mode", ["wrapped", "garbled", "no_exp", "opaque"])
def test_access_token_that_is_no_jwt_to_read(ask: Ask, mode: str) -> None:
    """It is good all the same, unchanged."""
    visitor = client(ask, access_token=mode)
    pair = visitor.login().json()
    assert visitor.data(pair).is_success
    assert unreadable(pair["accessToken"])


def unreadable(token: str) -> bool:
    """Say whether no ``exp`` can be read from *token* as it stands."""
    try:
        payload = token.split(".")[1]
        if " " in token:
            return True
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, IndexError):
        return True
    return "exp" not in claims


def test_blanks_inside_a_token_hide_a_jwt(ask: Ask) -> None:
    """As in the documents' samples: without the blanks it can be read."""
    token = client(ask, access_token="wrapped").login().json()["accessToken"]
    payload = token.replace(" ", "").split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "=="))["exp"] == NOW + 3600


@plays("older_sessions", "killed")
def test_login_that_ends_older_sessions(ask: Ask) -> None:
    visitor = client(ask, older_sessions="killed")
    first = visitor.login().json()
    second = visitor.login().json()
    assert (visitor.data(first).status, visitor.data(second).status) == (401, 200)
    assert visitor.extend(first).status == 401


@plays("lockout")
@pytest.mark.parametrize("times", [1, 2])
def test_lockout(ask: Ask, times: int) -> None:
    """So many wrong passwords in a row, and even the right one fails; a right one begins anew."""
    visitor = client(ask, lockout=times)

    def fail(times: int) -> None:
        for _ in range(times):
            visitor.wrong_login()

    for _ in range(2):
        fail(times - 1)
        assert visitor.login().content
    fail(times)
    assert visitor.login().content == b""


@plays("lifetime")
@plays("renewal_lifetime")
@plays("early")
def test_lifetimes(ask: Ask) -> None:
    """Of both tokens; ``early`` shifts ``nbf`` only."""
    visitor = client(ask, lifetime=10, renewal_lifetime=20, early=0)
    pair = visitor.login().json()
    payload = pair["accessToken"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert (claims["nbf"], claims["exp"]) == (NOW, NOW + 10)

    visitor.fake.advance(20)
    assert visitor.data(pair).status == 401
    assert visitor.extend(pair).status == 401


def test_each_mode_is_played() -> None:
    """No mode and no value of one is without a test here."""
    assert plays.left() == set()
