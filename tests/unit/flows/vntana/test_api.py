"""The meaning of VNTANA's responses, in each form that the documents allow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations import NOW, answer
from tests.vntana_examples import refused, with_token
from tests.zones import local_time
from token_broker.errors import (
    BrokerError,
    CredentialRejected,
    UpstreamContractChanged,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.exchange import Response
from token_broker.flows.vntana.api import (
    Refusal,
    checked,
    codes_of,
    expiry_of,
    login_checked,
    refusal,
    token_of,
)

BARE = Response(403, {}, b"Forbidden")
SHUT_OUT = (
    "CLIENT_BLOCKED",
    "UNAUTHORIZED_IP",
    "SUBSCRIPTION_NOT_FOUND",
    "SUBSCRIPTION_SUSPENDED",
)
WAIT = ("API_RATE_LIMIT_EXCEEDED", "INTERNAL_SERVER_ERROR", "BAD_GATEWAY")
PAGE = Response(403, {}, b"<html>")


@pytest.mark.parametrize(
    ("errors", "codes"),
    [
        pytest.param(["FORBIDDEN", "CONFLICT"], ["FORBIDDEN", "CONFLICT"], id="texts"),
        pytest.param([{"message": "FORBIDDEN"}], ["FORBIDDEN"], id="objects with a message"),
        pytest.param([{"code": "FORBIDDEN"}], ["FORBIDDEN"], id="objects with a code"),
        pytest.param(
            [{"message": "Go away!", "code": "FORBIDDEN"}], ["FORBIDDEN"], id="a message in words"
        ),
        pytest.param("FORBIDDEN", ["FORBIDDEN"], id="no list"),
        pytest.param({}, [], id="an object"),
        pytest.param(["Wrong: hunter2", 1, None, [], "x" * 99], [], id="nothing like a code"),
    ],
)
def test_error_codes_are_read_from_every_form(errors: object, codes: list[str]) -> None:
    assert codes_of(answer({"success": False, "errors": errors})) == codes
    assert codes_of(answer([])) == []


@pytest.mark.parametrize(
    ("response", "meaning"),
    [
        pytest.param(with_token("a"), None, id="no refusal"),
        pytest.param(refused(401), Refusal.DEAD, id="401"),
        pytest.param(refused(403, "FORBIDDEN"), Refusal.DEAD, id="403 FORBIDDEN"),
        pytest.param(refused(200, "UNAUTHORIZED"), Refusal.DEAD, id="200 UNAUTHORIZED"),
        pytest.param(BARE, Refusal.DEAD, id="403 without a reason"),
        pytest.param(PAGE, None, id="a page"),
        pytest.param(refused(403, "BAD_CREDENTIALS"), Refusal.BAD_CREDENTIALS, id="role or token"),
        pytest.param(refused(403, "INVALID_CLIENT_UUID"), None, id="no such workspace"),
        pytest.param(refused(500, "FORBIDDEN"), None, id="down"),
        pytest.param(refused(499, "FORBIDDEN"), Refusal.DEAD, id="another status"),
    ],
)
def test_error_responses_that_mean_a_dead_token(
    response: Response, meaning: Refusal | None
) -> None:
    assert refusal(response) is meaning


@pytest.mark.parametrize("code", [*WAIT, *SHUT_OUT])
@pytest.mark.parametrize("status", [200, 401, 403, 503])
@pytest.mark.parametrize("others", [[], ["BAD_CREDENTIALS", "UNAUTHORIZED"]])
def test_codes_of_limits_and_blocks_mean_neither_dead_token_nor_rejection(
    code: str, status: int, others: list[str]
) -> None:
    """Also together with other codes."""
    response = refused(status, *others, code)
    assert refusal(response) is None
    with pytest.raises(UpstreamUnavailable if code in WAIT or status == 503 else UpstreamRefused):
        login_checked(response)


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(refused(403, "BAD_CREDENTIALS"), id="as documented"),
        pytest.param(answer({"error": "Unauthorized"}, 401), id="401 with another body"),
        pytest.param(refused(403, "UNAUTHORIZED"), id="403 UNAUTHORIZED"),
        pytest.param(refused(200, "BAD_CREDENTIALS"), id="under a success"),
        pytest.param(refused(200), id="a success that is none, without a reason"),
        pytest.param(BARE, id="403 without a reason"),
        pytest.param(refused(500, "BAD_CREDENTIALS"), id="under a 500: it must not be repeated"),
    ],
)
def test_responses_to_a_login_that_reject_the_credentials(response: Response) -> None:
    with pytest.raises(CredentialRejected, match=r"^login: ") as error:
        login_checked(response)
    assert error.value.upstream_status == response.status


@pytest.mark.parametrize(
    ("response", "error"),
    [
        pytest.param(PAGE, UpstreamContractChanged, id="a page"),
        pytest.param(refused(403, "FORBIDDEN"), UpstreamRefused, id="a reason of its own"),
        pytest.param(refused(401, "API_RATE_LIMIT_EXCEEDED"), UpstreamUnavailable, id="too often"),
        pytest.param(Response(400), UpstreamContractChanged, id="400 without a reason"),
        pytest.param(Response(200, {}, b"[]"), UpstreamContractChanged, id="a list"),
    ],
)
def test_responses_to_a_login_that_are_other_errors(
    response: Response, error: type[BrokerError]
) -> None:
    """They cause no latch: the credentials may be right."""
    with pytest.raises(error):
        login_checked(response)


@pytest.mark.parametrize("response", [refused(200), refused(401), BARE])
def test_a_later_step_refused_without_a_code_is_upstream_refused(response: Response) -> None:
    with pytest.raises(UpstreamRefused, match=r"^enter: refused$"):
        checked(response, "enter")


def test_a_login_without_a_response_body_succeeds() -> None:
    """The token is in the header."""
    login_checked(Response(200, {"x-auth-token": "a"}))


@pytest.mark.parametrize(
    ("response", "seconds"),
    [
        pytest.param(refused(403, "API_RATE_LIMIT_EXCEEDED"), 60, id="a limit that does not say"),
        pytest.param(refused(403, "BAD_GATEWAY"), None, id="down: as the caller sees fit"),
        pytest.param(
            Response(429, {"retry-after": "7"}, b'{"errors": ["API_RATE_LIMIT_EXCEEDED"]}'),
            7,
            id="a limit that says",
        ),
    ],
)
def test_the_retry_after_of_an_unavailable_upstream(
    response: Response, seconds: int | None
) -> None:
    with pytest.raises(UpstreamUnavailable) as error:
        checked(response, "login")
    assert error.value.retry_after == seconds


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("a/b+c==", "a/b+c=="),
        ("Bearer a/b", "a/b"),
        ("bearer  a/b ", "a/b"),
        ("BEARER a/b", "a/b"),
        ("Bearerish/a", "Bearerish/a"),
    ],
)
def test_a_token_is_read_with_or_without_the_bearer_prefix(value: str, token: str) -> None:
    assert token_of(with_token(value), "login", in_body=False) == token


@pytest.mark.parametrize(
    "value",
    ["", " ", "Bearer", "Bearer ", "a b", "Bearer Bearer a", "a, b", "a\x00", "é", "a\r\nb"],
)
def test_an_invalid_token_is_an_error(value: str) -> None:
    with pytest.raises(UpstreamContractChanged, match="token_missing"):
        token_of(with_token(value), "login", in_body=False)


@pytest.mark.parametrize(
    ("response", "in_body", "token"),
    [
        pytest.param(answer({"response": {"token": "b"}}), True, "b", id="as a member"),
        pytest.param(
            answer({"response": {"session": {"accessToken": "s"}}}), True, "s", id="in the session"
        ),
        pytest.param(
            answer({"response": {"token": "Bearer b"}}), True, "b", id="a member with Bearer"
        ),
        pytest.param(with_token("h", token="b"), True, "h", id="the header wins"),
        pytest.param(answer({"response": {"token": "b"}}), False, None, id="only if it is wanted"),
        pytest.param(answer({"response": {"token": 1}}), True, None, id="a number"),
        pytest.param(answer({"response": {"session": []}}), True, None, id="an odd session"),
        pytest.param(answer({"response": None}), True, None, id="null"),
        pytest.param(answer([]), True, None, id="a list"),
    ],
)
def test_a_token_in_the_body_is_read_by_option_only(
    response: Response, in_body: bool, token: str | None
) -> None:
    if token:
        assert token_of(response, "login", in_body=in_body) == token
    else:
        with pytest.raises(UpstreamContractChanged):
            token_of(response, "login", in_body=in_body)


@pytest.mark.parametrize(
    ("text", "expiry"),
    [
        pytest.param("2030-03-17T17:46:41", 1_900_000_001, id="no zone is UTC"),
        pytest.param("2030-03-17T17:46:41.488732", 1_900_000_001, id="six decimals"),
        pytest.param("2030-03-17T17:46:41.488732999", 1_900_000_001, id="nine decimals"),
        pytest.param("2030-03-17T17:46:41Z", 1_900_000_001, id="Zulu"),
        pytest.param("2030-03-17T18:46:41+01:00", 1_900_000_001, id="another zone"),
        pytest.param("2030-03-17T17:46:40", None, id="this very second"),
        pytest.param("0001-01-01T00:00:00+23:59", None, id="before any calendar"),
        pytest.param("in a month", None, id="words"),
        pytest.param(1_900_000_001, None, id="a number"),
    ],
)
def test_the_expiry_of_a_session_is_read_in_each_format(text: object, expiry: int | None) -> None:
    assert expiry_of(with_token("a", session={"expiration": text}), NOW) == expiry


def test_an_expiry_without_a_time_zone_is_utc() -> None:
    response = with_token("a", session={"expiration": "2030-03-17T17:46:41"})
    with local_time("JST-9"):
        assert expiry_of(response, NOW) == NOW + 1


@given(st.text() | st.datetimes().map(str))
def test_an_expiry_is_in_the_future_or_unknown(text: str) -> None:
    expiry = expiry_of(with_token("a", session={"expiration": text}), NOW)
    assert expiry is None or expiry > NOW
