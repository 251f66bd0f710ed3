"""Requests are validated, responses are parsed strictly, and conversations are driven."""

import pytest

from tests.conversations import NOW
from token_broker.errors import UpstreamContractChanged, UpstreamUnavailable
from token_broker.exchange import (
    Conversation,
    Cookie,
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


ODD_HEADERS = ["", " ", " a", "a ", "a\r\nb", "a\n", "a\tb", "a\x00", "\x7f", "é"]


def test_header_values_are_printable_ascii_without_outer_blanks() -> None:
    assert all(map(sendable, ("a", "a/b+c==", "Bearer a", "~")))
    assert not any(map(sendable, (*ODD_HEADERS, None, 1, b"a", ["a"])))


def test_a_request_with_an_invalid_header_is_refused() -> None:
    """The error does not show its value."""
    for sent in ({"X-Api-Key": "a"}, *({"x-api-key": odd} for odd in ("", " a", "hunter2\r\nb"))):
        with pytest.raises(ValueError, match=r"^login: header ") as error:
            Request("GET", "https://e.example", "login", headers=sent)
        assert "hunter2" not in str(error.value)


def test_a_json_body_is_ascii() -> None:
    """ASCII is the same in each charset that a content type may name. Types are kept."""
    for value, body in (
        (None, b""),
        ({}, b"{}"),
        ({"p": 'ö"\\'}, rb'{"p":"\u00f6\"\\"}'),
        ({"n": [1, 1.5, None, True]}, b'{"n":[1,1.5,null,true]}'),
    ):
        assert Request("POST", "https://e.example", "login", json=value).body == body


def test_a_form_is_urlencoded() -> None:
    """In UTF-8, in order. An empty form is no body. A flow may set another content type.

    A request has JSON or a form.
    """
    forms: dict[bytes, dict[str, str]] = {
        b"": {},
        b"a=b+c%26d%3De%2B%2F%25": {"a": "b c&d=e+/%"},
        b"p=%C3%B6": {"p": "ö"},
        b"a=1&b=2": {"a": "1", "b": "2"},
    }
    kind = {"content-type": "application/x-www-form-urlencoded", "x-api-key": "a"}
    for body, form in forms.items():
        request = Request("POST", "https://e.example", "login", {"x-api-key": "a"}, form=form)
        assert (request.body, request.headers) == (body, kind)
    own = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert Request("POST", "https://e.example", "login", own, form={"a": "b"}).headers == own
    with pytest.raises(ValueError, match=r"^login: a body is ") as error:
        Request("POST", "https://e.example", "login", json={}, form={"p": "hunter2"})
    assert "hunter2" not in str(error.value)


def test_requests_and_responses_have_no_secret_in_path_or_repr() -> None:
    assert Request("GET", "https://u@e.example/a/b?secret#x", "login").path == "/a/b"
    url, secret = "https://e.example/?hunter2", {"p": "hunter2"}
    request = Request("POST", url, "login", headers={"x-api-key": "hunter2"}, json=secret)
    form = Request("POST", "https://e.example", "login", form=secret)
    response = Response(200, {"x-auth-token": "hunter2"}, b"hunter2")
    assert "hunter2" not in f"{request} {form} {response} {Cookie('hunter2')}"


SUNDAY = "Sun, 22 Nov 2026 07:00:00 GMT"
NINES = "9" * 40
ST = {"S": Cookie("a"), "T": Cookie("b")}


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        *((value, None, 7) for value in (" 7 ", "7")),
        ("0", None, 0),
        *((value, None, 3600) for value in ("3601", "9" * 9999)),
        *((odd, None, None) for odd in ("-1", "1.5", "²", "\u0667", "", SUNDAY)),
        ("Sun, 22 Nov 2026 07:00:07 GMT", SUNDAY, 7),
        ("Sun, 22 Nov 2026 06:59:00 GMT", SUNDAY, 0),
        ("Mon, 23 Nov 2026 07:00:00 GMT", SUNDAY, 3600),
        ("Sunday, 22-Nov-26 07:00:07 GMT", SUNDAY, 7),
        *((SUNDAY, odd, None) for odd in ("yesterday", "")),
        ("Sun, 22 Nov 2026 07:00:07 -0000", SUNDAY, 7),
        ("Sun Nov 22 07:00:07 2026", SUNDAY, 7),
        ("Sun, 22 Nov 2026 09:00:07 +0200", "Sun Nov 22 07:00:00 2026", 7),
        (None, SUNDAY, None),
        *((f"Sun, {odd} 07:00:07 GMT", SUNDAY, None) for odd in ("99 Nov 2026", f"22 Nov {NINES}")),
    ],
)
def test_retry_after_is_read_from_seconds_or_a_date(
    value: str | None, date: str | None, seconds: int | None
) -> None:
    """A date is relative to the upstream's own clock. Without a zone, or with -0000, it is UTC."""
    fields = {"retry-after": value, "date": date}
    sent = {name: text for name, text in fields.items() if text is not None}
    assert Response(429, sent).retry_after == seconds


