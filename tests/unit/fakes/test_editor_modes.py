"""Each contradiction in what Graebert says of the editor's tokens is a mode of the fake."""

import pytest

from tests.unit.fakes.editor_client import NOW, client
from tests.unit.fakes.entrances import Ask, ByCall
from tests.unit.fakes.played import Played
from tests.waiting import PATIENCE_SECONDS
from token_broker_fakes import EditorModes

plays = Played(EditorModes)

TIMES = {
    "milliseconds": (NOW + 3600) * 1000,
    "float": NOW + 3600.5,
    "text": str(NOW + 3600),
    "words": "tomorrow",
    "past": NOW - 3600,
    "zero": 0,
    "null": None,
}


@plays("expiration_time", "missing", *TIMES)
@pytest.mark.parametrize("mode", ["missing", *TIMES])
def test_expiration_time(ask: Ask, mode: str) -> None:
    """Whatever it says, the token is good."""
    visitor = client(ask, expiration_time=mode)
    answer = visitor.generate({"userId": "1"}).json()
    assert answer.get("expiration_time", "missing") == TIMES.get(mode, "missing")
    assert visitor.verify(answer["token"]).is_success


@plays("auth", "required", "refused")
@pytest.mark.parametrize(
    ("mode", "without", "passed"),
    [("optional", 200, 200), ("required", 400, 200), ("refused", 200, 400)],
)
def test_auth_in_generate(ask: Ask, mode: str, without: int, passed: int) -> None:
    visitor = client(ask, auth=mode)
    assert visitor.generate({"userId": "1"}).status == without
    assert visitor.generate({"userId": "1", "auth": "application"}).status == passed


@plays("verify_auth", "left_out")
def test_auth_in_verify(ask: Ask) -> None:
    visitor = client(ask, verify_auth="left_out")
    assert visitor.verify(visitor.token()).json() == {"userId": "1"}


@plays("user_id", "optional")
def test_user_that_need_not_be_there(ask: Ask) -> None:
    assert client(ask, user_id="optional").generate({}).is_success


@plays("file", "mandatory")
@pytest.mark.parametrize(
    ("parameters", "status"), [({}, 400), ({"file": "a"}, 200), ({"fileUrl": "https://a"}, 200)]
)
def test_file_that_must_be_there(ask: Ask, parameters: dict[str, str], status: int) -> None:
    visitor = client(ask, file="mandatory")
    assert visitor.generate({"userId": "1"} | parameters).status == status


@plays("missing_parameter", "403", "422")
@pytest.mark.parametrize("mode", ["403", "422"])
def test_status_of_a_missing_parameter(ask: Ask, mode: str) -> None:
    """403 is then told as if the key were wrong."""
    refused = client(ask, missing_parameter=mode).generate({})
    assert refused.status == int(mode)
    assert (b"Wrong token" in refused.content) == (mode == "403")


@plays("verify_header", "x-api-key", "either")
@pytest.mark.parametrize(
    ("mode", "sent", "accepted"),
    [
        ("x-api-token", "x_api_key", False),
        ("x-api-key", "x_api_key", True),
        ("x-api-key", "x_api_token", False),
        ("either", "x_api_key", True),
        ("either", "x_api_token", True),
    ],
)
def test_header_of_verify(ask: Ask, mode: str, sent: str, accepted: bool) -> None:
    """Graebert's own backend sends the token under the name of the key."""
    visitor = client(ask, verify_header=mode)
    assert visitor.get("verify", **{sent: visitor.token()}).is_success == accepted


@plays("verify_content_type", "required")
def test_content_type_of_verify(ask: Ask) -> None:
    visitor = client(ask, verify_content_type="required")
    token = visitor.token()
    assert visitor.verify(token).status == 400
    typed = visitor.get("verify", x_api_token=token, content_type="application/json")
    assert typed.is_success


@plays("query_name", "auth")
def test_name_in_the_editors_address(ask: Ask) -> None:
    visitor = client(ask, query_name="auth")
    token = visitor.token()
    assert visitor.get(f"editor?auth={token}").is_success
    assert visitor.get(f"editor?apitoken={token}").status == 403


@plays("header_case", "lower")
@pytest.mark.parametrize(("mode", "status"), [("any", 200), ("lower", 403)])
def test_header_in_another_case(mode: str, status: int) -> None:
    """A call has lower case only, so this is seen over HTTP."""
    import http.client  # noqa: PLC0415 (only here are names sent as they are)

    visitor = client(ByCall(), header_case=mode)
    token = visitor.token()
    with visitor.fake.serve() as server:
        for name, expected in {"x-api-token": 200, "X-Api-Token": status}.items():
            connection = http.client.HTTPConnection(server.address, timeout=PATIENCE_SECONDS)
            connection.request("GET", "/verify", headers={name: token})
            assert connection.getresponse().status == expected
            connection.close()


@plays("refusal_type", "text", "none")
@plays("success_type", "text", "none")
@pytest.mark.parametrize(
    ("mode", "type_"), [("json", "application/json"), ("text", "text/plain"), ("none", None)]
)
def test_content_types(ask: Ask, mode: str, type_: str | None) -> None:
    """Of refusals and of successes; the text is the same."""
    visitor = client(ask, refusal_type=mode, success_type=mode)
    assert visitor.verify("wrong").headers.get("content-type") == type_
    answer = visitor.generate({"userId": "1"})
    assert answer.headers.get("content-type") == type_
    assert answer.json()["token"]


@plays("extra", "fields")
def test_members_that_no_document_names(ask: Ask) -> None:
    visitor = client(ask, extra="fields")
    answer = visitor.generate({"userId": "1"}).json()
    assert answer.keys() > {"token", "expiration_time"}


@plays("verify", "consumes")
def test_token_that_is_used_up(ask: Ask) -> None:
    """By a verification, or by opening the editor."""
    visitor = client(ask, verify="consumes")
    token = visitor.token()
    assert visitor.verify(token).is_success
    assert visitor.verify(token).status == 403

    token = visitor.token()
    assert visitor.get(f"editor?apitoken={token}").is_success
    assert visitor.verify(token).status == 403


@plays("lifetime")
def test_lifetime(ask: Ask) -> None:
    visitor = client(ask, lifetime=10)
    token = visitor.token()
    visitor.fake.advance(10)
    assert visitor.verify(token).status == 403


def test_each_mode_is_played() -> None:
    """No mode and no value of one is without a test here."""
    assert plays.left() == set()
