"""The secret of a Vendorlink connection: its keys and its errors."""

from typing import Any

import pytest

from token_broker.errors import NotConfigured
from token_broker.flows.vendorlink.credentials import Credentials

LEAST = {"username": "hunter1", "password": "hunter2", "host": "app.vendorlink.nl"}


def test_user_password_and_host_are_sufficient() -> None:
    assert Credentials.parse(LEAST) == Credentials(
        username="hunter1",
        password="hunter2",
        host="app.vendorlink.nl",
        scheme="https",
        allowed_hosts=(".vendorlink.nl",),
        extend_key="both",
        null_renewal="keep",
        content_type="application/json; charset=utf-8",
    )


def test_all_keys_and_options_are_read() -> None:
    options = {"extend_key": "rToken", "null_renewal": "drop", "content_type": "application/json"}
    secret = LEAST | {
        "host": "LOCALHOST:8083",
        "scheme": "http",
        "allowed_hosts": [".Example.com", "EU.example:8443"],
        "pinned": [],
        "options": options,
    }
    assert Credentials.parse(secret) == Credentials(
        username="hunter1",
        password="hunter2",
        host="localhost:8083",
        scheme="http",
        allowed_hosts=(".example.com", "eu.example:8443"),
        extend_key="rToken",
        null_renewal="drop",
        content_type="application/json",
    )


def test_a_host_is_normalised() -> None:
    hosts = {" App.Vendorlink.nl:8443 ": "app.vendorlink.nl:8443", "[0:0::1]:80": "[::1]:80"}
    for host, meant in hosts.items():
        assert Credentials.parse(LEAST | {"host": host}).host == meant


def test_loopback_may_be_called_over_http() -> None:
    for host in ("127.0.0.1:1", "[::1]:8083"):
        credentials = Credentials.parse(LEAST | {"host": host, "scheme": "http"})
        assert credentials.base_url(credentials.host) == f"http://{host}/API"
        assert credentials.base_url("app.vendorlink.nl") == "https://app.vendorlink.nl/API"


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"host": "https://hunter2.example"}, "host: "),
        ({"scheme": "http"}, "scheme: .* loopback"),
        ({"allowed_hosts": ["*.hunter2.nl"]}, "allowed_hosts: "),
        ({"allowed_hosts": ["."]}, "allowed_hosts: "),
        ({"allowed_hosts": [".hunter2.nl:1"]}, "allowed_hosts: "),
        ({"allowed_hosts": [".[::1]"]}, "allowed_hosts: "),
        ({"pinned": ["hunter2"]}, "pinned: callers of Vendorlink"),
        ({"options": {"extend_key": "hunter2"}}, r"options\.extend_key: "),
        ({"options": {"null_renewal": 2}}, r"options\.null_renewal: "),
        ({"options": {"content_type": "a\r\nhunter2: b"}}, r"options\.content_type: "),
        ({"options": {"x": "hunter2"}}, r"options\.x: is not known"),
    ],
    ids=str,
)
def test_an_invalid_value_is_reported_by_its_key_and_not_quoted(
    members: dict[str, Any], named: str
) -> None:
    with pytest.raises(NotConfigured, match=f"^{named}") as error:
        Credentials.parse(LEAST | members)
    assert "hunter2" not in repr(error.value)


ALLOWED = ["login.example", "app.vendorlink.nl", "a.b.vendorlink.nl", "app.example:8443"]
OTHERS = [
    *("vendorlink.nl", "evilvendorlink.nl", "app.vendorlink.nl:8443"),
    *("app.vendorlink.nl.evil.example", "app.example", "evil-app.example:8443", "xlogin.example"),
]


def test_credentials_are_sent_only_to_the_host_and_allowed_hosts() -> None:
    """A suffix begins with a dot, any other entry is a whole host with its port."""
    secret = LEAST | {"host": "login.example"}
    allowed = {"allowed_hosts": [".vendorlink.nl", "app.example:8443"]}
    allows = Credentials.parse(secret | allowed).allows
    assert [host for host in (*ALLOWED, *OTHERS) if allows(host)] == ALLOWED
    allows = Credentials.parse(secret | {"allowed_hosts": []}).allows
    assert [host for host in (*ALLOWED, *OTHERS) if allows(host)] == ["login.example"]
