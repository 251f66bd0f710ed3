"""Each contradiction among Vendorlink's documents and clients is a mode of the fake."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.unit.fakes.entrances import Ask
from tests.unit.fakes.scenes import Scene, each, not_played, play
from tests.unit.fakes.vendorlink_client import HOST, NOW, Client, claims, client
from token_broker.exchange import Response
from token_broker_fakes import VendorlinkModes

TYPES = {
    "utf-8": "application/json; charset=utf-8",
    "utf8": "application/json; charset=utf8",
    "colon": "application/json: charset=utf8",
}
FAILURES = {
    "204": (204, b""),
    "null": (200, b"null"),
    "object": (200, b"{}"),
    "400": (400, b""),
    "401": (401, b""),
    "403": (403, b""),
    "empty200": (200, b""),
}


def summary(response: Response) -> tuple[int, bytes]:
    return response.status, response.content


def wrong_password(one: Client) -> tuple[int, bytes]:
    return summary(one.wrong_login())


def wrong_renewal(one: Client) -> tuple[int, bytes]:
    return summary(one.extend(one.pair() | {"renewalToken": "wrong"}))


def login_at(host: str) -> Callable[[Client], Any]:
    """Log in at *host*, and return the host that is named."""
    return lambda one: one.login(host).json()["hostname"]


def use_at_the_host_that_was_called(one: Client) -> tuple[object, int, int]:
    """Return the host that a login names, and whether its tokens live at the one it was asked."""
    pair = one.pair()
    named = pair.get("hostname", "absent")
    return named, one.data(pair).status, one.extend(pair).status


def use_at_the_twin(one: Client) -> int:
    return one.data(one.pair(), "app2.vendorlink.nl").status


def extend_by(key: str = "rToken", content_type: str = TYPES["utf-8"]) -> Callable[[Client], int]:
    """Extend a session under a name, with a content type."""
    headers = {"content-type": content_type}
    return lambda one: one.extend(one.pair(), key, **headers).status


def extend_twice(one: Client) -> tuple[object, int, int]:
    """Return what replaces a renewal token, and whether the first one is spent."""
    first = one.pair()
    second = one.extend(first).json()
    status = one.extend(second | {"renewalToken": first["renewalToken"]}).status
    given = second.get("renewalToken", "absent")
    return "new" if given and given != "absent" else given, status, len(one.fake.reused)


def readable_claims(one: Client) -> object:
    """Return the names in an access token that can be used; nothing where it cannot be read."""
    pair = one.pair()
    assert one.data(pair).is_success
    try:
        return sorted(claims(pair["accessToken"]))
    except (ValueError, IndexError):
        return None


def blanks(one: Client) -> bool:
    """Say whether a token has blanks, without which it can be read."""
    token = one.pair()["accessToken"]
    assert claims(token.replace(" ", ""))["exp"] == NOW + 3600
    return " " in token


def use_after_another_login(one: Client) -> list[int]:
    """Return whether two sessions, and other users' around them, can be used; and extended."""
    for name in ("before", "after"):
        one.fake.accept({"username": name, "password": "p"})
    before = one.call("POST", "auth/login", {"u": "before", "p": "p"}).json()
    pairs = [before, one.pair(), one.pair()]
    pairs.append(one.call("POST", "auth/login", {"u": "after", "p": "p"}).json())
    return [ask(pair).status for ask in (one.data, one.extend) for pair in pairs]


def passwords(word: str) -> Callable[[Client], str]:
    """Log in with right or wrong passwords, one for each letter; return which are accepted."""

    def taken(one: Client) -> str:
        answers = [one.login() if letter == "r" else one.wrong_login() for letter in word]
        return "".join("+" if answer.content else "-" for answer in answers)

    return taken


def around_an_end(one: Client) -> list[object]:
    """Return start and end of a token, and which tokens are live after 9, 10, 19 and 20 s."""
    pairs = [one.pair() for _ in range(4)]
    members = claims(pairs[0]["accessToken"])
    found: list[object] = [members["nbf"] - NOW, members["exp"] - NOW]
    for seconds, pair in zip((9, 1, 9, 1), pairs, strict=True):
        one.fake.advance(seconds)
        found.append((one.data(pair).status, one.extend(pair).status))
    return found


