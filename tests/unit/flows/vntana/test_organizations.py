"""Names of organizations and workspaces, and the variants that they resolve to."""

from typing import Any

import pytest

from tests.conversations import NOW, answer, ended, held
from tests.vntana_examples import (
    ASKED,
    GUEST,
    IN_ORGANIZATION,
    KEY,
    ORG,
    SPACE,
    TO_ORGANIZATION,
    TO_WORKSPACE,
    grid,
    listing,
    organization_token,
    row,
    with_token,
)
from token_broker.errors import (
    InvalidRequest,
    NotConfigured,
    UpstreamContractChanged,
    UpstreamRefused,
)
from token_broker.exchange import Exchange, NeedToken, Request, Response
from token_broker.flows.vntana import flow as vntana
from token_broker.flows.vntana.credentials import Credentials
from token_broker.flows.vntana.organizations import LISTING
from token_broker.tokens import Variant


def asking(secret: dict[str, str], call: dict[str, str]) -> Exchange:
    """Return the conversation that finds what *call* means under *secret*."""
    variant = Variant("asked", {"organization": None, "workspace": None} | call)
    return vntana.exchange(Credentials(KEY.login, **secret), variant, NOW)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("secret", "call", "lists"),
    [
        pytest.param({}, {}, False, id="the only organization"),
        pytest.param({"organization": ORG}, {}, False, id="the secret's uuid"),
        pytest.param({"organization": ORG.upper()}, {}, False, id="in any case"),
        pytest.param({"organization": "x"}, {"organization": "acme"}, False, id="call's"),
        pytest.param({}, {"workspace": "chairs"}, True, id="a role that needs no workspace"),
        pytest.param({"workspace": SPACE}, {}, True, id="nor the one that the secret names"),
    ],
)
def test_each_name_of_an_organization_resolves_to_the_same_variant(
    secret: dict[str, Any], call: dict[str, str], lists: bool
) -> None:
    """A named workspace must exist, even if the role does not need one."""
    answers = [listing(row())] + [organization_token(), grid(row(SPACE, "chairs"))] * lists
    assert held(asking(secret, call), answers) == TO_ORGANIZATION


OF_HOME = {"organization": "home", "workspace": "x"}
OF_ACME = {"organization": "acme", "workspace": SPACE}
"""A workspace of the secret, and its organization."""


@pytest.mark.parametrize(
    ("secret", "call"),
    [
        pytest.param({}, {}, id="the only workspace"),
        pytest.param({"workspace": SPACE}, {}, id="the secret's uuid"),
        pytest.param({"organization": ORG, "workspace": SPACE}, {}, id="the secret's by uuids"),
        pytest.param({}, {"workspace": SPACE.upper()}, id="the call's uuid in any case"),
        pytest.param({"workspace": "x"}, {"workspace": SPACE}, id="the call's rather"),
        pytest.param(OF_HOME, {"organization": "acme"}, id="of home: no default elsewhere"),
        pytest.param(OF_ACME, {"organization": ORG}, id="of acme: a default, however spelled"),
    ],
)
def test_each_name_of_a_workspace_resolves_to_the_same_variant(
    secret: dict[str, Any], call: dict[str, str]
) -> None:
    """A named one is found among others."""
    is_named = not {"chairs", SPACE, SPACE.upper()}.isdisjoint((secret | call).values())
    others = [row(ORG, "tables")] * is_named
    answers = [listing(GUEST), organization_token(), grid(*others, row(SPACE, "chairs"))]
    assert held(asking(secret, call), answers) == TO_WORKSPACE


TWO = [row(ORG, "acme", "CLIENT_ORGANIZATION_VIEWER"), row(SPACE, "bolt")]
LISTED: dict[str, list[object]] = {
    "organization": [listing(*TWO)],
    "workspace": [listing(GUEST), organization_token(), grid(*TWO)],
}
"""What is answered before the only one of a kind has to be found, and there are two."""


@pytest.mark.parametrize("kind", LISTED)
def test_an_unknown_name_is_an_error_of_the_request_or_of_the_secret(kind: str) -> None:
    """The message lists the known slugs."""
    there_are = f"the account's {kind}s: acme, bolt$"
    with pytest.raises(InvalidRequest, match=f"^{kind}: does not name one; {there_are}"):
        held(asking({kind: "acme"}, {kind: "nope"}), LISTED[kind])
    with pytest.raises(NotConfigured, match=f"^{kind}: does not name one; {there_are}"):
        held(asking({kind: "nope"}, {}), LISTED[kind])
    with pytest.raises(NotConfigured, match=f"^{kind}: has to be named: .* only one; {there_are}"):
        held(asking({}, {}), LISTED[kind])


@pytest.mark.parametrize("kind", LISTED)
def test_an_empty_list_is_a_configuration_error(kind: str) -> None:
    empty = [listing()] if kind == "organization" else [*LISTED[kind][:-1], grid()]
    with pytest.raises(NotConfigured, match=f"^{kind}: there is none; the account's {kind}s: none"):
        held(asking({}, {}), empty)


