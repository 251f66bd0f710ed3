"""Each contradiction in Graebert's documents about the editor's tokens is a mode of the fake."""

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.unit.fakes.editor_client import NOW, Client, client
from tests.unit.fakes.entrances import Ask
from tests.unit.fakes.scenes import Scene, each, not_played, play
from token_broker_fakes import EditorModes
from token_broker_fakes.wire import Call


def generating(**parameters: Any) -> Callable[[Client], int]:
    """Ask for a token for these parameters."""
    return lambda one: one.generate(parameters).status


def told_end(one: Client) -> object:
    """Return the reported expiry of a token, which is valid in any case."""
    answer = one.generate({"userId": "1"}).json()
    assert one.verify(answer["token"]).is_success
    return answer.get("expiration_time", "missing")


def missing_user(one: Client) -> tuple[int, bool]:
    """Say whether a missing parameter gets the response of a wrong key."""
    refused = one.generate({})
    return refused.status, b"Wrong token" in refused.content


def verify_by(**headers: str) -> Callable[[Client], int]:
    """Verify a token that is sent in the header that has no value here."""

    def verified(one: Client) -> int:
        token = one.token()
        sent = {name: value or token for name, value in headers.items()}
        return one.get("verify", **sent).status

    return verified


def verify_by_another_case(one: Client) -> int:
    """Send the header in another case, which a `Request` does not have."""
    raw = (("X-Api-Token", one.token()),)
    headers = {name.lower(): value for name, value in raw}
    call = Call("GET", "tokens.kudo.graebert.com", "/verify", "", headers, raw, b"")
    return one.fake.deliver(call, one.fake.sleep).answer.status


def edit_by(name: str) -> Callable[[Client], int]:
    return lambda one: one.get(f"editor?{name}={one.token()}").status


def type_of_a_refusal(one: Client) -> str | None:
    return one.verify("wrong").headers.get("content-type")


def type_of_a_success(one: Client) -> str | None:
    answer = one.generate({"userId": "1"})
    assert answer.json()["token"]
    return answer.headers.get("content-type")


def verify_twice(one: Client) -> list[int]:
    token = one.token()
    return [one.verify(token).status for _ in range(2)]


def edit_and_verify(one: Client) -> list[int]:
    token = one.token()
    return [one.get(f"editor?apitoken={token}").status, one.verify(token).status]


def around_an_end(one: Client) -> list[int]:
    """Return the results of a verification after 9 and after 10 seconds."""
    token, statuses = one.token(), list[int]()
    for seconds in (9, 1):
        one.fake.advance(seconds)
        statuses.append(one.verify(token).status)
    return statuses


SCENES: list[Scene] = [
    ({"expiration_time": "milliseconds"}, told_end, (NOW + 3600) * 1000),
    ({"expiration_time": "float"}, told_end, NOW + 3600.5),
    ({"expiration_time": "text"}, told_end, str(NOW + 3600)),
    ({"expiration_time": "words"}, told_end, "tomorrow"),
    ({"expiration_time": "past"}, told_end, NOW - 3600),
    ({"expiration_time": "zero"}, told_end, 0),
    ({"expiration_time": "null"}, told_end, None),
    ({"expiration_time": "missing"}, told_end, "missing"),
    ({"auth": "required"}, generating(userId="1"), 400),
    ({"auth": "refused"}, generating(userId="1", auth=""), 400),
    ({"verify_auth": "left_out"}, lambda one: one.verify(one.token()).json(), {"userId": "1"}),
    ({"user_id": "optional"}, generating(), 200),
    ({"file": "mandatory"}, generating(userId="1"), 400),
    ({"missing_parameter": "403"}, missing_user, (403, True)),
    ({"missing_parameter": "422"}, missing_user, (422, False)),
    ({"verify_header": "x-api-key"}, verify_by(x_api_key=""), 200),
    ({"verify_header": "x-api-key"}, verify_by(x_api_token=""), 403),
    ({"verify_header": "either"}, verify_by(x_api_key=""), 200),
    ({"verify_content_type": "required"}, verify_by(x_api_token=""), 400),
    ({"query_name": "auth"}, edit_by("auth"), 200),
    ({"query_name": "auth"}, edit_by("apitoken"), 403),
    ({"refusal_type": "text"}, type_of_a_refusal, "text/plain"),
    ({"refusal_type": "none"}, type_of_a_refusal, None),
    ({"success_type": "text"}, type_of_a_success, "text/plain"),
    ({"success_type": "none"}, type_of_a_success, None),
    ({"extra": "fields"}, lambda one: len(one.generate({"userId": "1"}).json()), 4),
    ({"verify": "consumes"}, verify_twice, [200, 403]),
    ({"verify": "consumes"}, edit_and_verify, [200, 403]),
    ({"lifetime": 10}, around_an_end, [200, 403]),
    ({"header_case": "lower"}, verify_by_another_case, 403),
]


@each(SCENES)
def test_a_mode_changes_the_result_of_a_call(ask: Ask, scene: Scene) -> None:
    play(partial(client, ask), scene)


def test_each_mode_has_a_scene() -> None:
    assert not_played(EditorModes, SCENES) == set()


def test_a_request_that_a_mode_requires_is_accepted(ask: Ask) -> None:
    """So are requests that a mode does not affect."""
    assert generating(userId="1", auth="a")(client(ask, auth="required")) == 200
    assert generating(userId="1")(client(ask, auth="refused")) == 200
    for name in ("file", "fileUrl"):
        assert generating(userId="1", **{name: "a"})(client(ask, file="mandatory")) == 200
    assert verify_by(x_api_token="")(client(ask, verify_header="either")) == 200
    typed = verify_by(x_api_token="", content_type="application/json")
    assert typed(client(ask, verify_content_type="required")) == 200
    assert verify_by(x_api_token="")(client(ask, header_case="lower")) == 200
