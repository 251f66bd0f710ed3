"""An answer is complete and does not change, and its secrets are shown nowhere."""

import copy
import dataclasses
import json
import pickle
import traceback
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import requests
import urllib3

from tests.client.channels import access, answer, document
from tests.client.systems import refused
from tests.waiting import PATIENCE_SECONDS
from token_broker_client import Answer, Headers, Unreachable
from token_broker_fakes import FakeVntana

SECRET = "token-1"
EDITOR: dict[str, Any] = {
    "flow": "vntana",
    "headers": {"x-api-token": SECRET},
    "url": f"https://editor.example/?apitoken={SECRET}",
}


def test_an_answer_has_the_members_of_the_response() -> None:
    """Under the names of the contract; times are aware datetimes."""
    source = access()
    found = Answer.of(source, document(stale=True))
    assert found.access is source
    assert not answer(stale="yes").stale
    assert found.headers["X-AUTH-TOKEN"] == "Bearer token-1"
    assert found.base_url == "https://api-platform.vntana.com"
    assert found.expires_at == datetime(2026, 11, 22, 11, tzinfo=UTC)
    assert found.expires_at - found.refresh_after == timedelta(minutes=5)
    assert (found.generation, found.stale, found.source, found.url) == (1, True, "table", None)
    assert found.context == {"organization": "uuid"}


def test_an_answer_is_immutable() -> None:
    found = answer()
    with pytest.raises(FrozenInstanceError):
        found.base_url = "https://elsewhere"  # type: ignore[misc]  # that is the test
    with pytest.raises(TypeError):
        found.headers["X-AUTH-TOKEN"] = ""  # type: ignore[index]  # same
    with pytest.raises(TypeError):
        found.context["organization"] = ""  # type: ignore[index]  # same


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, "%s".__mod__])
def test_an_answer_shows_no_secret(show: object) -> None:
    """Neither the answer nor its headers nor its access, however they are printed."""
    assert callable(show)
    found = answer(**EDITOR)
    for shown in (show(found), show(found.headers), show([found]), show(found.access)):
        assert SECRET not in shown
    assert found.fingerprint in show(found)
    names = [field.partition("=")[0] for field in show(found).partition("(")[2].split(", ")]
    assert {"headers", "url", "access"}.isdisjoint(names)
    assert show(found.headers | {"Accept": SECRET}) == "Headers(x-api-token=…, Accept=…)"


def test_an_answer_cannot_be_pickled() -> None:
    """A token in a queue, a cache or a crash dump would be stored."""
    message = "^these headers hold a token, which is not pickled: ask the broker again$"
    for kept in (answer(), answer().headers):
        with pytest.raises(TypeError, match=message):
            pickle.dumps(kept)


def test_headers_are_a_mapping_and_copies_are_the_same_object() -> None:
    values = {"X-AUTH-TOKEN": "Bearer token-1"}
    headers = Headers(values)
    values.clear()
    assert isinstance(answer().headers, Headers)
    assert dict(headers) == {"X-AUTH-TOKEN": "Bearer token-1"}
    assert len(headers) == 1
    assert copy.copy(headers) is headers
    assert copy.deepcopy({"kept": headers})["kept"] is headers


def test_headers_are_accepted_by_requests_httpx_and_urllib3(fake_vntana: FakeVntana) -> None:
    """urllib3 copies them and adds its own."""
    fake_vntana.data["GET", "/v1/products"] = []
    issued = fake_vntana.issue()
    headers, url = answer(**issued).headers, f"{issued['base_url']}/v1/products"
    for get in (requests.get, httpx.get):
        assert get(url, headers=headers, timeout=PATIENCE_SECONDS).status_code == 200
    proxy = urllib3.ProxyManager(fake_vntana.url)  # the fake is no proxy, so that it answers 404
    for pool, status in ((urllib3.PoolManager(), 200), (proxy, 404)):
        with pool:
            assert pool.request("GET", url, headers=headers, retries=False).status == status
            assert dict(fake_vntana.log[-1].headers)["X-AUTH-TOKEN"] == headers["X-AUTH-TOKEN"]


