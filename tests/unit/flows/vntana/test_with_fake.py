"""VNTANA's flow with a fake that enforces VNTANA's rules, in each mode."""

from random import Random

import pytest

from tests.conversations import NOW, Desk
from token_broker.flows.vntana import flow as vntana
from token_broker.flows.vntana.credentials import Credentials
from token_broker.tokens import Token
from token_broker_fakes.vntana import Account, FakeVntana, Organization, VntanaModes, Workspace

STUDIO = Organization(
    "studio", "CLIENT_ORGANIZATION_ADMIN", [Workspace("chairs"), Workspace("tables")]
)
ACME = Organization("acme", "ORGANIZATION_ADMIN", [Workspace("parts")])


def fake_and_desk(modes: dict[str, str] | None = None) -> tuple[FakeVntana, Desk]:
    """Return a fake with two organizations, and a broker of one connection to it."""
    account = Account(organizations=[ACME, STUDIO])
    known = VntanaModes(**modes or {})  # type: ignore[arg-type]  # by name
    fake = FakeVntana([account], known, clock=lambda: float(NOW), rng=Random(1))
    login = {"personal_access_token": account.key, "base_url": "http://127.0.0.1:9"}
    return fake, Desk(vntana.VENDOR, Credentials.parse(login), fake)


def lives_in_chairs(fake: FakeVntana, token: Token) -> bool:
    """Say whether *token* is a live one of the workspace `chairs`."""
    session = fake.session(token.value)
    assert session is not None
    return session.named == "workspace token of chairs" and not session.is_dead(NOW)


MODES: list[dict[str, str]] = [
    *({"success_errors": form} for form in ("object", "absent")),
    *({"token_header": "x-auth-token"}, {"token_prefix": "bearer"}, {"other_answers": "decoy"}),
    *({"single_session": "family"}, {"workspace_headers": "either"}),
]
DEAD: list[dict[str, str]] = [
    *({"dead_token": status} for status in ("401", "403", "403_bad_credentials")),
    {"dead_token": "403_bad_credentials", "failure_status": "200"},
    {"dead_token": "401", "failure_status": "200", "failure_errors": "objects"},
]


@pytest.mark.parametrize("modes", [*MODES, *DEAD], ids=str)
def test_a_workspace_is_renewed_after_its_organization_token_died(modes: dict[str, str]) -> None:
    """In each mode that needs no option."""
    fake, at = fake_and_desk(modes)
    chairs = at.resolved(organization="studio", workspace="chairs")
    assert lives_in_chairs(fake, at.token(chairs))
    fake.revoke()
    at.now += 300 + 1
    assert lives_in_chairs(fake, at.renew(chairs))
