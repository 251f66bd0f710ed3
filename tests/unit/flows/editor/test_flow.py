"""The editor's exchanges, driven step by step: tokens for one exact set of parameters."""

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.conversations import NOW, answer, begin, ended
from token_broker.document import DEEPEST, Document
from token_broker.errors import (
    BrokerError,
    CredentialRejected,
    InvalidRequest,
    UpstreamContractChanged,
    UpstreamRefused,
)
from token_broker.exchange import Response
from token_broker.flows.editor import flow as editor
from token_broker.flows.editor import requested
from token_broker.flows.editor.credentials import Credentials
from token_broker.flows.editor.flow import LARGEST_PACKED
from token_broker.tokens import Token, Variant

TOKEN = "3f8d7f4e-0000-4000-8000-a5d3c1b2e6f7"
CREDENTIALS = Credentials("key/1", "https://editor.example/app?locale=en#sheet")
PARAMETERS = {"userId": "123", "file": "test.dwg", "isViewOnly": False, "versionId": None, "n": 1.5}
WRONG = Response(403, {"content-type": "application/json"}, b"{\n  Wrong token\n}\n")
"""The documented text of every 403: it looks like JSON and is none."""


def wanted(**parameters: Any) -> Variant:
    return Variant("parameters", {"parameters": parameters})


def generated(expiration_time: Any = NOW + 600, token: Any = TOKEN) -> Response:
    return answer({"token": token, "expiration_time": expiration_time, "version": 9})


def generate(response: Response) -> Token:
    talk = editor.exchange(CREDENTIALS, wanted(**PARAMETERS), NOW)
    begin(talk)
    token = ended(talk, response)
    assert isinstance(token, Token)
    return token


def test_a_token_is_generated_for_exact_parameters() -> None:
    talk = editor.exchange(CREDENTIALS, wanted(**PARAMETERS), NOW)

    request = begin(talk)
    assert (request.method, request.url) == ("POST", "https://tokens.kudo.graebert.com/generate")
    assert request.headers == {"content-type": "application/json", "x-api-key": "key/1"}
    assert json.loads(request.body) == PARAMETERS
    assert list(json.loads(request.body)) == list(PARAMETERS)

    assert ended(talk, generated()) == Token(
        value=TOKEN,
        headers={"x-api-token": TOKEN},
        base_url="https://editor.example/app",
        issued_at=NOW,
        expires_at=NOW + 600,
        url=f"https://editor.example/app?locale=en&apitoken={TOKEN}#sheet",
    )


def test_a_renewal_generates_a_new_token() -> None:
    kept = generate(generated())
    assert begin(editor.exchange(CREDENTIALS, wanted(), NOW, kept)).step == "generate"


def test_verify_returns_the_parameters_of_a_token() -> None:
    talk = editor.verify(CREDENTIALS, TOKEN)

    request = begin(talk)
    assert (request.method, request.url) == ("GET", "https://tokens.kudo.graebert.com/verify")
    assert request.headers == {"content-type": "application/json", "x-api-token": TOKEN}
    assert request.body == b""

    assert ended(talk, answer({"userId": "123", "auth": "app"})) == {
        "userId": "123",
        "auth": "app",
    }


@pytest.mark.parametrize(
    ("response", "is_taken"),
    [(answer({"userId": "123"}), True), (WRONG, False), (Response(401), False)],
)
def test_a_check_verifies_the_token(response: Response, is_taken: bool) -> None:
    """An unknown or used one is rejected."""
    talk = editor.check(CREDENTIALS, generate(generated()))
    assert begin(talk).headers["x-api-token"] == TOKEN
    assert ended(talk, response) is is_taken


