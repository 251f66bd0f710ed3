"""Every way to name an organization or a workspace leads to one variant."""

from typing import Any

import pytest

from tests.conversations import NOW, held
from tests.vntana_examples import (
    ASKED,
    GUEST,
    IN_ORGANIZATION,
    IN_WORKSPACE,
    KEY,
    ORG,
    SPACE,
    grid,
    listing,
    organization_token,
    row,
)
from token_broker import vntana
from token_broker.errors import (
    BrokerError,
    InvalidRequest,
    NotConfigured,
    UpstreamContractChanged,
)
from token_broker.exchange import Ask, Elsewhere
from token_broker.variants import Variant
from token_broker.vntana import Credentials
from token_broker.vntana_variants import LISTING, LISTING_PATIENCE


@pytest.mark.parametrize(
    ("secret", "call", "leads_to"),
    [
        pytest.param({}, {}, IN_ORGANIZATION, id="the only organization"),
        pytest.param({"organization": "acme"}, {}, IN_ORGANIZATION, id="the secret's slug"),
        pytest.param({"organization": ORG}, {}, IN_ORGANIZATION, id="the secret's uuid"),
        pytest.param({"organization": ORG.upper()}, {}, IN_ORGANIZATION, id="in any case"),
        pytest.param({"organization": "x"}, {"organization": "acme"}, IN_ORGANIZATION, id="call's"),
        pytest.param(
            {}, {"workspace": "any"}, IN_ORGANIZATION, id="a role that needs no workspace"
        ),
    ],
)
def test_every_way_to_name_an_organization_leads_to_one_variant(
    secret: dict[str, Any], call: dict[str, str], leads_to: Variant
) -> None:
    variant = Variant("asked", {"organization": None, "workspace": None} | call)
    talk = vntana.exchange(Credentials(KEY.login, **secret), variant, NOW)
    assert held(talk, [listing(row())]) == Elsewhere(leads_to)


@pytest.mark.parametrize(
    ("secret", "call", "lists"),
    [
        pytest.param({}, {}, True, id="the only workspace"),
        pytest.param({"workspace": "chairs"}, {}, True, id="the secret's slug"),
        pytest.param({"workspace": SPACE}, {}, False, id="the secret's uuid: nothing to list"),
        pytest.param({}, {"workspace": "chairs"}, True, id="the call's slug"),
        pytest.param({}, {"workspace": SPACE.upper()}, False, id="the call's uuid in any case"),
        pytest.param({"workspace": "x"}, {"workspace": SPACE}, False, id="the call's rather"),
        pytest.param(
            {"organization": "home", "workspace": "x"},
            {"organization": "acme"},
            True,
            id="the secret's workspace is no default for another organization",
        ),
        pytest.param(
            {"organization": "acme", "workspace": SPACE},
            {"organization": ORG},
            False,
            id="but it is for the same one, however it is spelled",
        ),
    ],
)
def test_every_way_to_name_a_workspace_leads_to_one_variant(
    secret: dict[str, Any], call: dict[str, str], lists: bool
) -> None:
    variant = Variant("asked", {"organization": None, "workspace": None} | call)
    answers = [listing(GUEST)] + [organization_token(), grid(row(SPACE, "chairs"))] * lists
    talk = vntana.exchange(Credentials(KEY.login, **secret), variant, NOW)
    assert held(talk, answers) == Elsewhere(IN_WORKSPACE)


TWO = [row(ORG, "acme", "CLIENT_ORGANIZATION_VIEWER"), row(SPACE, "bolt")]


@pytest.mark.parametrize(
    ("secret", "call", "answers", "error", "detail"),
    [
        pytest.param(
            {}, {}, [listing(*TWO)], NotConfigured, "organization: .*: acme, bolt", id="several"
        ),
        pytest.param(
            {}, {}, [listing()], NotConfigured, "organization: there is none", id="no organization"
        ),
        pytest.param(
            {"organization": "nope"},
            {},
            [listing(*TWO)],
            NotConfigured,
            "organization: .*: acme, bolt",
            id="the secret's organization is not there",
        ),
        pytest.param(
            {},
            {"organization": "nope"},
            [listing(*TWO)],
            InvalidRequest,
            "organization: .*: acme, bolt",
            id="the call's organization is not there",
        ),
        pytest.param(
            {},
            {},
            [listing(GUEST), organization_token(), grid(row(slug="a"), row(slug="b"))],
            NotConfigured,
            "workspace: .*: a, b",
            id="several workspaces",
        ),
        pytest.param(
            {},
            {},
            [listing(GUEST), organization_token(), grid()],
            NotConfigured,
            "workspace: there is none",
            id="no workspace",
        ),
        pytest.param(
            {},
            {"workspace": "nope"},
            [listing(GUEST), organization_token(), grid(row(slug="a"))],
            InvalidRequest,
            "workspace: .*: a",
            id="the call's workspace is not there",
        ),
        pytest.param(
            {"workspace": "nope"},
            {},
            [listing(GUEST), organization_token(), grid(row(slug="a"))],
            NotConfigured,
            "workspace: .*: a",
            id="the secret's workspace is not there",
        ),
        pytest.param(
            {},
            {},
            [listing(GUEST), organization_token(), grid(row(slug="a"), total=2)],
            UpstreamContractChanged,
            "list workspaces: only 1 of 2",
            id="the only one of an incomplete list",
        ),
        pytest.param(
            {},
            {"workspace": "b"},
            [listing(GUEST), organization_token(), grid(row(slug="a"), total=2)],
            UpstreamContractChanged,
            "list workspaces: only 1 of 2",
            id="not in the part of a list that came",
        ),
    ],
)
def test_what_is_not_certain_is_said(
    secret: dict[str, Any],
    call: dict[str, str],
    answers: list[object],
    error: type[BrokerError],
    detail: str,
) -> None:
    """Whose mistake it is decides the error; the slugs tell how to correct it."""
    variant = Variant("asked", {"organization": None, "workspace": None} | call)
    with pytest.raises(error, match=detail):
        held(vntana.exchange(Credentials(KEY.login, **secret), variant, NOW), answers)


def test_what_is_in_the_part_of_a_list_that_came_is_found() -> None:
    wanted = Variant("asked", {"organization": None, "workspace": "a"})
    answers = [listing(GUEST), organization_token(), grid(row(SPACE, "a"), total=2)]
    assert held(vntana.exchange(KEY, wanted, NOW), answers) == Elsewhere(IN_WORKSPACE)


@pytest.mark.parametrize("variant", [ASKED, IN_ORGANIZATION])
def test_an_old_listing_that_lacks_what_is_wanted_is_made_anew(variant: Variant) -> None:
    """It is reported like a token that the upstream refused, so one caller lists for all."""
    old = listing(at=NOW - LISTING_PATIENCE - 1)
    talk = vntana.exchange(KEY, variant, NOW)
    next(talk)
    assert talk.send(old) == Ask(LISTING, rejected=old.fingerprint)


def test_a_listing_of_a_moment_ago_is_not_made_anew() -> None:
    """A name that is wrong must not cost a login a call."""
    with pytest.raises(NotConfigured):
        held(vntana.exchange(KEY, ASKED, NOW), [listing(at=NOW - LISTING_PATIENCE)])
