"""The secret of a VNTANA connection: its keys and its errors."""

from typing import Any

import pytest

from token_broker.errors import NotConfigured
from token_broker.flows.vntana.credentials import Credentials

KEY = {"personal_access_token": "hunter2-key"}
PIN = KEY | {"organization": "acme"}
LOGIN = {"email": "a@b.example", "password": "hunter2"}


def test_a_key_is_sufficient() -> None:
    assert Credentials.parse(KEY) == Credentials(
        login={"personal-access-token": "hunter2-key"},
        organization=None,
        workspace=None,
        base_url="https://api-platform.vntana.com",
        refresh_method="POST",
        workspace_headers="both",
        token_from_body=False,
        lifetime=86_400,
    )


def test_all_keys_and_options_are_read() -> None:
    options: dict[str, Any] = {"refresh_method": "GET", "workspace_headers": "client"}
    options |= {"token_from_body": True, "lifetime": 300}
    pinned = ["workspace", "organization"]
    fields = {"organization": "acme", "workspace": "parts", "pinned": pinned}
    secret = LOGIN | fields | {"options": options}
    assert Credentials.parse(secret) == Credentials(
        login=LOGIN,
        organization="acme",
        workspace="parts",
        refresh_method="GET",
        workspace_headers="client",
        token_from_body=True,
        lifetime=300,
        pinned=("workspace", "organization"),
    )


@pytest.mark.parametrize("end", ["/ ", "/v1", "/v1/"])
def test_a_base_url_is_normalised(end: str) -> None:
    home = "https://api-platform.vntana.com"
    assert Credentials.parse(KEY | {"base_url": f" {home}{end}"}).base_url == home
    local = "http://127.0.0.1:8082"
    assert Credentials.parse(KEY | {"base_url": local}).base_url == local


def test_the_lifetime_is_limited_to_that_of_vntana() -> None:
    secret = KEY | {"options": {"lifetime": 10**9}}
    assert Credentials.parse(secret).lifetime == 30 * 86_400


@pytest.mark.parametrize(
    ("secret", "named"),
    [
        ({}, "^personal_access_token: is missing, and so are email and password$"),
        (KEY | LOGIN, "personal_access_token: two kinds"),
        (KEY | {"password": "hunter2"}, "personal_access_token: two kinds"),
        ({"email": "a@b.example"}, "password: is missing"),
        ({"password": "hunter2"}, "email: is missing"),
        (PIN | {"pinned": ["hunter2"]}, "pinned: may name org"),
        (PIN | {"pinned": ["organization", "workspace"]}, "pinned: "),
        (PIN | {"workspace": "w", "pinned": ["workspace"]}, "pinned: has workspace "),
        (KEY | {"base_url": "http://hunter2.example"}, "base_url: "),
        (KEY | {"options": {"lifetime": 0}}, r"options\.lifetime: "),
        (KEY | {"options": {"refresh_method": "PUT"}}, "must be one of POST, GET"),
        (KEY | {"options": {"x": 1}}, r"options\.x: is not known"),
    ],
    ids=str,
)
def test_an_invalid_value_is_reported_by_its_key_and_not_quoted(secret: Any, named: str) -> None:
    with pytest.raises(NotConfigured, match=named) as error:
        Credentials.parse(secret)
    assert "hunter2" not in repr(error.value)
