"""VNTANA's conversations, held by hand: what is said in which order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations import (
    NOW,
    Desk,
    answer,
    any_answers,
    begin,
    concluded,
    ended,
    held,
    repeated,
    survives,
    tell,
)
from tests.vntana_examples import (
    ASKED,
    BASE,
    GUEST,
    IN_ORGANIZATION,
    IN_WORKSPACE,
    KEY,
    ORG,
    PASSWORD,
    SPACE,
    TO_WORKSPACE,
    grid,
    listing,
    organization_token,
    refused,
    row,
    with_token,
)
from token_broker.document import Document
from token_broker.errors import (
    InvalidRequest,
    UpstreamContractChanged,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.exchange import NeedToken, Response
from token_broker.flows.vntana import flow as vntana
from token_broker.flows.vntana import requested
from token_broker.flows.vntana.credentials import Credentials
from token_broker.flows.vntana.organizations import LISTING
from token_broker.records import replace
from token_broker.tokens import Token, Variant


def test_a_listing_logs_in_and_lists() -> None:
    """The login's token lists organizations; it is handed on to the step that comes next."""
    talk = vntana.exchange(PASSWORD, LISTING, NOW)

    login = begin(talk)
    assert (login.method, login.url) == ("POST", f"{BASE}/v1/auth/login")
    assert login.headers == {"content-type": "application/json"}
    assert login.json == {"email": "broker@example.com", "password": 'correct "horse"'}

    listed = tell(talk, with_token("login/1"))
    assert (listed.method, listed.url) == ("GET", f"{BASE}/v1/organizations")
    assert listed.headers == {"x-auth-token": "Bearer login/1"}
    assert listed.body == b""

    token = ended(talk, grid(row(), row(SPACE, "other", "SUPER_ADMIN")))
    assert token.context["rows"] == [
        [ORG, "acme", "ORGANIZATION_ADMIN"],
        [SPACE, "other", "SUPER_ADMIN"],
    ]
    assert token.handoff == {"login": "login/1"}
    assert "login/1" not in token.value
    assert held(vntana.log_out(token), []) is None


def test_a_key_logs_in_at_another_address() -> None:
    """The member's name has hyphens."""
    login = begin(vntana.exchange(KEY, LISTING, NOW))
    assert login.url == f"{BASE}/v1/auth/login/token"
    assert login.json == {"personal-access-token": "key/with+signs=="}


def test_an_organization_is_entered_with_a_login() -> None:
    talk = vntana.exchange(PASSWORD, IN_ORGANIZATION, NOW)
    assert next(talk) == NeedToken(LISTING)
    assert tell(talk, listing(row())).step == "login"

    enter = tell(talk, with_token("login/2"))
    assert (enter.method, enter.url) == ("POST", f"{BASE}/v1/auth/refresh-token")
    assert enter.headers == {"x-auth-token": "Bearer login/2", "organizationuuid": ORG}
    assert enter.body == b""

    assert ended(talk, with_token("org/1")) == Token(
        value="org/1",
        headers={"X-AUTH-TOKEN": "Bearer org/1"},
        base_url=BASE,
        issued_at=NOW,
        expires_at=NOW + 86_400,
        context={"organization": ORG, "workspace": None, "role": "ORGANIZATION_ADMIN"},
    )


def test_a_workspace_is_entered_with_the_organizations_token() -> None:
    talk = vntana.exchange(PASSWORD, IN_WORKSPACE, NOW)
    assert next(talk) == NeedToken(IN_ORGANIZATION)

    enter = tell(talk, organization_token("org/1"))
    assert (enter.method, enter.url) == ("POST", f"{BASE}/v1/auth/refresh-token")
    assert enter.headers == {
        "x-auth-token": "Bearer org/1",
        "organizationuuid": ORG,
        "clientuuid": SPACE,
    }

    token = ended(talk, with_token("space/1"))
    assert token.headers == {"X-AUTH-TOKEN": "Bearer space/1"}
    assert token.context == {
        "organization": ORG,
        "workspace": SPACE,
        "role": "CLIENT_ORGANIZATION_ADMIN",
    }


