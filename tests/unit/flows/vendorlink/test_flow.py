"""Vendorlink's exchanges, driven step by step: logins, redirected logins, and renewals."""

import base64
import json
from random import Random
from typing import Any

import pytest

from tests.conversations import (
    NOW,
    MiniBroker,
    answer,
    begin,
    concluded,
    ended,
    held,
    reply,
)
from token_broker.document import Document
from token_broker.errors import (
    CredentialRejected,
    InvalidRequest,
    UpstreamContractChanged,
    UpstreamError,
    UpstreamRefused,
)
from token_broker.exchange import Response
from token_broker.flows.vendorlink import flow as vendorlink
from token_broker.flows.vendorlink import requested
from token_broker.flows.vendorlink.credentials import Credentials
from token_broker.tokens import ONLY, Token, Variant
from token_broker_fakes.vendorlink import FakeVendorlink

HOST = "app.vendorlink.nl"
CREDENTIALS = Credentials("user@example", 'pass "wörd"/\\', HOST)
RENEWAL = "renew/al+" + "A" * 55
LOGIN = Variant("login")


def jwt(**claims: Any) -> str:
    """Return a token with a readable payload and a signature that is not checked."""
    parts = [json.dumps(part).encode() for part in ({"typ": "JWT", "alg": "HS256"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + ".x"


def pair(access: str = "access/1", renewal: Any = RENEWAL, **members: Any) -> Response:
    body = {"userId": 7, "displayName": "Ann", "accessToken": access, "renewalToken": renewal}
    return answer(body | members)


def kept(access: str = "access/0", renewal: str | None = RENEWAL, host: str = HOST) -> Token:
    context = {"user_id": 7, "display_name": "Ann", "hostname": host}
    return Token(access, {}, f"https://{host}/API", 0, 1, context, renewal=renewal)


def log_in(*answers: Response, credentials: Credentials = CREDENTIALS) -> Token:
    token = held(vendorlink.exchange(credentials, LOGIN, NOW), answers)
    assert isinstance(token, Token)
    return token


def test_a_login_returns_access_and_renewal_token() -> None:
    talk = vendorlink.exchange(CREDENTIALS, LOGIN, NOW)

    login = begin(talk)
    assert (login.method, login.url) == ("POST", f"https://{HOST}/API/auth/login")
    assert login.headers == {"content-type": "application/json; charset=utf-8"}
    assert json.loads(login.body) == {"u": "user@example", "p": 'pass "wörd"/\\'}
    assert login.body.isascii()

    assert ended(talk, pair(jwt(exp=NOW + 3900), hostname="app2.vendorlink.nl")) == Token(
        value=jwt(exp=NOW + 3900),
        headers={"Authorization": f"Bearer {jwt(exp=NOW + 3900)}"},
        base_url="https://app2.vendorlink.nl/API",
        issued_at=NOW,
        expires_at=NOW + 3900,
        context={"user_id": 7, "display_name": "Ann", "hostname": "app2.vendorlink.nl"},
        renewal=RENEWAL,
    )


def test_an_extension_sends_the_renewal_token_and_returns_a_new_one() -> None:
    """With the old access token, which may have expired, as documented. It stays at its host."""
    talk = vendorlink.exchange(CREDENTIALS, LOGIN, NOW, kept(host="app2.vendorlink.nl"))

    extend = begin(talk)
    assert (extend.method, extend.url) == (
        "POST",
        "https://app2.vendorlink.nl/API/auth/extendtoken",
    )
    assert extend.headers == {
        "authorization": "Bearer access/0",
        "content-type": "application/json; charset=utf-8",
    }
    assert extend.json == {"rToken": RENEWAL, "RenewalToken": RENEWAL}

    named = {"userId": None, "displayName": "Anna", "hostname": HOST}
    token = ended(talk, pair("access/1", "renew/2", **named))
    assert (token.value, token.renewal) == ("access/1", "renew/2")
    assert token.base_url == "https://app2.vendorlink.nl/API"
    assert token.expires_at == NOW + 3600
    assert token.context == {
        "user_id": 7,
        "display_name": "Anna",
        "hostname": "app2.vendorlink.nl",
    }


def elsewhere(*hosts: str) -> list[Response]:
    return [answer({"hostname": f"{host}.vendorlink.nl"}) for host in hosts]


@pytest.mark.parametrize("name", [None, ""])
def test_a_login_follows_three_hosts(name: str | None) -> None:
    """With the same request. Without a host in the response, the called one counts."""
    talk = vendorlink.exchange(CREDENTIALS, LOGIN, NOW)
    sent = [begin(talk), *(reply(talk, one) for one in elsewhere("A", "b", "c"))]
    hosts = [HOST, *(f"{label}.vendorlink.nl" for label in "abc")]
    assert [one.url for one in sent] == [f"https://{host}/API/auth/login" for host in hosts]
    assert all((one.json, one.headers) == (sent[0].json, sent[0].headers) for one in sent)
    token = ended(talk, pair(renewal=None, hostname=name))
    assert (token.base_url, token.renewal) == ("https://c.vendorlink.nl/API", None)


@pytest.mark.parametrize(
    ("answers", "detail"),
    [
        pytest.param(elsewhere("a", "b", "c", "d"), "too many hosts", id="four hops"),
        pytest.param(elsewhere("app"), "in a circle", id="to where it was asked"),
        pytest.param(elsewhere("APP"), "in a circle", id="however it is spelled"),
        pytest.param(elsewhere("a", "b", "a"), "in a circle", id="back again"),
    ],
)
def test_a_fourth_host_or_a_loop_of_hosts_is_an_error(answers: list[Response], detail: str) -> None:
    with pytest.raises(UpstreamContractChanged, match=detail):
        log_in(*answers)


ODD_HOSTS = [
    *("evil.example", "user@app.vendorlink.nl", ".vendorlink.nl", "a\r\nb.vendorlink.nl"),
    *("evil.example/.vendorlink.nl", "evil.example#.vendorlink.nl", "https://app.vendorlink.nl"),
    *("127.0.0.1", "169.254.169.254"),
]


@pytest.mark.parametrize("host", ODD_HOSTS)
def test_nothing_is_sent_to_a_host_that_is_not_allowed(host: str) -> None:
    """Neither the password nor, by the caller, the token: the response is an error."""
    for told in (answer({"hostname": host}), pair(hostname=host)):
        with pytest.raises(UpstreamContractChanged, match="allowed_hosts"):
            log_in(told)


def test_only_loopback_is_called_over_http() -> None:
    """A fake on loopback may redirect to a real host; the password is sent there over TLS."""
    local = Credentials("u", "p", "127.0.0.1:8083", scheme="http")
    talk = vendorlink.exchange(local, LOGIN, NOW)
    assert begin(talk).url == "http://127.0.0.1:8083/API/auth/login"
    assert reply(talk, answer({"hostname": HOST})).url == f"https://{HOST}/API/auth/login"
    assert ended(talk, pair()).base_url == f"https://{HOST}/API"


def test_a_failed_extension_is_followed_by_one_login() -> None:
    """Also if the vendor is down: the renewal token may be spent."""
    odd = [answer([]), answer({"hasErrors": True}), pair(access="a\r\nb"), pair(renewal=7)]
    odd += [Response(status) for status in (200, 401, 503)]
    for response in (*odd, answer({"accessToken": "a"}, 500), Response(200, {}, b"<html>")):
        talk = vendorlink.exchange(CREDENTIALS, LOGIN, NOW, kept())
        assert begin(talk).step == "extend"
        assert reply(talk, response).step == "login"
        assert ended(talk, pair("access/2", "renew/2")).renewal == "renew/2"


def test_without_a_renewal_token_or_an_allowed_host_the_exchange_logs_in() -> None:
    """A host that is no longer allowed gets no renewal token."""
    for before in (kept(renewal=None), kept(renewal=""), kept(host="old.example")):
        login = begin(vendorlink.exchange(CREDENTIALS, LOGIN, NOW, before))
        assert (login.step, login.url) == ("login", f"https://{HOST}/API/auth/login")


@pytest.mark.parametrize(
    ("policy", "response", "renewal"),
    [
        pytest.param("keep", pair(renewal=None), RENEWAL, id="null keeps it"),
        pytest.param("keep", answer({"accessToken": "a"}), RENEWAL, id="absent keeps it"),
        pytest.param("keep", pair(renewal="renew/2"), "renew/2", id="a new one replaces it"),
        pytest.param("drop", pair(renewal=None), None, id="null drops it"),
        pytest.param("drop", pair(renewal="renew/2"), "renew/2", id="a new one is not dropped"),
        pytest.param("keep", pair(renewal=""), RENEWAL, id="an empty one keeps it"),
        pytest.param("drop", pair(renewal=""), None, id="an empty one drops it"),
    ],
)
@pytest.mark.parametrize("key", ["both", "rToken"])
def test_a_missing_renewal_token_is_kept_or_dropped_by_option(
    policy: str, response: Response, renewal: str | None, key: str
) -> None:
    """With each name of the field."""
    credentials = Credentials("u", "p", HOST, null_renewal=policy, extend_key=key)
    token = held(vendorlink.exchange(credentials, LOGIN, NOW, kept()), [response])
    assert token.renewal == renewal


def test_the_content_type_and_the_name_of_the_renewal_token_are_the_configured_ones() -> None:
    """The documents have three content types, one with a typo."""
    odd = "application/json: charset=utf8"
    for key in ("rToken", "RenewalToken"):
        credentials = Credentials("u", "p", HOST, content_type=odd, extend_key=key)
        login, extend = (
            begin(vendorlink.exchange(credentials, LOGIN, NOW, before)) for before in (None, kept())
        )
        assert {login.headers["content-type"], extend.headers["content-type"]} == {odd}
        assert extend.json == {key: RENEWAL}


@pytest.mark.parametrize(
    ("response", "error"),
    [
        *((Response(status), CredentialRejected) for status in (200, 400, 401, 403)),
        pytest.param(Response(200, {}, b" null "), CredentialRejected, id="null"),
        pytest.param(answer({"hostname": ""}), CredentialRejected, id="nothing in it"),
        pytest.param(answer({"accessToken": None}), CredentialRejected, id="a token that is null"),
        pytest.param(pair(access=""), CredentialRejected, id="an empty token"),
        pytest.param(answer({"hasErrors": True}), CredentialRejected, id="a business error"),
        *((Response(status), UpstreamContractChanged) for status in (302, 404)),
        pytest.param(answer([]), UpstreamContractChanged, id="a list"),
        pytest.param(pair(access="a\nb"), UpstreamContractChanged, id="an odd access token"),
        pytest.param(answer({"accessToken": 7}), UpstreamContractChanged, id="a number"),
        pytest.param(pair(renewal=[]), UpstreamContractChanged, id="an odd renewal token"),
        pytest.param(answer({"hostname": 7}), UpstreamContractChanged, id="an odd host"),
    ],
)
def test_each_failure_of_a_login_has_its_error(
    response: Response, error: type[UpstreamError]
) -> None:
    """A rejection is certain: a login has no other fields. The vendor's body may then be empty."""
    with pytest.raises(error, match=r"^login: ") as raised:
        log_in(response)
    if isinstance(raised.value, CredentialRejected):
        assert (raised.value.upstream_status, raised.value.is_certain) == (response.status, True)


def test_the_expiry_of_a_jwt_is_read_if_it_can_be_decoded() -> None:
    """The samples of the documents cannot be decoded, so that is not an error."""
    for exp, expiry in ((1567518666, 1567518666), (1567518666.9, 1567518666), (10**400, 10**400)):
        assert vendorlink.unverified_expiry(jwt(exp=exp)) == expiry
    odd = [jwt(sid="x"), jwt(exp="1567518666"), jwt(exp=True), jwt(exp=float("inf"))]
    payloads = [base64.b64encode(text).decode() for text in (b"[]", b"[" * 9999)]
    for token in (*odd, "opaque/token+", "a.b.c", *(f"a.{payload}.c" for payload in payloads)):
        assert vendorlink.unverified_expiry(token) is None


@pytest.mark.parametrize(
    ("access", "seconds"),
    [
        ("opaque", 3600),
        *((jwt(exp=NOW + seconds), seconds) for seconds in (1, 3600, 86_400)),
        *((jwt(exp=odd), 3600) for odd in (NOW, NOW + 86_401, (NOW + 3600) * 1000)),
    ],
)
def test_the_lifetime_is_that_of_the_jwt_or_the_documented_one(access: str, seconds: int) -> None:
    """An expiry that is past, or more than a day ahead, is not believed."""
    assert log_in(pair(access)).expires_at == NOW + seconds
    extended = held(vendorlink.exchange(CREDENTIALS, LOGIN, NOW, kept()), [pair(access)])
    assert extended.expires_at == NOW + seconds


def test_a_connection_has_a_single_variant() -> None:
    variant = requested(Document({}, InvalidRequest))
    assert (variant, variant.key) == (LOGIN, ONLY)
    assert vendorlink.VENDOR.resolve(CREDENTIALS, variant) == variant
    assert vendorlink.VENDOR.is_shared is None


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (answer({"hasErrors": False, "data": []}), True),
        (answer([]), True),
        (answer(status=401), False),
        (answer({"hasErrors": True, "messages": [{"message": "no right"}]}), UpstreamRefused),
        (answer(status=403), UpstreamRefused),
        (answer(), UpstreamContractChanged),
        (answer([], 302), UpstreamContractChanged),
    ],
)
def test_a_check_lists_the_queries(response: Response, result: Any) -> None:
    """At the host of the token. Only 401 means a dead token."""
    talk = vendorlink.check(CREDENTIALS, kept("access/1", host="app2.vendorlink.nl"))
    request = begin(talk)
    assert (request.method, request.url) == ("GET", "https://app2.vendorlink.nl/API/Queries/List")
    assert request.headers == {"authorization": "Bearer access/1"}
    assert concluded(talk, response) is result


# With a fake that enforces Vendorlink's rules


MODES: list[dict[str, str]] = [
    {},
    *({"extend_key": key} for key in ("rToken", "RenewalToken")),
    *({"extend_renewal": missing} for missing in ("null", "absent")),
    *({"access_token": form} for form in ("wrapped", "no_exp")),
    {"hostname": "absent"},
    {"extend_content_type": "utf-8"},
]
"""Those that need no option of the secret."""


@pytest.mark.parametrize("modes", MODES, ids=str)
def test_a_login_is_extended_repeatedly(modes: dict[str, str]) -> None:
    fake = FakeVendorlink(clock=lambda: float(NOW), rng=Random(1))
    fake.modes.update(modes)
    credentials = vendorlink.VENDOR.parse(fake.demo_secret("app.vendorlink.nl"))
    broker = MiniBroker(vendorlink.VENDOR, credentials, fake)
    for _ in range(4):
        assert broker.renew(LOGIN).expires_at == broker.now + 3600
        fake.advance(3600 + 60)
        broker.now += 3600 + 60
    assert fake.log.steps == ["login", "extend", "extend", "extend"]
    assert (fake.reused, fake.log.unknown, fake.log.breaches) == ([], [], [])
