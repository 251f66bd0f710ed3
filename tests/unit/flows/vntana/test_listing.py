"""VNTANA's lists: parsing, and the choice of an entry."""

import json

import pytest

from tests.conversations import answer
from tests.vntana_examples import ORG, SPACE, grid, row
from token_broker.errors import NotConfigured, UpstreamContractChanged
from token_broker.exchange import Response
from token_broker.flows.vntana.listing import Entry, Listing

ACME, BOLT = Entry(ORG, "acme", "ORGANIZATION_ADMIN"), Entry(SPACE, "bolt")
BOTH = Listing([ACME, BOLT], 2)


@pytest.mark.parametrize(
    ("response", "parsed"),
    [
        pytest.param(grid(), Listing([], 0), id="an empty list is legal"),
        pytest.param(grid(row()), Listing([ACME], 1), id="an entry"),
        pytest.param(answer({"response": {"grid": [row()]}}), Listing([ACME], 1), id="no count"),
        pytest.param(grid(row(), total=9), Listing([ACME], 9), id="an incomplete list"),
        *((grid(row(role=odd)), Listing([Entry(ORG, "acme")], 1)) for odd in (None, ["x"])),
        pytest.param(grid(row(role="NEW")), Listing([Entry(ORG, "acme", "NEW")], 1), id="a role"),
    ],
)
def test_valid_lists_are_parsed(response: Response, parsed: Listing) -> None:
    assert Listing.parse(response, "list") == parsed


INVALID = [
    *(answer([]), answer({}), answer({"response": {}}), answer({"response": {"grid": {}}})),
    *(grid(entry) for entry in ("acme", {"slug": "acme"}, {"uuid": ORG}, row(uuid="a\r\nb"))),
    *(grid(row(), total=count) for count in ("1", True)),
]


@pytest.mark.parametrize("response", INVALID, ids=lambda response: response.content.decode())
def test_invalid_lists_are_an_error(response: Response) -> None:
    with pytest.raises(UpstreamContractChanged, match=r"^list: "):
        Listing.parse(response, "list")


def test_a_stored_listing_is_read_unchanged() -> None:
    assert Listing.from_context(json.loads(json.dumps(BOTH.to_context()))) == BOTH


def test_an_entry_is_chosen_by_slug_uuid_or_if_it_is_the_only_one() -> None:
    """A uuid in any case; the only one of a complete list."""
    one, one_of_two = Listing([ACME], 1), Listing([ACME], 2)
    assert BOTH.only("acme") == BOTH.only(ORG.upper()) == ACME
    assert Listing([in_capitals := Entry(ORG.upper(), "acme")], 1).only(ORG) == in_capitals
    assert one.only(None) == one_of_two.only("acme") == ACME
    assert BOTH.only("Acme") is BOTH.only(None) is one_of_two.only(None) is None
    same_slug, uuid_as_slug = Entry(SPACE, "acme"), Entry("u", ORG)
    assert Listing([ACME, same_slug], 2).only("acme") is None
    assert Listing([ACME, uuid_as_slug], 2).only(ORG) == ACME


def test_an_error_shows_only_valid_slugs() -> None:
    """Other text from the vendor is not shown."""
    slugs = ["b", "a", "Bearer x/y", "z" * 65]
    odd = Listing([Entry(f"{number}", slug) for number, slug in enumerate(slugs)], 4)
    with pytest.raises(NotConfigured) as error:
        odd.pick(None, "organization", NotConfigured)
    assert str(error.value).endswith("the account's organizations: (not shown), a, b")
