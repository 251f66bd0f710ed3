"""What a person is asked for a secret, and what becomes of the answers."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.subjects import FLOWS
from token_broker_cli.questions import ask_for_secret, is_same_login
from token_broker_cli.settings import LocalSystem
from token_broker_descriptors import asked, every

Asked = tuple[str, str | None, bool]
"""Its text, what it proposes, and whether the answer is typed unseen; None has to be answered."""
Ask = Callable[..., tuple[dict[str, Any], list[Asked]]]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Return what has a flow's questions answered; it returns the document and the questions."""

    def ask(
        flow: str, kept: Mapping[str, Any], answers: str = "", local: LocalSystem | None = None
    ) -> tuple[dict[str, Any], list[Asked]]:
        typed, seen = answers.split("|"), list[Asked]()

        def prompt(text: str, *, default: str | None, hide_input: bool, show_default: bool) -> str:
            assert show_default == bool(default and not hide_input)
            seen.append((text, default, hide_input))
            return (typed.pop(0) if typed else "") or default or ""

        monkeypatch.setattr("typer.prompt", prompt)
        return ask_for_secret(flow, kept, local), seen

    return ask


PIN = "Pinned, so that callers may not choose it (of {})"
KEPT = {"organization": "acme", "host": "x.nl", "token_url": "https://t", "password": "p"}
QUESTIONS: dict[str, list[Asked]] = {
    "vntana": [
        ("Personal access token (empty: log in by e-mail)", "", True),
        ("E-mail", None, False),
        ("Password", None, True),
        ("Organization, uuid or slug", "acme", False),
        ("Workspace, uuid or slug (empty: none)", "", False),
        ("Address", "http://127.0.0.1:8082", False),
        (PIN.format("organization; empty: none"), "", False),
    ],
    "vendorlink": [
        ("User name", None, False),
        ("Password", None, True),
        ("Host", "x.nl", False),
    ],
    "editor": [
        ("API key", None, True),
        ("Address of the editor", "http://127.0.0.1:8084/editor", False),
        ("Address of the token service", "https://t", False),
    ],
}


@pytest.mark.parametrize("flow", QUESTIONS)
def test_each_question_proposes_the_stored_value_or_the_local_address(ask: Ask, flow: str) -> None:
    """But no secret. Keys without a question stay in the document."""
    document, seen = ask(flow, KEPT, local=LocalSystem())
    assert seen == QUESTIONS[flow]
    asks = {one.key for one in asked(every()[flow].questions)}
    assert {key: KEPT[key] for key in KEPT.keys() - asks}.items() <= document.items()
    assert "password" not in document.keys() & asks


USUAL, OTHER = {"host": "app.vendorlink.nl"}, {"host": "other.vendorlink.nl"}
HTTPS = {"scheme": "https"}


@pytest.mark.parametrize(
    ("kept", "typed", "place"),
    [
        ({}, "", USUAL),
        ({"host": 5}, "", USUAL),
        (OTHER, "", OTHER),
        (OTHER, " app.vendorlink.nl ", USUAL),
        ({"host": "127.0.0.1:8083", "scheme": "http"}, "app.vendorlink.nl", USUAL),
        (OTHER | HTTPS, "", OTHER | HTTPS),
        (OTHER | HTTPS, "localhost:1", {"host": "localhost:1", "scheme": "http"}),
    ],
)
def test_a_place_is_proposed_until_another_is_typed(
    ask: Ask, kept: Mapping[str, Any], typed: str, place: Mapping[str, str]
) -> None:
    """What is no text is not proposed. What loopback has goes with it."""
    document, _ = ask("vendorlink", kept, f"demo|secret|{typed}")
    assert document == {"username": "demo", "password": "secret", **place}


EDITOR = {"parameters": {"userId": "7", "n": 0}}
EDITED = EDITOR | {"api_key": "key", "editor_url": "https://e.example"}
OPTIONS = {"organization": "acme", "options": {"lifetime": 9}}
BY_MAIL = OPTIONS | {"email": "a@b.c", "password": "old"}


@pytest.mark.parametrize(
    ("flow", "kept", "answers", "document"),
    [
        pytest.param(
            "editor",
            EDITED | {"token_url": "https://old.example", "pinned": "userId"},
            "key||https://tokens.kudo.graebert.com|",
            EDITED,
            id="an implied default is not stored",
        ),
        pytest.param(
            "vntana",
            BY_MAIL | {"pinned": ["organization"]},
            "key||||-",
            OPTIONS | {"personal_access_token": "key"},
            id="another kind of login, and no pin",
        ),
        pytest.param(
            "vntana",
            BY_MAIL,
            "|c@d.e|new||||organization",
            BY_MAIL | {"email": "c@d.e", "password": "new", "pinned": ["organization"]},
            id="another password, and a pin",
        ),
    ],
)
def test_an_answer_replaces_what_is_kept(
    ask: Ask, flow: str, kept: Mapping[str, Any], answers: str, document: Mapping[str, Any]
) -> None:
    """What is not asked for stays."""
    assert ask(flow, kept, answers)[0] == document


@pytest.mark.parametrize(
    ("flow", "kept", "pins", "proposed"),
    [
        ("vntana", OPTIONS | {"pinned": ["organization"]}, "organization", "organization"),
        ("vntana", OPTIONS | {"pinned": []}, "organization; empty: none", ""),
        ("editor", EDITOR | {"pinned": "userId"}, "userId, n; empty: none", ""),
    ],
)
def test_a_pin_is_proposed_again(
    ask: Ask, flow: str, kept: dict[str, Any], pins: str, proposed: str
) -> None:
    """Of each parameter that the secret sets, also to 0."""
    document, seen = ask(flow, kept, "key")
    assert seen[-1] == (PIN.format(pins), proposed, False)
    assert document.get("pinned") == ([proposed] if proposed else None)


@pytest.mark.parametrize("flow", FLOWS)
def test_secret_questions_are_hidden(flow: str) -> None:
    """Names and addresses are not."""
    questions = [*asked(every()[flow].questions)]
    assert any(question.is_secret for question in questions)
    for question in questions:
        if re.search("(password|token|key)$", question.key):
            assert question.is_secret, question.key
        if re.search("(name|url|host)$", question.key) or question.default or question.local:
            assert not question.is_secret, question.key


@pytest.mark.parametrize(
    ("flow", "keys"),
    {
        "vntana": {"personal_access_token", "email", "password", "base_url"},
        "vendorlink": {"username", "password", "host"},
        "editor": {"api_key", "token_url"},
    }.items(),
)
def test_a_login_is_compared_by_its_deciding_keys(flow: str, keys: set[str]) -> None:
    """The keys that name the account, the credentials and the address."""
    one = dict.fromkeys(keys, "x")
    assert is_same_login(flow, one, one | {"options": {}, "organization": "y"})
    others = {one.key for one in asked(every()[flow].questions)} | {"options", "another"}
    assert {key for key in others if not is_same_login(flow, one, one | {key: "y"})} == keys
