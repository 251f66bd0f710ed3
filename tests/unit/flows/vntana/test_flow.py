"""VNTANA's exchanges, driven step by step: the requests and their order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations import (
    NOW,
    MiniBroker,
    answer,
    any_answers,
    begin,
    concluded,
    ended,
    held,
    repeated,
    reply,
    survives,
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
    """With the login's token, which is handed to the next step."""
    talk = vntana.exchange(PASSWORD, LISTING, NOW)

    login = begin(talk)
    assert (login.method, login.url) == ("POST", f"{BASE}/v1/auth/login")
    assert login.headers == {"content-type": "application/json"}
    assert login.json == {"email": "broker@example.com", "password": 'correct "horse"'}

    listed = reply(talk, with_token("login/1"))
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


def test_a_login_by_key_has_another_url() -> None:
    """The field's name has hyphens."""
    login = begin(vntana.exchange(KEY, LISTING, NOW))
    assert login.url == f"{BASE}/v1/auth/login/token"
    assert login.json == {"personal-access-token": "key/with+signs=="}


def test_an_organization_is_entered_with_a_login() -> None:
    talk = vntana.exchange(PASSWORD, IN_ORGANIZATION, NOW)
    assert next(talk) == NeedToken(LISTING)
    assert reply(talk, listing(row())).step == "login"

    enter = reply(talk, with_token("login/2"))
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

    enter = reply(talk, organization_token("org/1"))
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


def test_a_request_is_resolved_by_listings() -> None:
    """A role without rights in the organization needs a workspace: here the only one."""
    talk = vntana.exchange(PASSWORD, ASKED, NOW)
    assert next(talk) == NeedToken(LISTING)
    assert talk.send(listing(GUEST)) == NeedToken(IN_ORGANIZATION)

    listed = reply(talk, organization_token("org/1"))
    assert (listed.method, listed.url) == ("GET", f"{BASE}/v1/clients/client-organizations")
    assert listed.headers == {"x-auth-token": "Bearer org/1"}

    assert ended(talk, grid(row(SPACE, "chairs"))) == TO_WORKSPACE


def test_options_change_method_and_headers_of_the_refresh() -> None:
    """VNTANA's own demo uses GET and sends the workspace's UUID only."""
    switched = Credentials(KEY.login, refresh_method="GET", workspace_headers="client")
    talk = vntana.exchange(switched, IN_WORKSPACE, NOW)
    next(talk)
    enter = reply(talk, organization_token("org/1"))
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
def test_a_check_reads_the_organization_of_the_token(response: Response, result: Any) -> None:
    """At the token's host. Other errors are no reason to replace the token."""
    talk = vntana.check(PASSWORD, organization_token("org/1"))
    request = begin(talk)
    assert (request.method, request.url) == ("GET", f"{BASE}/v1/organizations/current")
    assert request.headers == {"x-auth-token": "Bearer org/1"}
    assert concluded(talk, response) is result


def test_logout_succeeds_with_any_response() -> None:
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
def test_a_token_expires_with_its_session_or_after_the_configured_lifetime(
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
def test_the_request_fields_are_kept_unresolved(
    body: dict[str, object], inputs: dict[str, object]
) -> None:
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
def test_a_pinned_field_accepts_only_the_value_of_the_secret(
    named: tuple[str | None, str | None], refused: str | None
) -> None:
    """Before any request. A resolved variant stays as it is."""
    pins = Credentials(KEY.login, "acme", "chairs", pinned=("organization", "workspace"))
    variant = Variant("asked", dict(zip(("organization", "workspace"), named, strict=True)))
    if refused:
        with pytest.raises(InvalidRequest, match=f"^{refused}: is pinned"):
            vntana.VENDOR.resolve(pins, variant)
    else:
        assert vntana.VENDOR.resolve(pins, variant) == variant
    assert vntana.VENDOR.resolve(pins, IN_WORKSPACE) == IN_WORKSPACE


def test_tokens_are_always_shared() -> None:
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
def test_any_response_causes_a_documented_error_without_secrets(
    begun: list[Response], answers: list[Response], variant: Variant, in_body: bool
) -> None:
    """From the beginning, and after a listing, to reach the later steps."""
    login = {"email": "user name@Example", "password": 'pass "wörd"/\\'}
    credentials = Credentials(login, token_from_body=in_body)
    at = MiniBroker(vntana.VENDOR, credentials, repeated([*begun, *answers]))
    survives(lambda: at.converse(variant))


@pytest.mark.parametrize(
    ("kept", "role"),
    [
        pytest.param(listing(GUEST), "CLIENT_ORGANIZATION_VIEWER", id="by the listing"),
        pytest.param(listing(), "ORGANIZATION_ADMIN", id="which may lack it"),
    ],
)
def test_a_workspace_token_has_the_current_role(kept: Token, role: str) -> None:
    """An administrator gets no workspace token, so the role has changed since."""
    context = {"organization": ORG, "workspace": None, "role": "ORGANIZATION_ADMIN"}
    before = replace(organization_token(), context=context)
    token = held(vntana.exchange(KEY, IN_WORKSPACE, NOW), [before, with_token("space/1"), kept])
    assert token.context["role"] == role
