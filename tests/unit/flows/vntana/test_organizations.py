"""Every way to name an organization or a workspace leads to one variant."""

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
def test_every_way_to_name_an_organization_leads_to_one_variant(
    secret: dict[str, Any], call: dict[str, str], lists: bool
) -> None:
    """A workspace that is named has to be there, whether the role needs one or not."""
    answers = [listing(row())] + [organization_token(), grid(row(SPACE, "chairs"))] * lists
    assert held(asking(secret, call), answers) == TO_ORGANIZATION


@pytest.mark.parametrize(
    ("secret", "call"),
    [
        pytest.param({}, {}, id="the only workspace"),
        pytest.param({"workspace": SPACE}, {}, id="the secret's uuid"),
        pytest.param({"organization": ORG, "workspace": SPACE}, {}, id="the secret's by uuids"),
        pytest.param({}, {"workspace": SPACE.upper()}, id="the call's uuid in any case"),
        pytest.param({"workspace": "x"}, {"workspace": SPACE}, id="the call's rather"),
        pytest.param(
            {"organization": "home", "workspace": "x"},
            {"organization": "acme"},
            id="the secret's workspace is no default for another organization",
        ),
        pytest.param(
            {"organization": "acme", "workspace": SPACE},
            {"organization": ORG},
            id="but it is for the same one, however it is spelled",
        ),
    ],
)
def test_every_way_to_name_a_workspace_leads_to_one_variant(
    secret: dict[str, Any], call: dict[str, str]
) -> None:
    """One that is named is found among others."""
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
def test_a_name_that_is_not_there_is_the_mistake_of_the_call_or_of_the_secret(kind: str) -> None:
    """The slugs tell how to correct it."""
    there_are = f"the account's {kind}s: acme, bolt$"
    with pytest.raises(InvalidRequest, match=f"^{kind}: does not name one; {there_are}"):
        held(asking({kind: "acme"}, {kind: "nope"}), LISTED[kind])
    with pytest.raises(NotConfigured, match=f"^{kind}: does not name one; {there_are}"):
        held(asking({kind: "nope"}, {}), LISTED[kind])
    with pytest.raises(NotConfigured, match=f"^{kind}: has to be named: .* only one; {there_are}"):
        held(asking({}, {}), LISTED[kind])


@pytest.mark.parametrize("kind", LISTED)
def test_where_there_is_none_it_is_said(kind: str) -> None:
    empty = [listing()] if kind == "organization" else [*LISTED[kind][:-1], grid()]
    with pytest.raises(NotConfigured, match=f"^{kind}: there is none; the account's {kind}s: none"):
        held(asking({}, {}), empty)


@pytest.mark.parametrize("call", [{}, {"workspace": "b"}])
def test_an_incomplete_list_does_not_tell_what_is_missing(
    call: dict[str, str],
) -> None:
    answers = [*LISTED["workspace"][:-1], grid(row(slug="a"), total=2)]
    with pytest.raises(UpstreamContractChanged, match="list workspaces: only 1 of 2"):
        held(asking({}, call), answers)


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(grid(row(ORG, "a"), total=2), id="incomplete"),
        pytest.param(grid(), id="empty, as without the right to list"),
        pytest.param(answer({"success": False, "errors": ["FORBIDDEN"]}, 403), id="refused"),
    ],
)
def test_a_uuid_is_taken_at_its_word_where_no_list_can_tell(listed: Response) -> None:
    token = organization_token()
    live = answer({"response": {}})
    answers = [listing(GUEST), token, listed] + [live] * (not listed.is_success)
    assert held(asking({}, {"workspace": SPACE.upper()}), answers) == TO_WORKSPACE


@pytest.mark.parametrize("role", ["ORGANIZATION_ADMIN", "CLIENT_ORGANIZATION_VIEWER"])
def test_a_uuid_that_is_in_no_complete_list_is_not_there(role: str) -> None:
    answers = [listing(row(role=role)), organization_token(), grid(row(ORG, "a"))]
    with pytest.raises(InvalidRequest, match=r"workspace: .*: a"):
        held(asking({}, {"workspace": SPACE}), answers)


def test_an_administrators_workspace_is_not_there_where_no_list_says_so() -> None:
    """With such a role a list is complete, so one that is refused is a failure like any other."""
    refused = answer({"success": False, "errors": ["FORBIDDEN"]}, 403)
    answers = [listing(row()), organization_token(), refused, answer({"response": {}})]
    with pytest.raises(UpstreamRefused, match="list workspaces: refused"):
        held(asking({}, {"workspace": SPACE}), answers)


def test_what_is_in_the_part_of_a_list_that_came_is_found() -> None:
    answers = [listing(GUEST), organization_token(), grid(row(SPACE, "a"), total=2)]
    assert held(asking({}, {"workspace": "a"}), answers) == TO_WORKSPACE


@pytest.mark.parametrize(("age", "is_listed_again"), [(300, False), (301, True)])
def test_an_organization_is_entered_by_a_listing_of_the_last_minutes(
    age: int, is_listed_again: bool
) -> None:
    """A login is needed anyway, which the new listing makes, and roles change."""
    old = listing(row(role="ORGANIZATION_OWNER"), at=NOW - age)
    talk = vntana.exchange(KEY, IN_ORGANIZATION, NOW)
    next(talk)
    step = talk.send(old)
    if is_listed_again:
        assert step == NeedToken(LISTING, rejected=old.fingerprint)
        step = talk.send(listing(GUEST, handoff={"login": "login/1"}))
    else:
        step = talk.send(with_token("login/1"))
    assert isinstance(step, Request)
    token = "login/1"  # of the listing, or of a login of its own
    assert (step.step, step.headers["x-auth-token"]) == ("enter organization", f"Bearer {token}")
    role = GUEST["role"] if is_listed_again else "ORGANIZATION_OWNER"
    assert ended(talk, with_token("org/1")).context["role"] == role


@pytest.mark.parametrize("variant", [ASKED, IN_ORGANIZATION])
def test_an_old_listing_that_lacks_what_is_wanted_is_made_anew(variant: Variant) -> None:
    """It is reported like a token that the upstream refused, so one caller lists for all."""
    old = listing(at=NOW - 300 - 1)
    talk = vntana.exchange(KEY, variant, NOW)
    next(talk)
    assert talk.send(old) == NeedToken(LISTING, rejected=old.fingerprint)


def test_a_listing_of_a_moment_ago_is_not_made_anew() -> None:
    """A name that is wrong must not cost a login a call."""
    with pytest.raises(NotConfigured):
        held(vntana.exchange(KEY, ASKED, NOW), [listing(at=NOW - 300)])


@pytest.mark.parametrize(
    ("role", "needs_workspace"),
    [
        ("ORGANIZATION_OWNER", False),
        ("ORGANIZATION_ADMIN", False),
        ("CLIENT_ORGANIZATION_ADMIN", True),
        (None, True),
    ],
)
def test_which_roles_work_with_the_organizations_token(
    role: str | None, needs_workspace: bool
) -> None:
    spaces = [organization_token(), grid(row(SPACE, "chairs"))] * needs_workspace
    result = held(vntana.exchange(KEY, ASKED, NOW), [listing(row(role=role)), *spaces])
    assert result.variant.kind == ("workspace" if needs_workspace else "organization")


def test_each_listing_is_a_token_of_its_own() -> None:
    """Else a new listing with the same rows would look like the one that was reported."""
    answers = [with_token("login/1"), grid(row())]
    first, second = (held(vntana.exchange(KEY, LISTING, at), answers) for at in (NOW, NOW + 1))
    assert first.fingerprint != second.fingerprint
    assert first.context == second.context
