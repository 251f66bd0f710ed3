"""Each contradiction among VNTANA's documents and clients is a mode of the fake."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.unit.fakes.entrances import Ask
from tests.unit.fakes.scenes import Scene, each, not_played, play
from tests.unit.fakes.vntana_client import BASE, NOW, Client, client, listed, token_in
from token_broker.exchange import Request, Response
from token_broker_fakes import Account, Organization, VntanaModes, Workspace
from token_broker_fakes.wire import Call

MONTH = 30 * 86_400
UNAUTHORIZED = (401, "Unauthorized")
"""The 401 of the framework, which has no envelope."""
BAD_CREDENTIALS = (403, ["BAD_CREDENTIALS"])
FORBIDDEN = (403, ["FORBIDDEN"])


def outcome_of(response: Response) -> tuple[int, object]:
    """Return the status, with the error codes or the framework's error, if any."""
    body = response.json()
    return response.status, body.get("errors", body.get("error"))


def places(one: Client) -> list[str]:
    """Return where the token of a login is."""
    answer = one.login()
    body = answer.json()["response"]
    tokens = {
        "header": answer.headers.get("x-auth-token"),
        "body": body.get("token"),
        "session": body.get("session", {}).get("accessToken"),
    }
    return [place for place, token in tokens.items() if token and one.fake.session(token)]


def written(one: Client) -> list[str]:
    """Return the names of a login's headers as they are written."""
    body = {"personal-access-token": "key"}
    call = Call.of(Request("POST", f"{BASE}/v1/auth/login/token", "test", {}, body))
    return list(one.fake.deliver(call, lambda _: None).answer.headers)


def prefix(one: Client) -> str:
    """Return the prefix of the token of a login."""
    before, _, token = token_in(one.login()).rpartition(" ")
    assert one.fake.session(token)
    return before


def listing(**how: str) -> Callable[[Client], int]:
    """List the organizations with a token that is sent in the usual way, or as *how* says."""
    return lambda one: listed(one, **how).status


def enter_by(method: str) -> Callable[[Client], int]:
    return lambda one: one.enter(one.login_token(), method=method).status


def into_workspace(*, names_both: bool) -> Callable[[Client], int]:
    return lambda one: one.workspace(one.organization_token(), names_both=names_both).status


def wrong_password(one: Client) -> tuple[int, object]:
    return outcome_of(one.post("/v1/auth/login", {"email": "a@example.com"}))


def key_as(name: str) -> Callable[[Client], tuple[int, object]]:
    """Log in with the key, by the member called *name*."""
    return lambda one: outcome_of(one.post("/v1/auth/login/token", {name: "key"}))


def dead_token(one: Client) -> tuple[int, object]:
    return outcome_of(one.current("dead"))


def session_end(one: Client) -> object:
    """Return the expiry of a login's session in the body."""
    return one.login().json()["response"].get("session", {}).get("expiration", "absent")


def workspaces(one: Client) -> Any:
    """Return the list of workspaces, or the codes that refuse it."""
    path = "/v1/clients/client-organizations"
    body = one.call("GET", path, one.organization_token()).json()
    if "response" not in body:
        return body["errors"]
    rows = body["response"]
    return rows["totalCount"], [row["slug"] for row in rows["grid"]]


def first_created(one: Client) -> object:
    return listed(one).json()["response"]["grid"][0]["created"]


def survivors(one: Client) -> tuple[bool, bool]:
    """Say whether an organization's token and its workspace's live on after a new one is made."""
    organization = one.organization_token()
    workspace = token_in(one.workspace(organization))
    one.organization_token()
    return one.current(organization).is_success, one.current(workspace).is_success


def entering_twice(one: Client) -> list[int]:
    login = one.login_token()
    return [one.enter(login).status for _ in range(2)]


def entering_by_the_first_of_two_logins(one: Client) -> tuple[int, object]:
    first = one.login_token()
    one.login_token()
    return outcome_of(one.enter(first))


