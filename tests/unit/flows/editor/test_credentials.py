"""The secret of an editor connection: its keys, its errors, and the editor's URL."""

from typing import Any

import pytest

from token_broker.errors import NotConfigured
from token_broker.flows.editor.credentials import Credentials

LEAST = {"api_key": "hunter2", "editor_url": "https://editor.example/app"}


def test_key_and_editor_url_are_sufficient() -> None:
    assert Credentials.parse(LEAST) == Credentials(
        api_key="hunter2",
        editor_url="https://editor.example/app",
        token_url="https://tokens.kudo.graebert.com",
        parameters={},
        required=("userId",),
        verify_header="x-api-token",
        reuse=True,
    )


def test_all_keys_and_options_are_read() -> None:
    secret = {
        "api_key": " hunter2\n",
        "editor_url": " http://localhost:1/{token} ",
        "token_url": "https://tokens.dev.graebert.com/",
        "parameters": {"userId": "demo", "isViewOnly": True},
        "required": [],
        "pinned": ["isViewOnly"],
        "options": {"verify_header": "x-api-key", "reuse": False},
    }
    assert Credentials.parse(secret) == Credentials(
        api_key="hunter2",
        editor_url="http://localhost:1/{token}",
        token_url="https://tokens.dev.graebert.com",
        parameters={"userId": "demo", "isViewOnly": True},
        required=(),
        verify_header="x-api-key",
        reuse=False,
        pinned=("isViewOnly",),
    )


@pytest.mark.parametrize(
    ("editor_url", "url", "base_url"),
    [
        ("https://e.nl", "https://e.nl?apitoken=T", "https://e.nl"),
        ("https://e.nl/", "https://e.nl/?apitoken=T", "https://e.nl"),
        ("https://e.nl/app?", "https://e.nl/app?apitoken=T", "https://e.nl/app"),
        ("https://e.nl/?a=1&b=%20#f?x", "https://e.nl/?a=1&b=%20&apitoken=T#f?x", "https://e.nl"),
        ("https://e.nl/app#a", "https://e.nl/app?apitoken=T#a", "https://e.nl/app"),
        ("https://e.nl/?t={token}&a=1#{token}", "https://e.nl/?t=T&a=1#T", "https://e.nl"),
        ("https://e.nl/s/{token}", "https://e.nl/s/T", "https://e.nl/s"),
    ],
)
def test_the_editor_url_gets_the_token(editor_url: str, url: str, base_url: str) -> None:
    """Percent-encoded."""
    credentials = Credentials.parse(LEAST | {"editor_url": editor_url})
    assert credentials.url("T") == url
    assert credentials.url("a/b&c#d e") == url.replace("T", "a%2Fb%26c%23d%20e")
    assert credentials.base_url == base_url


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"api_key": "hunter2\r\nx: y"}, "api_key: must be printable"),
        ({"editor_url": "http://hunter2.example"}, "editor_url: .*http"),
        ({"editor_url": "https://{token}.example"}, "editor_url: .*host"),
        ({"token_url": "ftp://hunter2"}, "token_url: "),
        ({"pinned": ["hunter2"]}, "pinned: may name parameters"),
        ({"parameters": {"userId": " "}, "pinned": ["userId"]}, "pinned: "),
        ({"options": {"reuse": "hunter2"}}, r"options\.reuse: "),
        ({"options": {"verify_header": "x"}}, r"options\.verify_header: "),
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


def test_the_repr_has_neither_key_nor_parameters() -> None:
    secret = LEAST | {"parameters": {"plpass": "hunter2"}}
    secret |= {"editor_url": "https://editor.example/?key=hunter2"}
    assert "hunter2" not in repr(Credentials.parse(secret))