def test_what_is_asked_is_found_by_listing() -> None:
    """A role below the organization's needs a workspace: here the only one."""
    talk = vntana.exchange(PASSWORD, ASKED, NOW)
    assert next(talk) == NeedToken(LISTING)
    assert talk.send(listing(GUEST)) == NeedToken(IN_ORGANIZATION)

    listed = tell(talk, organization_token("org/1"))
    assert (listed.method, listed.url) == ("GET", f"{BASE}/v1/clients/client-organizations")
    assert listed.headers == {"x-auth-token": "Bearer org/1"}

    assert ended(talk, grid(row(SPACE, "chairs"))) == TO_WORKSPACE


def test_the_switches_change_the_refresh() -> None:
    """VNTANA's own demo says GET, and sends the workspace's uuid only."""
    switched = Credentials(KEY.login, refresh_method="GET", workspace_headers="client")
    talk = vntana.exchange(switched, IN_WORKSPACE, NOW)
    next(talk)
    enter = tell(talk, organization_token("org/1"))
    assert enter.method == "GET"
    assert enter.headers == {"x-auth-token": "Bearer org/1", "clientuuid": SPACE}


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (answer({"success": True, "errors": [], "response": {"uuid": ORG}}), True),
        (answer(status=401), False),
        (answer({"success": False, "errors": ["FORBIDDEN"]}, 403), False),
        (answer({"success": False, "errors": ["BAD_CREDENTIALS"]}), False),
        (answer({"success": False, "errors": ["SUBSCRIPTION_SUSPENDED"]}, 403), UpstreamRefused),
        (answer({"success": False, "errors": ["API_RATE_LIMIT_EXCEEDED"]}), UpstreamUnavailable),
        (answer(status=502), UpstreamUnavailable),
        (answer(), UpstreamContractChanged),
        (answer(status=302), UpstreamContractChanged),
    ],
)
def test_a_check_asks_for_the_organization_of_the_token(response: Response, result: Any) -> None:
    """At the host that made it. What says nothing of the token is no reason to replace it."""
    talk = vntana.check(PASSWORD, organization_token("org/1"))
    request = begin(talk)
    assert (request.method, request.url) == ("GET", f"{BASE}/v1/organizations/current")
    assert request.headers == {"x-auth-token": "Bearer org/1"}
    assert concluded(talk, response) is result


def test_logging_out_ends_the_session_whatever_the_answer() -> None:
    token = organization_token("org/1")
    talk = vntana.log_out(token)
    logout = begin(talk)
    assert (logout.method, logout.url) == ("POST", f"{BASE}/v1/auth/logout")
    assert logout.headers == {"x-auth-token": "Bearer org/1"}
    assert ended(talk, refused(401, "TOKEN_NOT_FOUND")) is None


@pytest.mark.parametrize(
    ("session", "lifetime", "expires_at"),
    [
        pytest.param({}, 300, NOW + 300, id="the secret's lifetime"),
        pytest.param({"expiration": "2030-03-17T17:47:40"}, 300, NOW + 60, id="a shorter session"),
        pytest.param({"expiration": "2031-01-01T00:00:00"}, 300, NOW + 300, id="a longer session"),
        pytest.param({"expiration": "2020-01-01T00:00:00"}, 300, NOW + 300, id="a past session"),
    ],
)
@pytest.mark.parametrize(
    ("variant", "before"),
    [
        pytest.param(IN_ORGANIZATION, [listing(row(), handoff={"login": "a"})], id="organization"),
        pytest.param(IN_WORKSPACE, [organization_token()], id="workspace"),
    ],
)
def test_a_token_ends_with_its_session_or_after_the_lifetime_of_the_secret(
    variant: Variant, before: list[object], session: object, lifetime: int, expires_at: int
) -> None:
    credentials = Credentials(KEY.login, lifetime=lifetime)
    answers = [*before, with_token("a/1", session=session)]
    assert held(vntana.exchange(credentials, variant, NOW), answers).expires_at == expires_at


