"""The editor's exchanges, driven step by step: tokens for one exact set of parameters."""

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.conversations import NOW, MiniBroker, answer, begin, ended
from token_broker.document import Document
from token_broker.errors import (
    CredentialRejected,
    InvalidRequest,
    UpstreamContractChanged,
    UpstreamError,
    UpstreamRefused,
)
from token_broker.exchange import Response, run
from token_broker.flows.editor import flow as editor
from token_broker.flows.editor import requested
from token_broker.flows.editor.credentials import Credentials
from token_broker.flows.editor.flow import LARGEST_PACKED
from token_broker.tokens import Token, Variant
from token_broker_fakes.editor import FakeEditor

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
    """Callers send it in one header, whichever the vendor wants to verify it in."""
    by_key = replace(CREDENTIALS, verify_header="x-api-key")
    talk = editor.exchange(by_key, wanted(**PARAMETERS), NOW)

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


def test_a_check_verifies_the_token() -> None:
    """An unknown or used one is rejected. A renewal generates a new one."""
    token = generate(generated())
    taken = answer({"userId": "123"})
    for response, is_taken in ((taken, True), (WRONG, False), (Response(401), False)):
        talk = editor.check(CREDENTIALS, token)
        assert begin(talk).headers["x-api-token"] == TOKEN
        assert ended(talk, response) is is_taken
    assert begin(editor.exchange(CREDENTIALS, wanted(), NOW, token)).step == "generate"


def test_a_token_that_cannot_be_a_header_is_not_verified() -> None:
    for token in ("", "a\r\nx-api-key: b", "é"):
        with pytest.raises(InvalidRequest, match=r"^token: ") as error:
            next(editor.verify(CREDENTIALS, token))
        assert not token or token not in str(error.value)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        pytest.param(WRONG, CredentialRejected, id="wrong key, in a text that is no JSON"),
        pytest.param(Response(401), CredentialRejected, id="wrong key, by another status"),
        pytest.param(Response(400), UpstreamRefused, id="parameters that it will not have"),
        *((odd, UpstreamContractChanged) for odd in (Response(302), answer({"token": "a"}, 302))),
        pytest.param(answer([]), UpstreamContractChanged, id="a list"),
        pytest.param(generated(token=7), UpstreamContractChanged, id="a token that is a number"),
        pytest.param(generated(token="a\nb"), UpstreamContractChanged, id="one in two lines"),
    ],
)
def test_each_failure_of_generate_has_its_error(
    response: Response, error: type[UpstreamError]
) -> None:
    """Only 401 certainly rejects the key: 403 is also the response to wrong parameters."""
    with pytest.raises(error, match=r"^generate: ") as raised:
        generate(response)
    if isinstance(raised.value, CredentialRejected):
        assert raised.value.is_certain is (response.status == 401)


def test_each_failure_of_verify_has_its_error() -> None:
    """An outage does not mean that the token is invalid."""
    page = Response(403, {}, b"<html>")
    failures: list[tuple[Response, type[UpstreamError]]] = [(Response(404), UpstreamRefused)]
    failures += [(odd, UpstreamContractChanged) for odd in (page, answer("parameters"))]
    for response, error in failures:
        talk = editor.verify(CREDENTIALS, TOKEN)
        begin(talk)
        with pytest.raises(error, match=r"^verify: "):
            talk.send(response)


def test_the_expiry_is_read_in_every_unit() -> None:
    """In seconds or milliseconds, as a number or a text, with decimals."""
    end = NOW + 600
    for value in (end, end * 1000, end + 0.9, str(end * 1000)):
        assert generate(generated(value)).expires_at == end


PAST = (NOW, 0, 10**12 + 1)
"""The last one is the first that is counted in milliseconds."""
NO_NUMBERS = (
    *(None, "", "1_900_000_600", "١٩٠٠٠٠٠٦٠٠", True),
    *(253_402_300_800, 10**12),
)
"""The last ones are after the end of all dates, and the last that is counted in seconds."""


@pytest.mark.parametrize("value", [*PAST, *NO_NUMBERS])
def test_an_implausible_expiry_is_an_error(value: object) -> None:
    detail = "not a number" if value is None or value in NO_NUMBERS else "is past"
    with pytest.raises(UpstreamContractChanged, match=f"^generate: expiration_time .*{detail}"):
        generate(generated(value))


