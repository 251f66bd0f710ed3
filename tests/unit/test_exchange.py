"""Requests are validated, responses are parsed strictly, and conversations are driven."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations import NOW, contents, headers, statuses
from token_broker.errors import BrokerError, UpstreamContractChanged, UpstreamUnavailable
from token_broker.exchange import (
    Conversation,
    Exchange,
    NeedToken,
    Request,
    Response,
    no_other_tokens,
    run,
    sendable,
)
from token_broker.tokens import Token, Variant

TOKEN = Token("value", {}, "https://e.example", NOW, NOW + 1)


@pytest.mark.parametrize("value", ["a", "a/b+c==", "Bearer a", "~"])
def test_valid_header_values(value: str) -> None:
    assert sendable(value)


@pytest.mark.parametrize(
    "value",
    ["", " ", " a", "a ", "a\r\nb", "a\n", "a\tb", "a\x00", "\x7f", "é", None, 1, b"a", ["a"]],
)
def test_invalid_header_values(value: object) -> None:
    assert not sendable(value)


@pytest.mark.parametrize(
    "sent", [{"X-Api-Key": "a"}, {"x-api-key": "a\r\nb"}, {"x-api-key": ""}, {"x-api-key": " a"}]
)
def test_a_request_with_an_invalid_header_is_refused(sent: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^login: header "):
        Request("GET", "https://e.example", "login", headers=sent)


def test_the_error_of_an_invalid_header_does_not_show_its_value() -> None:
    with pytest.raises(ValueError, match="x-api-key") as error:
        Request("GET", "https://e.example", "login", headers={"x-api-key": "hunter2\n"})
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "body"),
    [
        pytest.param(None, b"", id="nothing is no body"),
        pytest.param({}, b"{}", id="an empty object is one"),
        pytest.param({"p": 'ö"\\'}, rb'{"p":"\u00f6\"\\"}', id="escaped, in ASCII"),
        pytest.param({"n": [1, 1.5, None, True]}, b'{"n":[1,1.5,null,true]}', id="types are kept"),
    ],
)
def test_a_json_body_is_ascii(value: object, body: bytes) -> None:
    """ASCII is the same in each charset that a content type may name."""
    assert Request("POST", "https://e.example", "login", json=value).body == body


@pytest.mark.parametrize(
    ("form", "body"),
    [
        pytest.param({}, b"", id="an empty form is no body"),
        pytest.param({"a": "b c&d=e+/%"}, b"a=b+c%26d%3De%2B%2F%25", id="escaped"),
        pytest.param({"p": "ö"}, b"p=%C3%B6", id="in UTF-8"),
        pytest.param({"a": "1", "b": "2"}, b"a=1&b=2", id="in order"),
    ],
)
def test_a_form_is_urlencoded(form: dict[str, str], body: bytes) -> None:
    request = Request("POST", "https://e.example", "login", {"x-api-key": "a"}, form=form)
    assert request.body == body
    assert request.headers == {
        "content-type": "application/x-www-form-urlencoded",
        "x-api-key": "a",
    }


def test_a_flow_may_set_the_content_type_of_its_form() -> None:
    """Some vendors require a charset."""
    own = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    request = Request("POST", "https://e.example", "login", own, form={"a": "b"})
    assert request.headers == own


def test_a_request_with_json_and_a_form_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^login: a body is ") as error:
        Request("POST", "https://e.example", "login", json={}, form={"p": "hunter2"})
    assert "hunter2" not in str(error.value)


def test_the_path_of_a_request_has_neither_query_nor_credentials() -> None:
    assert Request("GET", "https://u@e.example/a/b?secret#x", "login").path == "/a/b"


def test_requests_and_responses_have_no_secret_in_their_repr() -> None:
    url, secret = "https://e.example/?hunter2", {"p": "hunter2"}
    request = Request("POST", url, "login", headers={"x-api-key": "hunter2"}, json=secret)
    form = Request("POST", "https://e.example", "login", form=secret)
    response = Response(200, {"x-auth-token": "hunter2"}, b"hunter2")
    assert "hunter2" not in f"{request} {form} {response}"


@pytest.mark.parametrize(
    ("status", "is_success"),
    [(199, False), (200, True), (204, True), (299, True), (300, False), (404, False)],
)
def test_only_2xx_is_a_success(status: int, is_success: bool) -> None:
    assert Response(status).is_success is is_success


SUNDAY = "Sun, 22 Nov 2026 07:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        (" 7 ", None, 7),
        ("0", None, 0),
        ("3601", None, 3600),
        ("9" * 9999, None, 3600),
        ("-1", None, None),
        ("1.5", None, None),
        ("²", None, None),
        ("\u0667", None, None),
        ("", None, None),
        (None, SUNDAY, None),
        (SUNDAY, None, None),
        ("Sun, 22 Nov 2026 07:00:07 GMT", SUNDAY, 7),
        ("Sun, 22 Nov 2026 06:59:00 GMT", SUNDAY, 0),
        ("Mon, 23 Nov 2026 07:00:00 GMT", SUNDAY, 3600),
        ("Sunday, 22-Nov-26 07:00:07 GMT", SUNDAY, 7),
        (SUNDAY, "yesterday", None),
        (SUNDAY, "", None),
        ("Sun, 22 Nov 2026 07:00:07 -0000", SUNDAY, None),
        ("Sun, 99 Nov 2026 07:00:07 GMT", SUNDAY, None),
        (f"Sun, 22 Nov {'9' * 40} 07:00:07 GMT", SUNDAY, None),
    ],
)
def test_retry_after_is_read_from_seconds_or_a_date(
    value: str | None, date: str | None, seconds: int | None
) -> None:
    """A date is relative to the upstream's own clock."""
    fields = {"retry-after": value, "date": date}
    sent = {name: text for name, text in fields.items() if text is not None}
    assert Response(429, sent).retry_after == seconds


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_429_and_5xx_raise_upstream_unavailable(status: int) -> None:
    with pytest.raises(UpstreamUnavailable, match=f"^login: .*{status}$") as error:
        Response(status, {"retry-after": "7"}).reached("login")
    assert (error.value.upstream_status, error.value.retry_after) == (status, 7)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 428, 430, 499])
