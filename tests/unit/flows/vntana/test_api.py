"""The meaning of VNTANA's responses, in each form that the documents allow."""

from itertools import product

import pytest

from tests.conversations import NOW, answer
from tests.vntana_examples import refused, with_token
from tests.zones import local_time
from token_broker.errors import (
    CredentialRejected,
    UpstreamContractChanged,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.exchange import Response
from token_broker.flows.vntana.api import (
    checked,
    codes_of,
    expiry_of,
    login_checked,
    refuses_token,
    token_of,
)
from token_broker_client.refusals import is_refusal

BARE = Response(403, {}, b"Forbidden")
SHUT_OUT = (
    *("CLIENT_BLOCKED", "UNAUTHORIZED_IP"),
    *("SUBSCRIPTION_NOT_FOUND", "SUBSCRIPTION_SUSPENDED"),
)
WAIT = ("API_RATE_LIMIT_EXCEEDED", "INTERNAL_SERVER_ERROR", "BAD_GATEWAY")
DEAD = ("BAD_CREDENTIALS", "FORBIDDEN", "UNAUTHORIZED", "TOKEN_NOT_FOUND")
PAGE = Response(403, {}, b"<html>")


def test_error_codes_are_read_from_every_form() -> None:
    """A message in words is no code."""
    both = {"message": "Go away!", "code": "FORBIDDEN"}
    for errors in ([{"message": "FORBIDDEN"}], [{"code": "FORBIDDEN"}], [both], "FORBIDDEN"):
        assert codes_of(answer({"success": False, "errors": errors})) == ["FORBIDDEN"]
    two = ["FORBIDDEN", "CONFLICT"]
    assert codes_of(answer({"success": False, "errors": two})) == two
    odd: list[object] = ["Wrong: hunter2", 1, None, [], "x" * 99]
    for none in ([], odd):
        assert codes_of(answer({"success": False, "errors": none})) == []
    assert codes_of(answer([])) == []


def test_error_responses_that_mean_a_dead_token() -> None:
    dead = [refused(status, code) for status in (200, 403, 499) for code in DEAD]
    dead += [refused(401), BARE]
    assert all(map(refuses_token, dead))
    others = [with_token("a"), PAGE, refused(403, "INVALID_CLIENT_UUID")]
    others += [refused(status, "FORBIDDEN") for status in (429, 500, 503)]
    assert not any(map(refuses_token, others))


@pytest.mark.parametrize("code", [*DEAD, "NOT_FOUND", *WAIT, *SHUT_OUT])
def test_the_client_and_the_broker_agree_which_403_refuses_a_dead_token(code: str) -> None:
    """In each form of a code. Without a code, only the answer to the broker's check does."""
    both = {"code": code, "message": "Go away!"}
    for errors in ([code], [{"message": code}], [both], both, code, ["Go away!", code]):
        response = answer({"success": False, "errors": errors}, 403)
        is_dead = is_refusal("vntana", 403, response.content)
        assert refuses_token(response) is is_dead, errors
    assert not is_refusal("vntana", 403, BARE.content)


@pytest.mark.parametrize("code", [*WAIT, *SHUT_OUT])
def test_codes_of_limits_and_blocks_mean_neither_dead_token_nor_rejection(code: str) -> None:
    """Also together with other codes."""
    for status, others in product((200, 401, 403, 503), ([], ["BAD_CREDENTIALS", "UNAUTHORIZED"])):
        response = refused(status, *others, code)
        assert not refuses_token(response)
        is_passing = code in WAIT or status == 503
        with pytest.raises(UpstreamUnavailable if is_passing else UpstreamRefused):
            login_checked(response)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        *((refused(status, "BAD_CREDENTIALS"), CredentialRejected) for status in (200, 403, 500)),
        pytest.param(answer({"error": "Unauthorized"}, 401), CredentialRejected, id="other body"),
        pytest.param(refused(403, "UNAUTHORIZED"), CredentialRejected, id="403 UNAUTHORIZED"),
        *((refused(status, "UNAUTHORIZED"), UpstreamUnavailable) for status in (429, 500, 503)),
        (refused(429, "BAD_CREDENTIALS"), UpstreamUnavailable),
        (refused(503, "BAD_CREDENTIALS", "UNAUTHORIZED"), CredentialRejected),
        pytest.param(refused(200), CredentialRejected, id="no success, and no reason"),
        pytest.param(BARE, CredentialRejected, id="403 without a reason"),
        pytest.param(PAGE, UpstreamContractChanged, id="a page"),
        pytest.param(refused(403, "FORBIDDEN"), UpstreamRefused, id="a reason of its own"),
        pytest.param(refused(401, "API_RATE_LIMIT_EXCEEDED"), UpstreamUnavailable, id="too often"),
        pytest.param(Response(400), UpstreamContractChanged, id="400 without a reason"),
        pytest.param(Response(200, {}, b"[]"), UpstreamContractChanged, id="a list"),
    ],
)
def test_each_failure_of_a_login_has_its_error(
    response: Response, error: type[UpstreamError]
) -> None:
    """A rejection under a 500 is one, too: it must not be repeated. Others cause no latch.

    UNAUTHORIZED may also be a gateway's word: a 5xx that says so is repeated, as is any 429.
    """
    with pytest.raises(error, match=r"^login: ") as raised:
        login_checked(response)
    if error is CredentialRejected:
        assert raised.value.upstream_status == response.status


