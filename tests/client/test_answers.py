"""An answer is complete and does not change, and its secrets are shown nowhere."""

import copy
import pickle
import traceback
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.client.desks import access, answer, document
from token_broker_client import Answer, Headers, Unreachable

SECRET = "token-1"
EDITOR: dict[str, Any] = {
    "flow": "vntana",
    "headers": {"x-api-token": SECRET},
    "url": f"https://editor.example/?apitoken={SECRET}",
}


def test_has_what_the_broker_said() -> None:
    """Under the contract's names; moments are aware of their zone."""
    found = answer(stale=True)
    assert found.headers["X-AUTH-TOKEN"] == "Bearer token-1"
    assert found.base_url == "https://api-platform.vntana.com"
    assert found.expires_at == datetime(2026, 11, 22, 11, tzinfo=UTC)
    assert found.expires_at - found.refresh_after == timedelta(minutes=5)
    assert (found.generation, found.stale, found.source, found.url) == (1, True, "table", None)
    assert found.context == {"organization": "uuid"}


def test_does_not_change() -> None:
    found = answer()
    with pytest.raises(FrozenInstanceError):
        found.base_url = "https://elsewhere"  # type: ignore[misc]  # that is the test
    with pytest.raises(TypeError):
        found.headers["X-AUTH-TOKEN"] = ""  # type: ignore[index]  # same
    with pytest.raises(TypeError):
        found.context["organization"] = ""  # type: ignore[index]  # same


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, "%s".__mod__])
def test_shows_no_secret(show: object) -> None:
    """Neither the answer nor its headers, however they are printed."""
    assert callable(show)
    found = answer(**EDITOR)
    for shown in (show(found), show(found.headers), show([found]), show(found.access)):
        assert SECRET not in shown
    assert found.fingerprint in show(found)
    assert "x-api-token=…" in show(found.headers)


def test_is_not_pickled() -> None:
    """A token in a queue, a cache or a crash dump would be a token that is kept."""
    for kept in (answer(), answer().headers):
        with pytest.raises(TypeError, match="ask the broker again"):
            pickle.dumps(kept)


def test_headers_are_a_mapping_that_copies_share() -> None:
    headers = answer().headers
    assert isinstance(headers, Headers)
    assert dict(headers) == {"X-AUTH-TOKEN": "Bearer token-1"}
    assert len(headers) == 1
    assert copy.copy(headers) is headers
    assert copy.deepcopy({"kept": headers})["kept"] is headers


def test_two_answers_of_one_token_are_equal() -> None:
    """Wherever the broker had it from, and whatever it came through."""
    assert answer(source="memory") == answer(source="exchange")
    assert answer(1) != answer(2)


@pytest.mark.parametrize(
    "nonsense",
    [
        {},
        {"hello": "world"},
        document() | {"expires_at": "soon"},
        document() | {"expires_at": None},
        document() | {"headers": None},
        document() | {"context": 1},
        document() | {"connection": "other"},
        document() | {"flow": "editor"},
    ],
)
def test_what_is_no_answer_is_refused_without_being_shown(nonsense: dict[str, object]) -> None:
    """Another tenant's least of all: a token is never used for what was not asked."""
    with pytest.raises(Unreachable) as caught:
        Answer.of(access(), nonsense)
    assert not caught.value.retryable
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_what_a_newer_broker_adds_is_no_harm() -> None:
    assert Answer.of(access(), document(novelty=1)).generation == 1