def test_other_statuses_are_returned(status: int) -> None:
    response = Response(status)
    assert response.reached("login") is response
    assert (response.headers, response.content) == ({}, b"")


@pytest.mark.parametrize(
    ("content", "kind", "is_html"),
    [
        (b"<!doctype html>", "", True),
        (b" \r\n<html>", "application/json", True),
        (b"\xef\xbb\xbf\n<html>", "text/plain", True),
        (b"Bad gateway", "Text/HTML ; charset=utf-8", True),
        (b"Bad gateway", "text/plain", False),
        (b'\n{"success": false}', "text/html", False),
        (b"[]", "text/html", False),
        (b"", "text/html", False),
        (b"null", "application/json", False),
    ],
)
def test_html_is_detected_by_its_first_character_or_its_type(
    content: bytes, kind: str, is_html: bool
) -> None:
    """An HTML page is not taken for a rejection."""
    response = Response(403, {"content-type": kind} if kind else {}, content)
    assert response.is_html is is_html
    message = "^login: the answer is an HTML page$"
    with pytest.raises(UpstreamContractChanged, match=message) if is_html else nullcontext():
        assert response.readable("login") is response


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b'{"a":', b"[1]", b"null", b'"a"', b"\xff\xfe", b"[" * 99_999]
)
def test_a_body_that_is_not_a_json_object_is_an_error(content: bytes) -> None:
    with pytest.raises(UpstreamContractChanged, match=r"^login: .* JSON object$") as error:
        Response(200, {}, content).object("login")
    assert error.value.upstream_status == 200


READERS: list[Callable[[Response], Any]] = [
    Response.json,
    lambda response: response.object("login"),
    lambda response: response.reached("login"),
    lambda response: response.retry_after,
    lambda response: response.is_success,
]


@given(st.builds(Response, statuses, headers, contents))
def test_any_response_is_read_or_raises_a_documented_error(response: Response) -> None:
    """The error quotes nothing of the body."""
    for content in (response.content, response.content + b"c4nary", b'"c4nary"', b"<p>c4nary"):
        for read in READERS:
            try:
                read(Response(response.status, response.headers, content))
            except BrokerError as error:
                assert "c4nary" not in json.dumps(error.problem())  # noqa: PT017 (or none)


def two_steps() -> Exchange:
    """Need a token, send a request, and combine both results."""
    other: Token = yield NeedToken(Variant("organization"))
    response: Response = yield Request("GET", "https://e.example", "list")
    return Token(f"{other.value}{response.status}", {}, "https://e.example", NOW, NOW + 1)


def test_a_conversation_is_driven_to_its_end() -> None:
    assert run(two_steps(), lambda _: Response(204), lambda _: TOKEN) == Token(
        "value204", {}, "https://e.example", NOW, NOW + 1
    )


def test_by_default_a_token_of_another_variant_is_an_error() -> None:
    with pytest.raises(LookupError, match="organization"):
        run(two_steps(), lambda _: Response(204))
    with pytest.raises(LookupError):
        no_other_tokens(NeedToken(Variant("listing")))


def test_a_conversation_may_send_no_request() -> None:
    def silent() -> Conversation[Token]:
        return TOKEN
        yield Request("GET", "https://e.example", "never")

    assert run(silent(), lambda _: Response(500)) == TOKEN


def test_a_stop_iteration_of_a_fake_does_not_end_the_conversation() -> None:
    """It must not be taken for the result of the exchange."""
    answers = iter(list[Response]())
    with pytest.raises(StopIteration) as error:
        run(two_steps(), lambda _: next(answers), lambda _: TOKEN)
    assert error.value.value is None


def test_an_error_of_the_network_is_raised_past_the_flow() -> None:
    def down(_: Request) -> Response:
        raise UpstreamUnavailable("login: no answer")

    with pytest.raises(UpstreamUnavailable):
        run(two_steps(), down, lambda _: TOKEN)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b'{"a": [NaN]}'])
def test_nan_and_infinity_are_not_json(number: bytes) -> None:
    """Python's parser accepts them."""
    assert Response(200, {}, number).json() is None
