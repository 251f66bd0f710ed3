"""VNTANA's exchanges, driven step by step: the requests and their order."""

from random import Random
from typing import Any

import pytest

from tests.conversations import (
    NOW,
    MiniBroker,
    answer,
    begin,
    concluded,
    ended,
    held,
    reply,
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
    BrokerError,
    InvalidRequest,
    UpstreamContractChanged,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.exchange import NeedToken, ResolvedTo, Response
from token_broker.flows.vntana import api, requested
from token_broker.flows.vntana import flow as vntana
from token_broker.flows.vntana.credentials import Credentials
from token_broker.flows.vntana.organizations import LISTING
from token_broker.records import replace
from token_broker.tokens import Token, Variant
from token_broker_fakes import registry
from token_broker_fakes.vntana import FakeVntana


def test_a_listing_logs_in_and_lists() -> None:
    """With the login's token, which is handed to the next step. A key has another URL."""
    by_key = begin(vntana.exchange(KEY, LISTING, NOW))
    assert by_key.url == f"{BASE}/v1/auth/login/token"
    assert by_key.json == {"personal-access-token": "key/with+signs=="}
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


FORBIDDEN, BAD_CREDENTIALS = refused(403, "FORBIDDEN"), refused(200, "BAD_CREDENTIALS")


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (answer({"success": True, "errors": [], "response": {"uuid": ORG}}), True),
        *((dead, False) for dead in (answer(status=401), FORBIDDEN, BAD_CREDENTIALS)),
        (refused(403, "SUBSCRIPTION_SUSPENDED"), UpstreamRefused),
        (refused(200, "API_RATE_LIMIT_EXCEEDED"), UpstreamUnavailable),
        (answer(status=502), UpstreamUnavailable),
        *((odd, UpstreamContractChanged) for odd in (answer(), answer(status=302))),
    ],
)
def test_a_check_reads_the_organization_of_the_token(response: Response, result: Any) -> None:
    """At the token's host. Other errors are no reason to replace the token."""
    assert vntana.VENDOR.check
    talk = vntana.VENDOR.check(PASSWORD, organization_token("org/1"))
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
    ("variant", "before"),
    [
        (IN_ORGANIZATION, [listing(row(), handoff={"login": "a"})]),
        (IN_WORKSPACE, [organization_token()]),
    ],
    ids=["organization", "workspace"],
)
def test_a_token_expires_with_its_session_or_after_the_configured_lifetime(
    variant: Variant, before: list[object]
) -> None:
    """A longer session, or one that is past, changes nothing."""
    credentials = Credentials(KEY.login, lifetime=300)
    sessions: tuple[dict[str, str], ...] = (
        {},
        {"expiration": "2031-01-01T00:00:00"},
        {"expiration": "2020-01-01T00:00:00"},
    )
    shorter = {"expiration": "2030-03-17T17:47:40"}
    for session, seconds in (*((one, 300) for one in sessions), (shorter, 60)):
        answers = [*before, with_token("a/1", session=session)]
        found = held(vntana.exchange(credentials, variant, NOW), answers)
        assert found.expires_at == NOW + seconds


def test_the_request_fields_are_kept_unresolved() -> None:
    """Tokens are always shared."""
    absent = {"organization": None, "workspace": None}
    for body in ({}, {"organization": "acme"}, {"organization": None, "workspace": SPACE}):
        document = Document(body, InvalidRequest)
        variant = requested(document)
        document.finish()
        assert variant == Variant("asked", absent | body)
        assert vntana.VENDOR.resolve(KEY, variant) == variant
    assert vntana.VENDOR.is_shared is None


def test_a_pinned_field_accepts_only_the_value_of_the_secret() -> None:
    """Before any request. A resolved variant stays as it is."""
    pins = Credentials(KEY.login, "acme", "chairs", pinned=("organization", "workspace"))

    def variant(organization: str | None, workspace: str | None = None) -> Variant:
        return Variant("asked", {"organization": organization, "workspace": workspace})

    for same in (variant(None), variant("acme"), variant("acme", "chairs"), IN_WORKSPACE):
        assert vntana.VENDOR.resolve(pins, same) == same
    others = [("organization", variant("Acme")), ("organization", variant("studio"))]
    for name, other in (*others, ("workspace", variant(None, "tables"))):
        with pytest.raises(InvalidRequest, match=f"^{name}: is pinned"):
            vntana.VENDOR.resolve(pins, other)


