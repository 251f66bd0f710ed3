"""VNTANA's flow with a fake that enforces VNTANA's rules, in each mode."""

from random import Random

import pytest

from tests.conversations import NOW, MiniBroker
from token_broker.flows.vntana import flow as vntana
from token_broker.flows.vntana.credentials import Credentials
from token_broker.tokens import Token, Variant
from token_broker_fakes.vntana import Account, FakeVntana, Organization, VntanaModes, Workspace

STUDIO = Organization(
    "studio", "CLIENT_ORGANIZATION_ADMIN", [Workspace("chairs"), Workspace("tables")]
)
ACME = Organization("acme", "ORGANIZATION_ADMIN", [Workspace("parts")])


def fake_and_desk(modes: dict[str, str] | None = None) -> tuple[FakeVntana, MiniBroker]:
    """Return a fake with two organizations, and a broker of one connection to it."""
    account = Account(organizations=[ACME, STUDIO])
    known = VntanaModes(**modes or {})  # type: ignore[arg-type]  # by name
    fake = FakeVntana([account], known, clock=lambda: float(NOW), rng=Random(1))
    login = {"personal_access_token": account.key, "base_url": "http://127.0.0.1:9"}
    return fake, MiniBroker(vntana.VENDOR, Credentials.parse(login), fake)


def lives_in_chairs(fake: FakeVntana, token: Token) -> bool:
    """Say whether *token* is a live one of the workspace `chairs`."""
    session = fake.session(token.value)
    assert session is not None
    return session.named == "workspace token of chairs" and not session.is_dead(NOW)


def test_exchanges_send_the_minimal_number_of_requests() -> None:
    """One listing; then two requests for an organization, one for a workspace; also in renewals."""
    fake, at = fake_and_desk()

    def calls() -> int:
        """Return the number of requests since the last look."""
        assert fake.log.unknown == []
        count = len(fake.log)
        fake.log.clear()
        return count

    acme = at.resolved(organization="acme")
    assert calls() == 2
    for ask in (at.token, at.renew):
        ask(acme)
        assert calls() == 2

    chairs, tables = (
        Variant("workspace", {"organization": STUDIO.uuid, "workspace": one.uuid})
        for one in STUDIO.workspaces
    )
    for ask, variant, count in (
        (at.token, chairs, 3),
        (at.token, tables, 1),
        (at.renew, chairs, 1),
    ):
        ask(variant)
        assert calls() == count


@pytest.mark.parametrize(
    "modes",
    [
        {"token_header": "x-auth-token"},
        {"token_prefix": "bearer"},
        {"success_errors": "object"},
        {"success_errors": "absent"},
        {"other_answers": "decoy"},
        {"single_session": "family"},
        {"workspace_headers": "either"},
    ],
    ids=str,
)
def test_modes_that_need_no_option(modes: dict[str, str]) -> None:
    fake, at = fake_and_desk(modes)
    token = at.token(at.resolved(organization="studio", workspace="chairs"))
    assert lives_in_chairs(fake, token)


@pytest.mark.parametrize(
    "modes",
    [
        {"dead_token": "403"},
        {"dead_token": "401"},
        {"dead_token": "403_bad_credentials"},
        {"dead_token": "403_bad_credentials", "failure_status": "200"},
        {"dead_token": "401", "failure_status": "200", "failure_errors": "objects"},
    ],
    ids=str,
)
def test_a_workspace_is_renewed_after_its_organization_token_died(modes: dict[str, str]) -> None:
    fake, at = fake_and_desk(modes)
    chairs = at.resolved(organization="studio", workspace="chairs")
    at.token(chairs)
    fake.revoke()
    at.now += 300 + 1
    assert lives_in_chairs(fake, at.renew(chairs))
