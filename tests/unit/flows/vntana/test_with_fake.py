"""VNTANA's flow with a fake that enforces VNTANA's rules, in each mode."""

from random import Random

import pytest

from tests.conversations import (
    NOW,
    Desk,
)
from tests.vntana_examples import (
    KEY,
)
from token_broker.errors import (
    BrokerError,
    CredentialRejected,
)
from token_broker.flows.vntana import flow as vntana
from token_broker.flows.vntana.credentials import Credentials
from token_broker.tokens import Variant
from token_broker_fakes.vntana import Account, FakeVntana, Organization, VntanaModes, Workspace

STUDIO = Organization(
    "studio", "CLIENT_ORGANIZATION_ADMIN", [Workspace("chairs"), Workspace("tables")]
)
ACME = Organization("acme", "ORGANIZATION_ADMIN", [Workspace("parts")])


def desk(modes: VntanaModes | None = None, **secret: object) -> Desk:
    account = Account(organizations=[ACME, STUDIO])
    fake = FakeVntana([account], modes, clock=lambda: float(NOW), rng=Random(1))
    login = {"personal_access_token": account.key, "base_url": "http://127.0.0.1:9"}
    return Desk(vntana.VENDOR, Credentials.parse(login | secret), fake)


def fake_of(desk: Desk) -> FakeVntana:
    assert isinstance(desk.send, FakeVntana)
    return desk.send


def calls(desk: Desk) -> list[str]:
    """Return the steps since the last look."""
    fake = fake_of(desk)
    assert fake.log.unknown == []
    steps = list(fake.log.steps)
    fake.log.clear()
    return steps


def test_the_fewest_calls_that_the_protocol_allows() -> None:
    """One listing, once; then two calls an organization, one a workspace, at each renewal too."""
    at = desk()
    acme = at.resolved(organization="acme")
    assert len(calls(at)) == 2

    at.token(acme)
    assert len(calls(at)) == 2
    at.renew(acme)
    assert len(calls(at)) == 2

    studio = STUDIO.uuid
    chairs, tables = (
        Variant("workspace", {"organization": studio, "workspace": one.uuid})
        for one in STUDIO.workspaces
    )
    at.token(chairs)
    assert len(calls(at)) == 3
    at.token(tables)
    assert len(calls(at)) == 1
    at.renew(chairs)
    assert len(calls(at)) == 1


def test_the_first_organization_uses_one_login() -> None:
    at = desk()
    at.token(Variant("organization", {"organization": ACME.uuid}))
    assert len(calls(at)) == 3


@pytest.mark.parametrize(
    "modes",
    [
        pytest.param({"token_header": "x-auth-token"}, id="the header in lower case"),
        pytest.param({"token_prefix": "Bearer"}, id="a token with Bearer"),
        pytest.param({"token_prefix": "bearer"}, id="a token with bearer"),
        pytest.param({"success_errors": "object"}, id="errors are an object"),
        pytest.param({"success_errors": "absent"}, id="errors are absent"),
        pytest.param({"other_answers": "decoy"}, id="lists carry a token, too"),
        pytest.param({"single_session": "family"}, id="an organization's end its workspaces'"),
        pytest.param({"workspace_headers": "either"}, id="either way to name a workspace"),
    ],
)
def test_contradictions_of_the_documents_that_need_no_switch(modes: dict[str, str]) -> None:
    at = desk(VntanaModes(**modes))  # type: ignore[arg-type]  # by name
    token = at.token(at.resolved(organization="studio", workspace="chairs"))
    session = fake_of(at).session(token.value)
    assert session is not None
    assert session.named == "workspace token of chairs"
    assert not session.is_dead(NOW)


@pytest.mark.parametrize(
    ("modes", "options"),
    [
        pytest.param({"refresh_method": "GET"}, {"refresh_method": "GET"}, id="GET"),
        pytest.param(
            {"workspace_headers": "client"}, {"workspace_headers": "client"}, id="client only"
        ),
        pytest.param({"token_place": "body"}, {"token_from_body": True}, id="token in the body"),
        pytest.param(
            {"token_place": "session", "session": "millis"},
            {"token_from_body": True},
            id="token in the session",
        ),
    ],
)
def test_contradictions_of_the_documents_that_have_a_switch(
    modes: dict[str, str], options: dict[str, object]
) -> None:
    variants: list[Desk] = [desk(VntanaModes(**modes), options=given) for given in (options, {})]  # type: ignore[arg-type]  # by name
    switched, plain = variants
    assert switched.token(switched.resolved(organization="studio", workspace="chairs")).value
    with pytest.raises(BrokerError):
        plain.token(plain.resolved(organization="studio", workspace="chairs"))


@pytest.mark.parametrize("dead", ["403", "401", "403_bad_credentials"])
@pytest.mark.parametrize("status", ["real", "200"])
@pytest.mark.parametrize("errors", ["strings", "objects"])
def test_a_workspace_survives_the_death_of_its_organization_token(
    dead: str, status: str, errors: str
) -> None:
    modes = VntanaModes(dead_token=dead, failure_status=status, failure_errors=errors)  # type: ignore[arg-type]  # by name
    at = desk(modes)
    chairs = at.resolved(organization="studio", workspace="chairs")
    at.token(chairs)
    fake_of(at).revoke()
    at.now += 300 + 1
    token = at.renew(chairs)
    session = fake_of(at).session(token.value)
    assert session is not None
    assert session.named == "workspace token of chairs"
    assert not session.is_dead(NOW)


@pytest.mark.parametrize("status", ["403", "401"])
@pytest.mark.parametrize("as_success", ["real", "200"])
def test_a_wrong_key_is_rejected(status: str, as_success: str) -> None:
    modes = VntanaModes(wrong_password=status, failure_status=as_success)  # type: ignore[arg-type]  # by name
    at = desk(modes, personal_access_token="wrong")
    with pytest.raises(CredentialRejected):
        at.resolved()
    assert len(calls(at)) == 1


def test_a_promoted_guest_is_served_from_the_organization() -> None:
    """A role is kept for long; that the workspace step is refused shows that it is another."""
    space = Workspace("chairs")
    place = Organization("studio", "CLIENT_ORGANIZATION_ADMIN", [space])
    at = Desk(
        vntana.VENDOR, KEY, FakeVntana([Account(key="key/with+signs==", organizations=[place])])
    )
    chairs = at.resolved()
    at.token(chairs)
    place.role = "ORGANIZATION_ADMIN"
    at.now += 300 + 1
    token = at.renew(chairs)
    assert token.context["workspace"] is None
    assert at.resolved() == Variant("organization", {"organization": place.uuid})
