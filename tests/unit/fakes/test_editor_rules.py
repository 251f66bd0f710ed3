"""The fake enforces Graebert's documented rules for the editor's tokens."""

import json
import re
from typing import Any

import pytest

from tests.unit.fakes.editor_client import NOW, client
from tests.unit.fakes.entrances import Ask
from token_broker.exchange import Response

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def is_wrong(response: Response) -> bool:
    """Say whether this is the one refusal, whose text only looks like JSON."""
    text = response.content.decode().strip()
    assert text[0] == "{"
    assert text[-1] == "}"
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    return response.status == 403 and "Wrong token" in text


def test_generate_returns_a_uuid_and_its_expiry(ask: Ask) -> None:
    """The expiry is in seconds since the epoch."""
    answer = client(ask).generate({"userId": "1", "file": "a.dwg"}).json()
    assert answer.keys() == {"token", "expiration_time"}
    assert re.fullmatch(UUID, answer["token"])
    assert answer["expiration_time"] == NOW + 3600


@pytest.mark.parametrize("key", ["wrong", '"key"'])
def test_a_wrong_key_is_refused(ask: Ask, key: str) -> None:
    """So is a key in quotes, as in the documents' sample."""
    assert is_wrong(client(ask).generate({"userId": "1"}, key))


@pytest.mark.parametrize("token", ["wrong", "key", ""])
def test_a_wrong_token_gets_the_response_of_a_wrong_key(ask: Ask, token: str) -> None:
    headers = {"x_api_token": token} if token else {}
    assert is_wrong(client(ask).get("verify", **headers))


def test_verify_returns_the_parameters_unchanged(ask: Ask) -> None:
    """In type and content, also unknown ones; ``auth`` is derived from the key."""
    parameters: dict[str, Any] = {
        "userId": 1,
        "isViewOnly": True,
        "server": "https://api.example.com/?a=1&b=ü",
        "unknown": {"list": [1, 2.5, None, "ü"]},
    }
    visitor = client(ask)
    tokens = [visitor.generate(parameters | more).json()["token"] for more in ({}, {"auth": "me"})]
    assert tokens[0] != tokens[1]
    for token in tokens:
        assert visitor.verify(token).json() == parameters | {"auth": "application"}


@pytest.mark.parametrize("parameters", [[1], "text", {"file": "a.dwg"}, {"userId": ""}])
def test_invalid_parameters_are_refused(ask: Ask, parameters: object) -> None:
    """They must be an object with a user, declared as JSON."""
    assert client(ask).generate(parameters).status == 400
    assert client(ask).generate({"userId": "1"}, **{"content-type": "text/plain"}).status == 400


def test_the_editor_opens_with_a_token_in_the_query(ask: Ask) -> None:
    """A page with escaped parameters, until the token expires."""
    visitor = client(ask)
    token = visitor.token(file="<script>ü</script>")
    page = visitor.get(f"editor?locale=en&apitoken={token}")

    assert page.status == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "&lt;script&gt;ü" in page.content.decode()
    assert is_wrong(visitor.get("editor"))
    visitor.fake.advance(3599)
    assert visitor.verify(token).is_success
    visitor.fake.advance(1)
    assert is_wrong(visitor.verify(token))


@pytest.mark.parametrize(("path", "status"), [("generate", 405), ("token", 404)])
def test_unknown_routes_are_refused_and_recorded(ask: Ask, path: str, status: int) -> None:
    """In ``log.unknown``."""
    visitor = client(ask)
    assert visitor.get(path).status == status
    assert visitor.fake.log.unknown == [f"GET /{path}"]


def test_one_or_all_tokens_can_be_revoked(ask: Ask) -> None:
    visitor = client(ask)
    token = visitor.token()
    visitor.token()
    assert visitor.fake.revoke(token) == 1
    assert is_wrong(visitor.verify(token))
    assert (visitor.fake.revoke(), visitor.fake.revoke()) == (1, 0)


def test_the_description_lists_live_tokens(ask: Ask) -> None:
    """With their parameters, and without a key."""
    visitor = client(ask)
    visitor.fake.keys = {"key-that-is-secret": "application"}
    issued = visitor.fake.issue(userId="1", file="a.dwg")
    shown = visitor.fake.describe()
    assert shown["applications"] == ["application"]
    assert shown["tokens"] == [
        {
            "token": issued["headers"]["x-api-token"],
            "parameters": {"userId": "1", "file": "a.dwg"},
            "expires_at": NOW + 3600,
        }
    ]
    assert "secret" not in f"{shown} {visitor.fake!r}"
    visitor.fake.advance(3600)
    assert visitor.fake.describe()["tokens"] == []
