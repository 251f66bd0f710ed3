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
        pytest.param(
            answer({"response": {"grid": [row()]}}), Listing([ACME], 1), id="without totalCount"
        ),
        pytest.param(grid(row(), total=9), Listing([ACME], 9), id="an incomplete list"),
        pytest.param(grid(row(role=None)), Listing([Entry(ORG, "acme")], 1), id="no role"),
        pytest.param(grid(row(role=["x"])), Listing([Entry(ORG, "acme")], 1), id="an odd role"),
        pytest.param(
            grid(row(role="BRAND_NEW")),
            Listing([Entry(ORG, "acme", "BRAND_NEW")], 1),
            id="a new role",
        ),
    ],
)
def test_valid_lists_are_parsed(response: Response, parsed: Listing) -> None:
    assert Listing.parse(response, "list") == parsed


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(answer([]), id="no object"),
        pytest.param(answer({}), id="no response"),
        pytest.param(answer({"response": {}}), id="no grid"),
        pytest.param(answer({"response": {"grid": {}}}), id="an odd grid"),
        pytest.param(grid("acme"), id="an entry that is a text"),
        pytest.param(grid({"slug": "acme"}), id="an entry without a uuid"),
        pytest.param(grid({"uuid": ORG}), id="an entry without a slug"),
        pytest.param(grid(row(uuid="a\r\nb")), id="a uuid that cannot be sent"),
        pytest.param(grid(row(), total="1"), id="a count in words"),
        pytest.param(grid(row(), total=True), id="a count that is true"),
    ],
)
def test_invalid_lists_are_an_error(response: Response) -> None:
    with pytest.raises(UpstreamContractChanged, match=r"^list: "):
        Listing.parse(response, "list")


def test_a_stored_listing_is_read_unchanged() -> None:
    assert Listing.from_context(json.loads(json.dumps(BOTH.to_context()))) == BOTH


@pytest.mark.parametrize(
    ("listing", "wanted", "entry"),
    [
        pytest.param(BOTH, "acme", ACME, id="a slug"),
        pytest.param(BOTH, ORG.upper(), ACME, id="a uuid in any case"),
        pytest.param(BOTH, "Acme", None, id="a slug in another case"),
        pytest.param(BOTH, None, None, id="several, and none is named"),
        pytest.param(Listing([ACME], 1), None, ACME, id="the only one"),
        pytest.param(Listing([ACME], 2), None, None, id="the only one that was listed"),
        pytest.param(Listing([ACME], 2), "acme", ACME, id="found in a part"),
        pytest.param(Listing([ACME, Entry(SPACE, "acme")], 2), "acme", None, id="two of one slug"),
        pytest.param(
            Listing([ACME, Entry("u", ORG)], 2), ORG, ACME, id="a slug that is another one's uuid"
        ),
    ],
)
def test_an_entry_is_chosen_by_slug_uuid_or_if_it_is_the_only_one(
    listing: Listing, wanted: str | None, entry: Entry | None
) -> None:
    assert listing.only(wanted) == entry


def test_an_error_shows_only_valid_slugs() -> None:
    """Other text from the vendor is not shown."""
    odd = Listing(
        [Entry("1", "b"), Entry("2", "a"), Entry("3", "Bearer x/y"), Entry("4", "z" * 65)], 4
    )
    with pytest.raises(NotConfigured) as error:
        odd.pick(None, "organization", NotConfigured)
    assert str(error.value).endswith("the account's organizations: (not shown), a, b")