def test_a_later_step_refused_without_a_code_is_upstream_refused() -> None:
    for response in (refused(200), refused(401), BARE):
        with pytest.raises(UpstreamRefused, match=r"^enter: refused$"):
            checked(response, "enter")


def test_a_login_without_a_response_body_succeeds() -> None:
    """The token is in the header."""
    login_checked(Response(200, {"x-auth-token": "a"}))


def test_the_retry_after_of_an_unavailable_upstream() -> None:
    """A limit that does not say is a minute."""
    limit = b'{"errors": ["API_RATE_LIMIT_EXCEEDED"]}'
    for response, seconds in (
        (refused(403, "API_RATE_LIMIT_EXCEEDED"), 60),
        (refused(403, "BAD_GATEWAY"), None),
        (Response(429, {"retry-after": "7"}, limit), 7),
    ):
        with pytest.raises(UpstreamUnavailable) as error:
            checked(response, "login")
        assert error.value.retry_after == seconds


def test_a_token_is_read_with_or_without_the_bearer_prefix() -> None:
    for value in ("a/b", "Bearer a/b", "bearer  a/b ", "BEARER a/b"):
        assert token_of(with_token(value), "login", in_body=False) == "a/b"
    for whole in ("a/b+c==", "Bearerish/a"):
        assert token_of(with_token(whole), "login", in_body=False) == whole


@pytest.mark.parametrize("value", ["", "Bearer ", "a b", "Bearer Bearer a", "a\x00", "é", "a\r\nb"])
def test_an_invalid_token_is_an_error(value: str) -> None:
    with pytest.raises(UpstreamContractChanged, match="token_missing"):
        token_of(with_token(value), "login", in_body=False)


def in_body(**response: object) -> Response:
    return answer({"response": response})


def test_a_token_in_the_body_is_read_by_option_only() -> None:
    """The header wins."""
    session = in_body(session={"accessToken": "b"})
    for response in (in_body(token="b"), in_body(token="Bearer b"), session):
        assert token_of(response, "login", in_body=True) == "b"
    assert token_of(with_token("h", token="b"), "login", in_body=True) == "h"
    odd = (in_body(token=1), in_body(session=[]), answer({"response": None}), answer([]))
    for response, is_wanted in ((in_body(token="b"), False), *((one, True) for one in odd)):
        with pytest.raises(UpstreamContractChanged):
            token_of(response, "login", in_body=is_wanted)


def expiry(text: object) -> int | None:
    """Return the expiry of a session of which the vendor says *text*."""
    return expiry_of(with_token("a", session={"expiration": text}), NOW)


def test_the_expiry_of_a_session_is_read_in_each_format() -> None:
    """Without a zone it is UTC."""
    second = "2030-03-17T17:46:41"
    for text in (second, f"{second}.488732", f"{second}.488732999", f"{second}Z"):
        assert expiry(text) == NOW + 1
    assert expiry("2030-03-17T18:46:41+01:00") == NOW + 1
    with local_time("JST-9"):
        assert expiry(second) == NOW + 1
    past = ("2030-03-17T17:46:40", "0001-01-01T00:00:00+23:59")
    assert {expiry(text) for text in (*past, "in a month", NOW + 1)} == {None}