def decoys(one: Client) -> list[object]:
    """Return the validity of each token in responses that should hand out none."""
    token = one.organization_token()
    paths = ("organizations", "organizations/current", "clients/client-organizations")
    answers = [one.call("GET", f"/v1/{path}", token) for path in paths]
    assert one.current(token).is_success
    tokens = [answer.headers.get("x-auth-token") for answer in answers]
    return [token and outcome_of(one.current(token)) for token in tokens]


def as_super_admin(one: Client) -> tuple[int, object]:
    one.organization.role = "SUPER_ADMIN"
    return outcome_of(one.enter(one.login_token()))


def passwords(*given: str) -> Callable[[Client], list[object]]:
    """Log in with these passwords, one after the other."""

    def told(one: Client) -> list[object]:
        bodies = [{"email": "a@example.com", "password": password} for password in given]
        return [outcome_of(one.post("/v1/auth/login", body))[1] for body in bodies]

    return told


def around_an_end(one: Client) -> list[bool]:
    """Say of a login's token and an organization's whether they live after 9, 10, 19, 20 s."""
    login, lives = one.login_token(), list[bool]()
    token = token_in(one.enter(login))
    for seconds in (9, 1, 9, 1):
        one.fake.advance(seconds)
        lives.append(one.call("GET", "/v1/organizations", login).is_success)
        lives.append(one.current(token).is_success)
    return lives


RIGHT: list[str] = []
WRONG, BLOCKED = ["BAD_CREDENTIALS"], ["CLIENT_BLOCKED"]
SCENES: list[Scene] = [
    ({"token_place": "body"}, places, ["body"]),
    ({"token_place": "both"}, places, ["header", "body"]),
    ({"token_place": "session"}, places, ["session"]),
    ({"token_header": "x-auth-token"}, written, ["Content-Type", "x-auth-token"]),
    ({"token_header": "X-Auth-Token"}, written, ["Content-Type", "X-Auth-Token"]),
    ({"token_prefix": "Bearer"}, prefix, "Bearer"),
    ({"token_prefix": "bearer"}, prefix, "bearer"),
    ({"request_prefix": "none"}, listing(prefix=""), 200),
    ({"request_prefix": "none"}, listing(), 403),
    ({"request_prefix": "either"}, listing(prefix=""), 200),
    ({"request_header": "authorization"}, listing(header="authorization"), 200),
    ({"request_header": "authorization"}, listing(), 403),
    ({"request_header": "either"}, listing(header="authorization"), 200),
    ({"refresh_method": "GET"}, enter_by("GET"), 200),
    ({"refresh_method": "GET"}, enter_by("POST"), 405),
    ({"refresh_method": "either"}, enter_by("GET"), 200),
    ({"workspace_headers": "client"}, into_workspace(names_both=False), 200),
    ({"workspace_headers": "client"}, into_workspace(names_both=True), 403),
    ({"workspace_headers": "either"}, into_workspace(names_both=False), 200),
    ({"wrong_password": "401"}, wrong_password, UNAUTHORIZED),
    ({"wrong_password": "401"}, key_as("another_name"), UNAUTHORIZED),
    ({"dead_token": "401"}, dead_token, UNAUTHORIZED),
    ({"dead_token": "403_bad_credentials"}, dead_token, BAD_CREDENTIALS),
    ({"failure_status": "200"}, wrong_password, (200, ["BAD_CREDENTIALS"])),
    ({"failure_status": "200", "dead_token": "401"}, dead_token, (200, ["UNAUTHORIZED"])),
    ({"success_errors": "object"}, lambda one: one.login().json()["errors"], {}),
    ({"success_errors": "absent"}, lambda one: "errors" in one.login().json(), False),
    (
        {"failure_errors": "objects"},
        wrong_password,
        (403, [{"code": "BAD_CREDENTIALS", "message": "BAD_CREDENTIALS"}]),
    ),
    ({"failure_body": "null"}, lambda one: one.current("x").json().get("response", 0), None),
    ({"key_login": "refused"}, key_as("personal-access-token"), BAD_CREDENTIALS),
    ({"key_field": "authenticationKey"}, key_as("authenticationKey"), (200, [])),
    ({"key_field": "authenticationKey"}, key_as("personal-access-token"), BAD_CREDENTIALS),
    ({"session": "millis"}, session_end, "2026-10-21T14:13:20.000"),
    ({"session": "micros"}, session_end, "2026-10-21T14:13:20.000000"),
    ({"session": "seconds"}, session_end, "2026-10-21T14:13:20"),
    ({"session": "zulu"}, session_end, "2026-10-21T14:13:20.000Z"),
    ({"session": "past"}, session_end, "2026-09-21T13:13:20.000"),
    ({"session": "text"}, session_end, "in a month"),
    ({"session": "null"}, session_end, None),
    ({"session": "number"}, session_end, NOW + MONTH),
    ({"grid": "incomplete"}, workspaces, (2, ["chairs"])),
    ({"grid": "empty"}, workspaces, (0, [])),
    ({"workspaces": "forbidden"}, workspaces, ["FORBIDDEN"]),
    ({"created": "micros"}, first_created, "2020-01-31T19:17:23.972311"),
    ({"created": "seconds"}, first_created, "2020-01-31T19:17:23"),
    ({"single_session": "family"}, survivors, (False, False)),
    ({"single_session": "off"}, survivors, (True, True)),
    ({"login_token": "spent"}, entering_twice, [200, 403]),
    ({"logins": "one"}, entering_by_the_first_of_two_logins, FORBIDDEN),
    ({"other_answers": "decoy"}, decoys, [FORBIDDEN] * 3),
    ({"super_admin": "forbidden"}, as_super_admin, FORBIDDEN),
    ({"lockout": 1}, passwords("pass", "wrong", "pass"), [RIGHT, WRONG, BLOCKED]),
    (
        {"lockout": 2},
        passwords("wrong", "pass", "wrong", "pass", "wrong", "wrong", "pass"),
        [WRONG, RIGHT, WRONG, RIGHT, WRONG, WRONG, BLOCKED],
    ),
    (
        {"login_lifetime": 10, "lifetime": 20},
        around_an_end,
        [*(True, True), *(False, True), *(False, True), *(False, False)],
    ),
]