def test_the_request_field_parameters_is_read_or_refused() -> None:
    document = Document({"parameters": PARAMETERS}, InvalidRequest)
    assert requested(document) == wanted(**PARAMETERS)
    document.finish()
    assert requested(Document({}, InvalidRequest)) == wanted()
    for value in (None, "userId=1", {"m": float("nan")}):
        with pytest.raises(InvalidRequest, match=r"^parameters: "):
            requested(Document({"parameters": value}, InvalidRequest))


DEFAULTS = Credentials(
    "key/1", "https://editor.example", parameters={"userId": "demo", "locale": "en"}
)


def test_the_parameters_of_a_request_override_those_of_the_secret() -> None:
    """By null, and by zero, too."""
    demo = {"userId": "demo", "locale": "en"}
    for fields in ({"file": "a"}, {"locale": None}, {"userId": 0}):
        assert editor.resolve(DEFAULTS, wanted(**fields)) == wanted(**demo | fields)


def test_a_pinned_parameter_accepts_only_the_value_of_the_secret() -> None:
    """Of the same JSON type. Resolving twice gives the same."""
    pins = replace(DEFAULTS, parameters={"userId": "a", "n": 1}, pinned=("n",))
    for accepted in ({}, {"n": 1}):
        meant = editor.resolve(pins, wanted(**accepted))
        assert editor.resolve(pins, meant) == meant
    for other in ({"n": 1.0}, {"n": True}, {"N": 1}):
        with pytest.raises(InvalidRequest, match=r"^parameters\.n: is pinned"):
            editor.resolve(pins, wanted(**other))


def test_a_missing_required_parameter_is_refused() -> None:
    missing = pytest.raises(InvalidRequest, match=r"^parameters\.userId: is missing$")
    with missing:
        editor.resolve(CREDENTIALS, wanted(file="a"))
    nothing = replace(DEFAULTS, required=())
    for value in (None, "", " \t"):
        with missing:
            editor.resolve(DEFAULTS, wanted(userId=value))
        assert editor.resolve(nothing, wanted(userId=value)).inputs["parameters"]["userId"] == value


def test_a_probe_fills_in_missing_parameters() -> None:
    """So the vendor accepts the request; given ones stay, and override the secret's."""
    credentials = replace(DEFAULTS, required=("userId", "file"))
    both = dict.fromkeys(("file", "userId"), editor.PLACEHOLDER)
    cases: list[tuple[dict[str, Any], dict[str, str]]] = [({"userId": ""}, both)]
    cases += [({"file": " "}, {"file": editor.PLACEHOLDER}), ({"file": 0, "locale": None}, {})]
    for fields, made_up in cases:
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


def test_equal_parameters_share_a_token_unless_reuse_is_off() -> None:
    assert editor.VENDOR.is_shared
    assert editor.VENDOR.is_shared(CREDENTIALS)
    alone = Credentials("key/1", "https://editor.example", reuse=False)
    assert not editor.VENDOR.is_shared(alone)
    assert wanted(a=1, b=2).key == wanted(b=2, a=1).key
    assert wanted(a=1).key != wanted(a="1").key


# With a fake that enforces the token service's rules

ANY_JSON = {"userId": "1", "file": "ä.dwg", "isViewOnly": True, "nested": {"a": [None, 1.5]}}


@pytest.mark.parametrize(
    "modes",
    [
        {"verify_header": "x-api-token"},
        {"verify_header": "x-api-key"},
        {"success_type": "none"},
        {"extra": "fields"},
    ],
    ids=str,
)
def test_a_token_has_the_exact_parameters_until_it_expires(modes: dict[str, str]) -> None:
    fake = FakeEditor(clock=lambda: float(NOW), rng=Random(1))
    fake.modes.update({"header_case": "lower"} | modes)
    header = {"verify_header": fake.modes.verify_header}
    credentials = editor.VENDOR.parse(fake.demo_secret("http://127.0.0.1:9") | {"options": header})
    variant = Variant("parameters", {"parameters": ANY_JSON})
    token = MiniBroker(editor.VENDOR, credentials, fake).renew(variant)
    verified = run(editor.verify(credentials, token.value), fake)
    assert verified is not None
    assert {name: verified[name] for name in ANY_JSON} == ANY_JSON
    assert token.headers == {"x-api-token": token.value}, "however the vendor wants to verify it"
    fake.advance(token.expires_at - NOW)
    assert run(editor.verify(credentials, token.value), fake) is None
