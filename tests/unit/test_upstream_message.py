"""The vendor's message in errors and logs: short, printable, and masked."""

import base64
import json
import re
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from token_broker import upstream_message as module
from token_broker.errors import UpstreamRefused
from token_broker.exchange import Request, Response
from token_broker.upstream_message import quoted, upstream_message

SECRET = {"username": "ann", "password": "pä ss/w0rd", "host": "app.vendorlink.nl", "pin": 4711}
SECRET["answer"] = " c4 nary\n"
TOKEN = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"
REQUEST = Request(
    "POST",
    "https://app.vendorlink.nl/API/auth/login",
    "login",
    headers={"authorization": f"Bearer {TOKEN}", "content-type": "application/json"},
    json={"u": "ann", "p": "pä ss/w0rd", "file": "plan 7"},
)


def shown(body: object, secret: object = SECRET, **headers: str) -> str | None:
    content = body if isinstance(body, str) else json.dumps(body)
    return upstream_message(Response(403, headers, content.encode()), REQUEST, secret)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({"message": "Account is locked"}, "Account is locked", id="a message"),
        pytest.param({"errors": ["CLIENT_BLOCKED"]}, "CLIENT_BLOCKED", id="codes"),
        pytest.param(
            {"errors": [{"code": 7}, {"message": "No seat"}, {"message": "No key"}]},
            "No seat; No key",
            id="errors as objects",
        ),
        pytest.param(
            {"error": "invalid_client", "error_description": "Unknown client"},
            "Unknown client; invalid_client",
            id="OAuth's, the description first",
        ),
        pytest.param({"title": "Forbidden", "detail": "No"}, "No; Forbidden", id="a problem's"),
        pytest.param({"reason": "No right"}, "No right", id="a reason"),
        pytest.param({"Data": {"message": "deep"}}, None, id="what is deeper is not looked for"),
        pytest.param("{\nWrong token\n}", "{ Wrong token }", id="a text that is no JSON"),
        pytest.param('"Wrong key"', "Wrong key", id="a JSON text"),
        pytest.param("<html><TITLE>Denied by x</TITLE>", "Denied by x", id="a page's title"),
        pytest.param(f"{'<p>':16376}<title>ab", "a", id="of a page, its first 16,384 bytes"),
        pytest.param("<html><p>no title", None, id="a page without a title"),
        pytest.param("", None, id="nothing"),
        pytest.param("\x00\x1b[2J\u202e", "[2J", id="what is not printable"),
        pytest.param({"message": "x " * 300}, ("x " * 100)[:199] + " ", id="200 characters"),
    ],
)
def test_the_message_is_found_in_each_kind_of_body(body: object, message: str | None) -> None:
    assert shown(body) == message


@pytest.mark.parametrize("own", [None, "a text that a flow took out of the answer"])
def test_an_error_has_the_masked_message_alone(own: str | None) -> None:
    last = REQUEST, Response(403, {}, b'{"message": "No seat for c4 nary"}')
    error = quoted(UpstreamRefused("login: refused", upstream_message=own), last, SECRET)
    assert (error.upstream_status, error.upstream_message) == (403, "No seat for ***")
    assert (
        quoted(UpstreamRefused("login: refused"), (REQUEST, None), SECRET).upstream_status is None
    )


@pytest.mark.parametrize("body", ['{"token": "0e44c407-48e', '{"plpass": "of a caller', "0e44c407"])
def test_a_success_that_cannot_be_read_is_not_quoted(body: str) -> None:
    """It may be a part of a token or of a caller's parameters, which does not look like one."""
    assert upstream_message(Response(200, {}, body.encode()), REQUEST, SECRET) is None


@pytest.mark.parametrize(
    "echoed",
    [
        *("pä ss/w0rd", "PÄ SS/W0RD", quote("pä ss/w0rd", safe="")),
        json.dumps("pä ss/w0rd")[1:-1],
        base64.b64encode("pä ss/w0rd".encode()).decode(),
        *("ann", "4711", "plan 7", "c4 nary", TOKEN, "app.vendorlink.nl"),
        *("c1a0e4f2-8d1b-4c55-9a57-6f2a1b3c4d5e", "mzc18Xp0mzc18Xp0==", "mzc1annXp0mzc18Xp0=="),
    ],
)
def test_values_of_secret_and_request_and_token_like_texts_are_masked(echoed: str) -> None:
    """In each encoding."""
    assert shown({"message": f"no {echoed} here"}) == "no *** here"


def test_values_of_a_form_are_masked() -> None:
    sent = Request("POST", "https://e.example/token", "login", form={"client_secret": "s3-cret w"})
    response = Response(400, {}, b"bad client_secret=s3-cret+w")
    assert upstream_message(response, sent, {}) == "bad client_secret=***"