SCENES: list[Scene] = [
    *(({"login_failure": mode}, wrong_password, FAILURES[mode]) for mode in [*FAILURES][:-1]),
    ({"api": "off"}, lambda one: one.login().content, b""),
    ({"elsewhere": "self"}, lambda one: one.login().json(), {"hostname": HOST}),
    ({"elsewhere": "loop"}, login_at(HOST), "app2.vendorlink.nl"),
    ({"elsewhere": "loop"}, login_at("app2.vendorlink.nl"), HOST),
    ({"elsewhere": "loop"}, login_at("127.0.0.1:81"), "localhost:81"),
    ({"elsewhere": "loop"}, login_at("localhost:81"), "127.0.0.1:81"),
    ({"elsewhere": "chain"}, login_at(HOST), "app2.vendorlink.nl"),
    ({"elsewhere": "chain"}, login_at("app9.vendorlink.nl"), "app10.vendorlink.nl"),
    ({"elsewhere": "chain"}, login_at("127.0.0.1:81"), "127.0.0.2:81"),
    ({"elsewhere": "chain"}, login_at("127.0.0.2"), "127.0.0.3"),
    ({"elsewhere": "foreign"}, login_at(HOST), "vendorlink.example.com"),
    ({"hostname": "absent"}, use_at_the_host_that_was_called, ("absent", 200, 200)),
    ({"hostname": "empty"}, use_at_the_host_that_was_called, ("", 200, 200)),
    ({"hostname": "null"}, use_at_the_host_that_was_called, (None, 200, 200)),
    ({"hostname": "twin"}, use_at_the_host_that_was_called, ("app2.vendorlink.nl", 401, 401)),
    ({"hostname": "twin"}, use_at_the_twin, 200),
    ({"extend_key": "rToken"}, extend_by("RenewalToken"), 401),
    ({"extend_key": "RenewalToken"}, extend_by("rToken"), 401),
    ({"extend_content_type": "utf-8"}, extend_by(content_type=TYPES["utf8"]), 401),
    ({"extend_content_type": "utf8"}, extend_by(content_type=TYPES["colon"]), 401),
    ({"extend_content_type": "colon"}, extend_by(content_type=TYPES["utf-8"]), 401),
    ({"extend_renewal": "null"}, extend_twice, (None, 200, 0)),
    ({"extend_renewal": "absent"}, extend_twice, ("absent", 200, 0)),
    ({"extend_renewal": "null_spent"}, extend_twice, (None, 401, 1)),
    *(
        ({"extend_failure": mode}, wrong_renewal, FAILURES[mode])
        for mode in ("400", "403", "empty200", "null", "object")
    ),
    ({"renewal_use": "many"}, extend_twice, ("new", 200, 0)),
    ({"access_token": "wrapped"}, readable_claims, None),
    ({"access_token": "wrapped"}, blanks, True),
    ({"access_token": "garbled"}, readable_claims, None),
    ({"access_token": "no_exp"}, readable_claims, ["iss", "nbf", "sid"]),
    ({"access_token": "opaque"}, readable_claims, None),
    ({"older_sessions": "killed"}, use_after_another_login, [200, 401, 200, 200] * 2),
    ({"lockout": 1}, passwords("rwr"), "+--"),
    ({"lockout": 2}, passwords("wrwrwwr"), "-+-+---"),
    (
        {"lifetime": 10, "renewal_lifetime": 20, "early": 0},
        around_an_end,
        [0, 10, (200, 200), (401, 200), (401, 200), (401, 401)],
    ),
]


@each(SCENES)
def test_a_mode_changes_the_result_of_a_call(ask: Ask, scene: Scene) -> None:
    play(partial(client, ask), scene)


def test_each_mode_has_a_scene() -> None:
    assert not_played(VendorlinkModes, SCENES) == set()


@pytest.mark.parametrize("key", ["rToken", "RenewalToken"])
@pytest.mark.parametrize("mode", TYPES)
def test_a_request_that_a_mode_requires_is_accepted(ask: Ask, key: str, mode: str) -> None:
    """By default too; both keys in one body are accepted by either mode."""
    modes = {"extend_key": key, "extend_content_type": mode}
    for visitor in (client(ask), client(ask, **modes)):
        assert extend_by(key, TYPES[mode])(visitor) == 200
        pair = visitor.pair()
        body = dict.fromkeys(("rToken", "RenewalToken"), pair["renewalToken"])
        headers = {"authorization": f"Bearer {pair['accessToken']}", "content-type": TYPES[mode]}
        assert visitor.call("POST", "auth/extendtoken", body, **headers).is_success