def test_a_workspace_token_has_the_current_role() -> None:
    """An administrator gets no workspace token, so the role has changed since.

    It is that of the listing, which may lack the organization.
    """
    context = {"organization": ORG, "workspace": None, "role": "ORGANIZATION_ADMIN"}
    before = [replace(organization_token(), context=context), with_token("space/1")]
    listed = {"CLIENT_ORGANIZATION_VIEWER": listing(GUEST), "ORGANIZATION_ADMIN": listing()}
    unknown = {None: listing(row(role=None))}
    for role, kept in (listed | unknown).items():
        token = held(vntana.exchange(KEY, IN_WORKSPACE, NOW), [*before, kept])
        assert token.context["role"] == role


# After error responses and outages

PROMOTED = listing(row(role="ORGANIZATION_OWNER"))
DEAD = [
    pytest.param(refused(401), id="401"),
    pytest.param(answer({"status": 401, "error": "Unauthorized"}, 401), id="401, other body"),
    pytest.param(refused(403, "FORBIDDEN"), id="403 FORBIDDEN"),
    pytest.param(refused(200, "TOKEN_NOT_FOUND"), id="200 that is a failure"),
    pytest.param(Response(403, {}, b"Forbidden"), id="403 without a reason"),
]


@pytest.mark.parametrize("dead", DEAD)
@pytest.mark.parametrize(
    ("variant", "before", "success", "result"),
    [
        pytest.param(IN_WORKSPACE, [], with_token("space/1"), "space/1", id="entering"),
        pytest.param(ASKED, [listing(GUEST)], grid(row(SPACE)), IN_WORKSPACE, id="listing"),
    ],
)
def test_a_dead_organization_token_is_replaced_once(
    variant: Variant, before: list[object], success: Response, result: object, dead: Response
) -> None:
    """A workspace's token has the role of the newer one."""
    old, new = organization_token("org/1"), organization_token("org/2")
    new = replace(new, context={**new.context, "role": "CLIENT_ORGANIZATION_VIEWER"})
    talk = vntana.exchange(KEY, variant, NOW)
    next(talk)
    for told in before:
        talk.send(told)
    talk.send(old)
    assert reply(talk, dead).step == "check organization"
    assert talk.send(dead) == NeedToken(IN_ORGANIZATION, rejected=old.fingerprint)
    assert reply(talk, new).headers["x-auth-token"] == "Bearer org/2"
    token = ended(talk, success)
    assert (token.variant if isinstance(token, ResolvedTo) else token.value) == result
    assert isinstance(token, ResolvedTo) or token.context["role"] == new.context["role"]


LIVE = answer({"response": {}})
SPACES = grid(row(SPACE, "desks"))


@pytest.mark.parametrize("refusal", [*DEAD, refused(403, "BAD_CREDENTIALS")])
def test_a_refusal_with_a_live_organization_token_replaces_nothing(refusal: Response) -> None:
    """The refusal is then about the workspace. A new token would revoke the one others use."""
    is_about_role = "BAD_CREDENTIALS" in api.codes_of(refusal)
    answers = [organization_token(), refusal, LIVE, *[listing(GUEST)] * is_about_role]
    with pytest.raises(UpstreamRefused, match="enter workspace"):
        held(vntana.exchange(KEY, IN_WORKSPACE, NOW), [*answers, SPACES])
    with pytest.raises(InvalidRequest, match="workspace: does not name one"):
        held(vntana.exchange(KEY, IN_WORKSPACE, NOW), [*answers, grid(row(ORG, "lofts"))])


def test_a_workspace_that_is_not_there_is_looked_for_in_the_list() -> None:
    """The code says that the token is live."""
    wrong = refused(403, "INVALID_CLIENT_UUID")
    for listed, error in ((grid(), UpstreamRefused), (grid(row(ORG, "lofts")), InvalidRequest)):
        with pytest.raises(error, match="workspace: "):
            held(vntana.exchange(KEY, IN_WORKSPACE, NOW), [organization_token(), wrong, listed])


def test_an_administrator_gets_the_organization_token() -> None:
    """For an organization-level role ``BAD_CREDENTIALS`` means: keep the organization's token.

    The role is looked up in a listing of the last minute.
    """
    bad = refused(403, "BAD_CREDENTIALS")
    for age, role in ((60, "ORGANIZATION_ADMIN"), (61, "ORGANIZATION_OWNER")):
        kept = listing(row(role="ORGANIZATION_ADMIN"), at=NOW - age)
        answers = [organization_token(), bad, LIVE, kept, *[PROMOTED] * (age > 60)]
        found = held(vntana.exchange(KEY, IN_WORKSPACE, NOW), answers)
        assert found == ResolvedTo(IN_ORGANIZATION, {"role": role})