def test_a_name_missing_in_an_incomplete_list_is_an_upstream_error() -> None:
    """Another one is found."""
    answers = [*LISTED["workspace"][:-1], grid(row(SPACE, slug="a"), total=2)]
    for call in ({}, {"workspace": "b"}):
        with pytest.raises(UpstreamContractChanged, match="list workspaces: only 1 of 2"):
            held(asking({}, call), answers)
    assert held(asking({}, {"workspace": "a"}), answers) == TO_WORKSPACE


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(grid(row(ORG, "a"), total=2), id="incomplete"),
        pytest.param(grid(), id="empty, as without the right to list"),
        pytest.param(answer({"success": False, "errors": ["FORBIDDEN"]}, 403), id="refused"),
    ],
)
def test_a_uuid_is_accepted_if_the_list_is_incomplete_or_refused(listed: Response) -> None:
    token = organization_token()
    live = answer({"response": {}})
    answers = [listing(GUEST), token, listed] + [live] * (not listed.is_success)
    assert held(asking({}, {"workspace": SPACE.upper()}), answers) == TO_WORKSPACE


def test_a_uuid_missing_in_a_complete_list_is_an_invalid_request() -> None:
    """An empty list is complete for a role that may list."""
    for role, rows, there_are in (
        ("ORGANIZATION_ADMIN", [row(ORG, "a")], "a"),
        ("ORGANIZATION_ADMIN", [], "none"),
        ("CLIENT_ORGANIZATION_VIEWER", [row(ORG, "a")], "a"),
    ):
        answers = [listing(row(role=role)), organization_token(), grid(*rows)]
        with pytest.raises(InvalidRequest, match=f"workspace: .*: {there_are}$"):
            held(asking({}, {"workspace": SPACE}), answers)


def test_a_refused_list_of_workspaces_is_an_error_for_an_administrator() -> None:
    """With this role a list should be allowed, so a refusal is an error."""
    refused = answer({"success": False, "errors": ["FORBIDDEN"]}, 403)
    answers = [listing(row()), organization_token(), refused, answer({"response": {}})]
    with pytest.raises(UpstreamRefused, match="list workspaces: refused"):
        held(asking({}, {"workspace": SPACE}), answers)


def test_an_organization_is_entered_by_a_listing_of_at_most_five_minutes() -> None:
    """A new listing logs in, as the exchange must, and shows role changes."""
    kept, old = (listing(row(role="ORGANIZATION_OWNER"), at=NOW - age) for age in (300, 301))
    token = held(vntana.exchange(KEY, IN_ORGANIZATION, NOW), [kept, *[with_token("a/1")] * 2])
    assert token.context["role"] == "ORGANIZATION_OWNER"
    talk = vntana.exchange(KEY, IN_ORGANIZATION, NOW)
    next(talk)
    assert talk.send(old) == NeedToken(LISTING, rejected=old.fingerprint)
    enter = talk.send(listing(GUEST, handoff={"login": "login/1"}))
    assert isinstance(enter, Request)
    assert (enter.step, enter.headers["x-auth-token"]) == ("enter organization", "Bearer login/1")
    assert ended(talk, with_token("org/1")).context["role"] == GUEST["role"]


@pytest.mark.parametrize("variant", [ASKED, IN_ORGANIZATION])
def test_an_old_listing_without_the_wanted_entry_is_replaced(variant: Variant) -> None:
    """It is reported like a rejected token, so one caller lists for all.

    A recent one is not replaced: a wrong name must not cause a login on each call. Nor is an old
    one that has the entry.
    """
    old = listing(at=NOW - 300 - 1)
    talk = vntana.exchange(KEY, variant, NOW)
    next(talk)
    assert talk.send(old) == NeedToken(LISTING, rejected=old.fingerprint)
    with pytest.raises(NotConfigured):
        held(vntana.exchange(KEY, variant, NOW), [listing(at=NOW - 300)])
    two = listing(row(), row(SPACE, "studio"), at=NOW - 300 - 1)
    assert held(asking({}, {"organization": "acme"}), [two]) == TO_ORGANIZATION


def test_roles_that_need_a_workspace_token() -> None:
    """All but those of the organization."""
    spaces = [organization_token(), grid(row(SPACE, "chairs"))]
    for role in ("ORGANIZATION_OWNER", "ORGANIZATION_ADMIN", "CLIENT_ORGANIZATION_ADMIN", None):
        needs = role is None or role.startswith("CLIENT")
        found = held(vntana.exchange(KEY, ASKED, NOW), [listing(row(role=role)), *spaces * needs])
        assert found.variant.kind == ("workspace" if needs else "organization")


def test_equal_listings_have_different_fingerprints() -> None:
    """Otherwise a new listing with the same rows would look like the reported one."""
    answers = [with_token("login/1"), grid(row())]
    first, second = (held(vntana.exchange(KEY, LISTING, at), answers) for at in (NOW, NOW + 1))
    assert first.fingerprint != second.fingerprint
    assert first.context == second.context