@pytest.mark.parametrize("token", ["", "a\r\nx-api-key: b", "é"])
def test_a_token_that_cannot_be_a_header_is_not_verified(token: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^token: ") as error:
        next(editor.verify(CREDENTIALS, token))
    assert not token or token not in str(error.value)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        pytest.param(WRONG, CredentialRejected, id="wrong key, in a text that is no JSON"),
        pytest.param(Response(401), CredentialRejected, id="wrong key, by another status"),
        pytest.param(Response(400), UpstreamRefused, id="parameters that it will not have"),
        pytest.param(Response(302), UpstreamContractChanged, id="redirected"),
        pytest.param(
            answer({"token": TOKEN, "expiration_time": NOW + 600}, 302),
            UpstreamContractChanged,
            id="a token under another status",
        ),
        pytest.param(Response(200, {}, b"<html>"), UpstreamContractChanged, id="HTML"),
        pytest.param(answer([]), UpstreamContractChanged, id="a list"),
        pytest.param(generated(token=7), UpstreamContractChanged, id="a token that is a number"),
        pytest.param(generated(token="a\nb"), UpstreamContractChanged, id="one in two lines"),
    ],
)
def test_each_failure_of_generate_has_its_error(
    response: Response, error: type[BrokerError]
) -> None:
    with pytest.raises(error, match=r"^generate: "):
        generate(response)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        pytest.param(Response(404), UpstreamRefused, id="not found"),
        pytest.param(Response(403, {}, b"<html>"), UpstreamContractChanged, id="a page"),
        pytest.param(answer("parameters"), UpstreamContractChanged, id="no object"),
    ],
)
def test_each_failure_of_verify_has_its_error(response: Response, error: type[BrokerError]) -> None:
    """An outage does not mean that the token is invalid."""
    talk = editor.verify(CREDENTIALS, TOKEN)
    begin(talk)
    with pytest.raises(error, match=r"^verify: "):
        talk.send(response)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(NOW + 600, id="seconds"),
        pytest.param((NOW + 600) * 1000, id="milliseconds"),
        pytest.param(NOW + 600.9, id="with decimals"),
        pytest.param(str((NOW + 600) * 1000), id="milliseconds as a text"),
    ],
)
def test_the_expiry_is_read_in_every_unit(value: object) -> None:
    assert generate(generated(value)).expires_at == NOW + 600


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        pytest.param(NOW, "is past", id="this very second"),
        pytest.param(0, "is past", id="zero"),
        pytest.param(None, "not a number", id="null, or missing"),
        pytest.param("", "not a number", id="an empty text"),
        pytest.param("1_900_000_600", "not a number", id="a text as Python has numbers"),
        pytest.param("١٩٠٠٠٠٠٦٠٠", "not a number", id="digits of another script"),
        pytest.param(True, "not a number", id="true"),
        pytest.param(253_402_300_800, "not a number", id="after the end of all dates"),
        pytest.param(10**12, "not a number", id="the last that is counted in seconds"),
        pytest.param(10**12 + 1, "is past", id="the first that is counted in milliseconds"),
    ],
)
def test_an_implausible_expiry_is_an_error(value: object, detail: str) -> None:
    with pytest.raises(UpstreamContractChanged, match=f"^generate: expiration_time .*{detail}"):
        generate(generated(value))


def test_the_request_field_parameters_is_read() -> None:
    document = Document({"parameters": PARAMETERS}, InvalidRequest)
    assert requested(document) == wanted(**PARAMETERS)
    document.finish()
    assert requested(Document({}, InvalidRequest)) == wanted()