def test_a_dead_organization_token_is_replaced_once_and_by_another_one() -> None:
    """Not in an outage. The broker returns the same token if it is too young to be dead."""
    first, forbidden = organization_token("org/1"), refused(403, "FORBIDDEN")

    def entering(*answers: object) -> object:
        return held(vntana.exchange(KEY, IN_WORKSPACE, NOW), [first, *answers])

    for dead in (refused(401), forbidden):
        with pytest.raises(UpstreamRefused):
            entering(dead, dead, organization_token("org/2"), dead, SPACES)
    with pytest.raises(UpstreamRefused):
        entering(forbidden, forbidden, first, SPACES)
    with pytest.raises(UpstreamUnavailable, match="check organization: "):
        entering(forbidden, Response(503))


@pytest.mark.parametrize("rows", [[GUEST], []])
def test_bad_credentials_of_another_role_may_mean_a_dead_token(rows: list[dict[str, Any]]) -> None:
    """Or an organization that left the account. It is no rejection of the credentials."""
    bad = refused(403, "BAD_CREDENTIALS")
    answers = [organization_token("org/1"), bad, bad, organization_token("org/2")]
    found = held(vntana.exchange(KEY, IN_WORKSPACE, NOW), [*answers, with_token("space/1")])
    assert found.value == "space/1"
    with pytest.raises(UpstreamRefused) as error:
        held(vntana.exchange(KEY, IN_WORKSPACE, NOW), [*answers, bad, listing(*rows), SPACES])
    assert error.value.upstream_code == "BAD_CREDENTIALS"


STEPS: dict[str, tuple[Variant, list[object]]] = {
    "login": (LISTING, []),
    "list organizations": (LISTING, [with_token("login/1")]),
    "enter organization": (IN_ORGANIZATION, [listing(row()), with_token("login/1")]),
    "list workspaces": (ASKED, [listing(GUEST), organization_token()]),
    "enter workspace": (IN_WORKSPACE, [organization_token()]),
}
"""Each step, and what leads to it."""
CODES = [
    (403, "API_RATE_LIMIT_EXCEEDED", UpstreamUnavailable),
    (200, "BAD_GATEWAY", UpstreamUnavailable),
    (401, "UNAUTHORIZED_IP", UpstreamRefused),
]
HALF = Response(200, {"x-auth-token": "a"}, b'{"succ')


@pytest.mark.parametrize(
    ("last", "error", "code"),
    [
        *(
            pytest.param(refused(status, code), error, code, id=f"{code} under {status}")
            for status, code, error in CODES
        ),
        pytest.param(Response(302), UpstreamContractChanged, None, id="redirected"),
        pytest.param(HALF, UpstreamContractChanged, None, id="truncated"),
        pytest.param(answer({}), UpstreamContractChanged, None, id="neither token nor grid"),
        pytest.param(answer({}, x_auth_token="a b"), UpstreamContractChanged, None, id="odd"),
    ],
)
@pytest.mark.parametrize("step", STEPS)
def test_the_error_of_a_failed_step_names_the_step(
    step: str, last: Response, error: type[BrokerError], code: str | None
) -> None:
    variant, before = STEPS[step]
    with pytest.raises(error, match=f"^{step}: ") as raised:
        held(vntana.exchange(KEY, variant, NOW), [*before, last])
    assert raised.value.upstream_code == code


# With a fake that enforces VNTANA's rules

MODES: list[dict[str, str]] = [
    *({"success_errors": form} for form in ("object", "absent")),
    *({"token_header": "x-auth-token"}, {"token_prefix": "bearer"}, {"other_answers": "decoy"}),
    *({"single_session": "family"}, {"workspace_headers": "either"}),
]
DEAD_MODES: list[dict[str, str]] = [
    *({"dead_token": status} for status in ("401", "403", "403_bad_credentials")),
    {"dead_token": "403_bad_credentials", "failure_status": "200"},
    {"dead_token": "401", "failure_status": "200", "failure_errors": "objects"},
]


@pytest.mark.parametrize("modes", [*MODES, *DEAD_MODES], ids=str)
def test_a_workspace_is_renewed_after_its_organization_token_died(modes: dict[str, str]) -> None:
    """In each mode that needs no option."""
    fake = registry.new("vntana", clock=lambda: float(NOW), rng=Random(1))
    assert isinstance(fake, FakeVntana)
    fake.modes.update(modes)
    credentials = vntana.VENDOR.parse(fake.demo_secret("http://127.0.0.1:9"))
    at = MiniBroker(vntana.VENDOR, credentials, fake)
    chairs = at.resolved(organization="studio", workspace="chairs")
    for ask in (at.token, at.renew):
        session = fake.session(ask(chairs).value)
        assert session
        assert (session.named, session.is_dead(NOW)) == ("workspace token of chairs", False)
        fake.revoke()
        at.now += 300 + 1