@pytest.mark.parametrize(
    ("secret", "said", "message"),
    [
        pytest.param("1", "user 1 of 100", "user *** of 100", id="not every digit"),
        pytest.param("ab", "ab xabx 6162", "*** xabx 6162", id="two characters: as a word"),
        pytest.param("abc", "abc xabcx", "*** x***x", id="three: within a word, too"),
        pytest.param(["zzz", "abzzz"], "no abzzz", "no ***", id="the longest value first"),
        pytest.param([True, None], "True or None", "True or None", id="neither is a value"),
        pytest.param("a\ud800bc", "no a bc", "no a bc", id="a text that is no UTF-8"),
    ],
)
def test_values_are_masked_longest_first_and_short_ones_as_words(
    secret: object, said: str, message: str
) -> None:
    assert shown({"message": said}, secret={"value": secret}) == message


def test_the_last_word_of_a_header_is_masked() -> None:
    request = Request("GET", "https://vendor/", "check", headers={"x-key": "Key of s3cret"})
    answer = Response(403, {}, b"\xffno s3cret")
    assert upstream_message(answer, request, {}) == "\ufffdno ***", "bytes that are no UTF-8, too"


bodies = st.recursive(
    st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


@given(bodies)
def test_the_message_is_bounded_and_printable_for_any_body(body: Any) -> None:
    """At most 200 characters, or None."""
    message = shown(body)
    assert message is None or (0 < len(message) <= 200 and message.isprintable())


@given(st.text(alphabet="abcXYZ0189 %&<>\"'/+äß\\", min_size=3, max_size=30))
def test_any_password_is_masked(password: str) -> None:
    """With quotes, blanks, non-ASCII and special characters."""
    message = shown({"message": f"no such user: {password}!"}, secret={"password": password})
    assert password.strip() == "" or password.strip() not in (message or "")


def test_each_cookie_is_masked() -> None:
    """Its value, too: a vendor may name the session that it does not know."""
    cookies = {"cookie": "S=a1b2c; T=d3e4f=="}
    request = Request("GET", "https://vendor/", "check", headers=cookies)
    answer = Response(403, {}, b'{"message": "no session a1b2c of d3e4f=="}')
    assert upstream_message(answer, request, {}) == "no session *** of ***"


def test_a_header_is_masked_unless_it_is_public() -> None:
    response = Response(403, {}, b'{"message": "a1b2c is wrong"}')
    values = {"authorization": "Basic a1b2c", "x-api-key": "a1b2c"}
    for name in ("authorization", "x-api-key", "accept", "content-type"):
        headers = {name: values.get(name, "a1b2c")}
        request = Request("GET", "https://vendor/", "check", headers=headers)
        shown = "*** is wrong" if name in values else "a1b2c is wrong"
        assert upstream_message(response, request, {}) == shown


def test_the_work_for_a_message_does_not_grow_with_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A call may have any number of parameters; only those that the answer quotes are masked."""
    compiled = list[str]()

    def sub(pattern: str, *rest: Any, **flags: Any) -> str:
        compiled.append(pattern)
        return re.sub(pattern, *rest, **flags)

    monkeypatch.setattr(module, "re", SimpleNamespace(**vars(re) | {"sub": sub}))
    for body, shown in ((b"", None), (b"No 10007 for a seat", "No *** for a seat")):
        counts = []
        for size in (10, 10_000):
            values = [str(10_000 + number) for number in range(size)]
            request = Request("POST", "https://vendor/", "generate", json={"list": values})
            compiled.clear()
            assert upstream_message(Response(403, {}, body), request, {}) == shown
            counts.append(len(compiled))
        assert counts[0] == counts[1] <= (10 if body else 0)


def test_a_value_is_found_in_every_case_that_its_pattern_matches() -> None:
    """Of all characters with a case: the search before the pattern loses none."""
    every = map(chr, range(sys.maxunicode + 1))
    cased = "".join(c for c in every if not c == c.lower() == c.upper())
    for one in cased:
        for same in re.findall(re.escape(one), cased, re.IGNORECASE):
            assert module._folded(one) in module._folded(f"a{same}"), (one, same)


@pytest.mark.parametrize(
    ("value", "encodings"),
    [
        ("a1b2", ("YTFiMg==", "YTFiMg", "61316232", "a1b2", "A1B2")),
        ("a&b<c", ("a&b<c", "a&amp;b&lt;c", "a&#38;b&#60;c")),
    ],
)
def test_a_short_secret_is_masked_in_each_encoding(value: str, encodings: Sequence[str]) -> None:
    """However deep it is in the secret; in HTML's entities, too."""
    for echoed in encodings:
        for secret in ({"pin": value}, {"pins": ["x", {"one": value}]}):
            assert shown({"message": f"wrong: {echoed}!"}, secret) == "wrong: ***!"