LATER = "Sun, 22 Nov 2026 08:00:00 GMT"


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        (None, {}),
        *((odd, {}) for odd in ("", "=a", ";", "; Path=/", ", ")),
        ("S=a", {"S": Cookie("a")}),
        ("S=a/b==; Path=/; HttpOnly", {"S": Cookie("a/b==")}),
        (f" S = a ; EXPIRES = {LATER} ", {"S": Cookie("a", 3600)}),
        ("S=a; Expires=Sunday, 22-Nov-26 08:00:00 GMT; Secure", {"S": Cookie("a", 3600)}),
        (f"S=a; Max-Age=60; Expires={LATER}", {"S": Cookie("a", 60)}),
        *((f"S=a; Expires={LATER}; Max-Age={n}", {"S": Cookie("a", 0)}) for n in (0, "-1 ")),
        *((f"S=a; Expires={LATER}; Max-Age={n}", {"S": Cookie("a", 3600)}) for n in ("soon", "-")),
        ("S=a; Expires=Thu, 01 Jan 1970 00:00:00 GMT", {"S": Cookie("a", -1795330800)}),
        (f"S=a; Expires=never; Expired={LATER}", {"S": Cookie("a")}),
        (f"l=en; Expires={LATER}, S=a; Path=/,T=b", {"l": Cookie("en", 3600), **ST}),
        ("S=old, S=", {"S": Cookie("")}),
    ],
)
def test_cookies_are_read_without_their_attributes(
    header: str | None, cookies: dict[str, Cookie]
) -> None:
    """Several may be in one header; the date of one has a comma, too."""
    sent = {"date": SUNDAY} | ({} if header is None else {"set-cookie": header})
    assert Response(200, sent).cookies() == cookies


def test_429_and_5xx_raise_upstream_unavailable() -> None:
    """Other statuses are returned. Only 2xx is a success."""
    assert not Response(199).is_success
    for status in (429, 500, 502, 503, 504, 599):
        with pytest.raises(UpstreamUnavailable, match=f"^login: .*{status}$") as error:
            Response(status, {"retry-after": "7"}).reached("login")
        assert (error.value.upstream_status, error.value.retry_after) == (status, 7)
    for status in (200, 299, 300, 302, 400, 401, 428, 430, 499):
        response = Response(status)
        assert response.reached("login") is response
        assert response.is_success is (status < 300)
        assert (response.headers, response.content) == ({}, b"")


PAGES = [
    (b"<!doctype html>", ""),
    (b" \r\n<html>", "application/json"),
    (b"\xef\xbb\xbf\n<html>", "text/plain"),
    (b"Bad gateway", "Text/HTML ; charset=utf-8"),
]
NO_PAGES = [
    (b"Bad gateway", "text/plain"),
    *((content, "text/html") for content in (b'\n{"success": false}', b"[]", b"")),
    (b"null", "application/json"),
]


def test_html_is_detected_by_its_first_character_or_its_type() -> None:
    """An HTML page is not taken for a rejection."""
    for content, kind in (*PAGES, *NO_PAGES):
        response = Response(403, {"content-type": kind} if kind else {}, content)
        assert response.is_html is ((content, kind) in PAGES)
        if not response.is_html:
            assert response.readable("login") is response
            continue
        with pytest.raises(UpstreamContractChanged, match=r"^login: the answer is an HTML page$"):
            response.readable("login")


def test_a_body_that_is_not_a_json_object_is_an_error() -> None:
    odd = (b"", b"<html>", b'{"a":', b"[1]", b"null", b'"a"', b"\xff\xfe", b"[" * 99_999)
    for content in odd:
        with pytest.raises(UpstreamContractChanged, match=r"^login: .* JSON object$") as error:
            Response(200, {}, content).object("login")
        assert error.value.upstream_status == 200
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400"):
        for content in (number, b'{"a": [%b]}' % number):
            assert Response(200, {}, content).json() is None, "Python writes them as no JSON"
    assert Response(200, {}, b"[1e308, 0.5]").json() == [1e308, 0.5]


def two_steps() -> Exchange:
    """Need a token, send a request, and combine both results."""
    other: Token = yield NeedToken(Variant("organization"))
    response: Response = yield Request("GET", "https://e.example", "list")
    return Token(f"{other.value}{response.status}", {}, "https://e.example", NOW, NOW + 1)


def test_a_conversation_is_driven_to_its_end() -> None:
    """It may send no request."""

    def silent() -> Conversation[Token]:
        return TOKEN
        yield Request("GET", "https://e.example", "never")

    made = Token("value204", {}, "https://e.example", NOW, NOW + 1)
    assert run(two_steps(), lambda _: Response(204), lambda _: TOKEN) == made
    assert run(silent(), lambda _: Response(500)) == TOKEN


def test_by_default_a_token_of_another_variant_is_an_error() -> None:
    with pytest.raises(LookupError, match="organization"):
        run(two_steps(), lambda _: Response(204))
    with pytest.raises(LookupError):
        no_other_tokens(NeedToken(Variant("listing")))


def test_an_error_of_the_network_or_of_a_fake_is_raised_past_the_flow() -> None:
    """`StopIteration` must not be taken for the result of the exchange."""

    def down(_: Request) -> Response:
        raise UpstreamUnavailable("login: no answer")

    with pytest.raises(UpstreamUnavailable):
        run(two_steps(), down, lambda _: TOKEN)
    answers = iter(list[Response]())
    with pytest.raises(StopIteration) as error:
        run(two_steps(), lambda _: next(answers), lambda _: TOKEN)
    assert error.value.value is None