def test_headers_merge_with_other_mappings() -> None:
    """As dicts do: the right operand wins. The result shows no value."""
    headers = answer().headers
    more = headers | {"Accept": "text/plain"}
    assert dict(more) == {"X-AUTH-TOKEN": "Bearer token-1", "Accept": "text/plain"}
    assert dict({"X-AUTH-TOKEN": "old"} | headers) == dict(headers)
    assert dict(headers | {"X-AUTH-TOKEN": "new"}) == {"X-AUTH-TOKEN": "new"}
    assert SECRET not in repr(more) + repr({"a": "b"} | headers)
    assert dict(headers) == {"X-AUTH-TOKEN": "Bearer token-1"}
    own = headers.copy()
    own["X-AUTH-TOKEN"] = ""
    assert headers["X-AUTH-TOKEN"] == "Bearer token-1"
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = headers | 5  # type: ignore[operator]  # that is the test
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = 5 | headers  # type: ignore[operator]  # same


def test_an_answer_can_be_copied_hashed_and_made_a_dict() -> None:
    """Its context can be written as JSON, and pickled as a plain dict."""
    found = answer()
    assert json.loads(json.dumps(found.context)) == {"organization": "uuid"}
    assert copy.deepcopy(found) is copy.copy(found) is found
    assert copy.deepcopy([found.context, found.access]) == [found.context, found.access]
    assert {found: 1}[answer(source="exchange")] == 1
    assert dataclasses.asdict(found)["context"] == {"organization": "uuid"}
    assert SECRET not in repr(dataclasses.asdict(found))
    elsewhere = pickle.loads(pickle.dumps(found.context))  # noqa: S301 (our own)
    assert (type(elsewhere), elsewhere) == (dict, found.context)  # which needs nothing of ours


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.update(a=1),
        lambda it: it.pop("organization"),
        lambda it: it.popitem(),
        lambda it: it.clear(),
        lambda it: it.setdefault("a", 1),
        lambda it: it.__delitem__("organization"),
        lambda it: it.__ior__({"a": 1}),
    ],
)
def test_the_context_of_an_answer_is_immutable(change: Any) -> None:
    found = answer()
    message = "^an answer's context does not change: make a dict of it first$"
    with pytest.raises(TypeError, match=message):
        change(found.context)
    assert found.context == {"organization": "uuid"}


def test_answers_with_the_same_token_are_equal() -> None:
    """Whatever their source; another context or `stale` makes a difference."""
    assert answer(source="memory") == answer(source="exchange")
    assert answer(1) != answer(2)
    assert answer(1) != answer(1, stale=True)
    assert answer(1) != answer(1, context={})


@pytest.mark.parametrize(
    "invalid",
    [
        {},
        *[{name: it for name, it in document().items() if name != absent} for absent in document()],
        document() | {"expires_at": "soon"},
        document() | {"expires_at": None},
        document() | {"expires_at": "2026-11-22T11:00:00"},
        document() | {"refresh_after": 5},
        document() | {"headers": None},
        document() | {"headers": {"X-AUTH-TOKEN": None}},
        document() | {"base_url": 5},
        document() | {"fingerprint": None},
        document() | {"url": 5},
        document() | {"context": 1},
        document() | {"connection": "other"},
        document() | {"flow": "editor"},
    ],
)
def test_an_invalid_answer_is_refused_and_not_shown(invalid: dict[str, object]) -> None:
    """Also one of another connection or flow: its token is never used."""
    with refused(Unreachable, "what answered is not the broker, or has another version") as caught:
        Answer.of(access(), invalid)
    assert caught.value.retryable is False
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_unknown_members_of_an_answer_are_ignored() -> None:
    assert Answer.of(access(), document(novelty=1)).generation == 1