@pytest.mark.parametrize(
    ("body", "inputs"),
    [
        ({}, {"organization": None, "workspace": None}),
        ({"organization": "acme"}, {"organization": "acme", "workspace": None}),
        ({"organization": None, "workspace": SPACE}, {"organization": None, "workspace": SPACE}),
    ],
)
def test_a_call_is_taken_at_its_word(body: dict[str, object], inputs: dict[str, object]) -> None:
    document = Document(body, InvalidRequest)
    variant = requested(document)
    document.finish()
    assert variant == Variant("asked", inputs)
    assert vntana.VENDOR.resolve(KEY, variant) == variant


@pytest.mark.parametrize(
    ("named", "refused"),
    [
        ((None, None), None),
        (("acme", None), None),
        (("acme", "chairs"), None),
        (("Acme", None), "organization"),
        (("studio", None), "organization"),
        ((None, "tables"), "workspace"),
    ],
)
def test_what_is_pinned_is_named_as_by_the_secret(
    named: tuple[str | None, str | None], refused: str | None
) -> None:
    """Before anything is asked. A variant that was resolved under the pins is what it is."""
    pins = Credentials(KEY.login, "acme", "chairs", pinned=("organization", "workspace"))
    variant = Variant("asked", dict(zip(("organization", "workspace"), named, strict=True)))
    if refused:
        with pytest.raises(InvalidRequest, match=f"^{refused}: is pinned"):
            vntana.VENDOR.resolve(pins, variant)
    else:
        assert vntana.VENDOR.resolve(pins, variant) == variant
    assert vntana.VENDOR.resolve(pins, IN_WORKSPACE) == IN_WORKSPACE


def test_a_second_token_would_revoke_the_first_so_callers_share() -> None:
    assert vntana.VENDOR.is_shared is None


ROWS: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {
        "uuid": st.sampled_from([ORG, SPACE]),
        "slug": st.text(),
        "role": st.sampled_from(["ORGANIZATION_ADMIN", "X", None, [], {"a": 1}, 0]),
    }
)
LISTED = st.lists(ROWS, max_size=3).map(lambda rows: [with_token("login/1"), grid(*rows)])
KINDS = st.sampled_from([ASKED, LISTING, IN_ORGANIZATION, IN_WORKSPACE])


@given(st.just([]) | LISTED, any_answers, KINDS, st.booleans())
def test_whatever_is_answered_no_other_error_and_no_secret_gets_out(
    begun: list[Response], answers: list[Response], variant: Variant, in_body: bool
) -> None:
    """From the beginning, and after a listing, so that the later steps are reached as well."""
    login = {"email": "user name@Example", "password": 'pass "wörd"/\\'}
    credentials = Credentials(login, token_from_body=in_body)
    at = Desk(vntana.VENDOR, credentials, repeated([*begun, *answers]))
    survives(lambda: at.converse(variant))


@pytest.mark.parametrize(
    ("kept", "role"),
    [
        pytest.param(listing(GUEST), "CLIENT_ORGANIZATION_VIEWER", id="by the listing"),
        pytest.param(listing(), "ORGANIZATION_ADMIN", id="which may lack it"),
    ],
)
def test_a_workspaces_token_says_no_role_that_makes_none(kept: Token, role: str) -> None:
    """An administrator's organization token makes no workspace's: the role has changed since."""
    context = {"organization": ORG, "workspace": None, "role": "ORGANIZATION_ADMIN"}
    before = replace(organization_token(), context=context)
    token = held(vntana.exchange(KEY, IN_WORKSPACE, NOW), [before, with_token("space/1"), kept])
    assert token.context["role"] == role