@each(SCENES)
def test_a_mode_changes_the_result_of_a_call(ask: Ask, scene: Scene) -> None:
    play(partial(client, ask), scene)


def test_each_mode_has_a_scene() -> None:
    assert not_played(VntanaModes, SCENES) == set()


@pytest.mark.parametrize(
    ("modes", "act"),
    [
        ({"request_prefix": "either"}, listing()),
        ({"request_header": "either"}, listing()),
        ({"refresh_method": "either"}, enter_by("POST")),
        ({"workspace_headers": "either"}, into_workspace(names_both=True)),
    ],
)
def test_a_lenient_mode_accepts_the_documented_request(
    ask: Ask, modes: dict[str, Any], act: Callable[[Client], int]
) -> None:
    assert act(client(ask, **modes)) == 200


def test_the_mode_family_revokes_tokens_of_one_account_and_organization(ask: Ask) -> None:
    """Tokens of other organizations, and of other users of this one, stay valid."""
    visitor = client(ask, single_session="family")
    [own] = visitor.fake.accounts
    own.organizations.append(Organization("second", "A_GUEST", [Workspace("sofas")]))
    other = Account("b@example.com", "pass", "b", own.organizations)
    issued = []
    for account, places in ((own, ("second", "sofas")), (other, ("acme", "chairs"))):
        visitor.fake.accounts = [account]
        issued.append(visitor.fake.issue(*places)["headers"]["X-AUTH-TOKEN"].split()[1])
    visitor.fake.accounts = [own, other]
    visitor.organization_token()
    assert [visitor.current(token).status for token in issued] == [200, 200]