@pytest.mark.parametrize("value", [None, "userId=1", {"m": float("nan")}])
def test_invalid_parameters_are_refused(value: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^parameters: "):
        requested(Document({"parameters": value}, InvalidRequest))


def test_parameters_of_maximal_depth_have_a_key_and_a_body() -> None:
    value: Any = 1
    for _ in range(DEEPEST - 1):
        value = [value]
    variant = requested(Document({"parameters": {"a": value}}, InvalidRequest))
    assert len(variant.key) == 64
    assert begin(editor.exchange(CREDENTIALS, variant, NOW)).body


DEFAULTS = Credentials(
    "key/1", "https://editor.example", parameters={"userId": "demo", "locale": "en"}
)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"file": "a"}, {"userId": "demo", "locale": "en", "file": "a"}, id="one more"),
        pytest.param({"locale": None}, {"userId": "demo", "locale": None}, id="null overrides"),
        pytest.param({"userId": 0}, {"userId": 0, "locale": "en"}, id="zero is there"),
    ],
)
def test_the_parameters_of_a_request_override_those_of_the_secret(
    fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert editor.resolve(DEFAULTS, wanted(**fields)) == wanted(**expected)


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({}, False),
        ({"n": 1}, False),
        ({"n": 1.0}, True),
        ({"n": True}, True),
        ({"N": 1}, True),
    ],
    ids=str,
)
def test_a_pinned_parameter_accepts_only_the_value_of_the_secret(
    fields: dict[str, Any], refused: bool
) -> None:
    """Of the same JSON type. Resolving twice gives the same."""
    pins = Credentials("key/1", "https://e.example", parameters={"userId": "a", "n": 1})
    pins = replace(pins, pinned=("n",))
    if refused:
        with pytest.raises(InvalidRequest, match=r"^parameters\.n: is pinned"):
            editor.resolve(pins, wanted(**fields))
    else:
        meant = editor.resolve(pins, wanted(**fields))
        assert editor.resolve(pins, meant) == meant


@pytest.mark.parametrize("value", [None, "", " \t"])
def test_a_missing_required_parameter_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest, match=r"^parameters\.userId: is missing$"):
        editor.resolve(DEFAULTS, wanted(userId=value))
    with pytest.raises(InvalidRequest, match=r"^parameters\.userId: is missing$"):
        editor.resolve(CREDENTIALS, wanted(file="a"))
    nothing = replace(DEFAULTS, required=())
    assert editor.resolve(nothing, wanted(userId=value)).inputs["parameters"]["userId"] == value


@pytest.mark.parametrize(
    ("fields", "made_up"),
    [
        ({"file": " "}, {"file": editor.PLACEHOLDER}),
        ({"userId": ""}, dict.fromkeys(("file", "userId"), editor.PLACEHOLDER)),
        ({"file": 0, "locale": None}, {}),
    ],
    ids=str,
)
def test_a_probe_fills_in_missing_parameters(
    fields: dict[str, Any], made_up: dict[str, str]
) -> None:
    """So the vendor accepts the request; given ones stay, and override the secret's."""
    credentials = replace(DEFAULTS, required=("userId", "file"))
    completed = editor.complete(credentials, wanted(**fields))
    assert completed == wanted(**fields | made_up)
    resolved = editor.resolve(credentials, completed)
    assert resolved == wanted(**dict(DEFAULTS.parameters) | fields | made_up)


def test_parameters_too_large_to_store_are_refused_before_the_exchange() -> None:
    """If tokens are not shared, nothing is stored, so any size is accepted."""
    large = wanted(userId="1", fileUrl=Random(1).randbytes(LARGEST_PACKED).hex())
    with pytest.raises(InvalidRequest, match=r"^parameters: .*too large"):
        editor.resolve(CREDENTIALS, large)
    alone = Credentials("key/1", "https://editor.example", reuse=False)
    assert editor.resolve(alone, large) == large
    addressed = replace(CREDENTIALS, editor_url=f"https://e.example?{large.inputs}")
    with pytest.raises(InvalidRequest, match=r"^parameters: .*too large"):
        editor.resolve(addressed, wanted(userId="1"))
    long = wanted(userId="1", fileUrl="a" * 9 * LARGEST_PACKED)
    assert editor.resolve(CREDENTIALS, long) == long


@pytest.mark.parametrize(("status", "is_certain"), [(401, True), (403, False)])
def test_only_401_certainly_rejects_the_key(status: int, is_certain: bool) -> None:
    """403 is also the response to wrong parameters."""
    with pytest.raises(CredentialRejected) as error:
        generate(Response(status))
    assert error.value.is_certain is is_certain


def test_equal_parameters_share_a_token_unless_reuse_is_off() -> None:
    assert editor.VENDOR.is_shared
    assert editor.VENDOR.is_shared(CREDENTIALS)
    alone = Credentials("key/1", "https://editor.example", reuse=False)
    assert not editor.VENDOR.is_shared(alone)
    assert wanted(a=1, b=2).key == wanted(b=2, a=1).key
    assert wanted(a=1).key != wanted(a="1").key
