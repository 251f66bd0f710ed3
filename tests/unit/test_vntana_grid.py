"""VNTANA's lists: which row is meant, and when that cannot be told."""

import json

import pytest

from tests.conversations import answer
from tests.vntana_examples import ORG, SPACE, grid, row
from token_broker.errors import NotConfigured, UpstreamContractChanged
from token_broker.exchange import Response
from token_broker.flows.vntana.listing import Grid, Row

ACME, BOLT = Row(ORG, "acme", "ORGANIZATION_ADMIN"), Row(SPACE, "bolt")
BOTH = Grid([ACME, BOLT], 2)


@pytest.mark.parametrize(
    ("response", "parsed"),
    [
        pytest.param(grid(), Grid([], 0), id="an empty list is legal"),
        pytest.param(grid(row()), Grid([ACME], 1), id="a row"),
        pytest.param(
            answer({"response": {"grid": [row()]}}), Grid([ACME], 1), id="without totalCount"
        ),
        pytest.param(grid(row(), total=9), Grid([ACME], 9), id="an incomplete list"),
        pytest.param(grid(row(role=None)), Grid([Row(ORG, "acme")], 1), id="no role"),
        pytest.param(grid(row(role=["x"])), Grid([Row(ORG, "acme")], 1), id="an odd role"),
        pytest.param(
            grid(row(role="BRAND_NEW")), Grid([Row(ORG, "acme", "BRAND_NEW")], 1), id="a new role"
        ),
    ],
)
def test_lists_that_can_be_read(response: Response, parsed: Grid) -> None:
    assert Grid.parse(response, "list") == parsed


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(answer([]), id="no object"),
        pytest.param(answer({}), id="no response"),
        pytest.param(answer({"response": {}}), id="no grid"),
        pytest.param(answer({"response": {"grid": {}}}), id="an odd grid"),
        pytest.param(grid("acme"), id="a row that is a text"),
        pytest.param(grid({"slug": "acme"}), id="a row without a uuid"),
        pytest.param(grid({"uuid": ORG}), id="a row without a slug"),
        pytest.param(grid(row(uuid="a\r\nb")), id="a uuid that cannot be sent"),
        pytest.param(grid(row(), total="1"), id="a count in words"),
        pytest.param(grid(row(), total=True), id="a count that is true"),
    ],
)
def test_lists_that_are_not_as_documented(response: Response) -> None:
    with pytest.raises(UpstreamContractChanged, match=r"^list: "):
        Grid.parse(response, "list")


def test_a_grid_survives_being_kept() -> None:
    assert Grid.kept(json.loads(json.dumps(BOTH.context()))) == BOTH


@pytest.mark.parametrize(
    ("grid", "wanted", "row"),
    [
        pytest.param(BOTH, "acme", ACME, id="a slug"),
        pytest.param(BOTH, ORG.upper(), ACME, id="a uuid in any case"),
        pytest.param(BOTH, "Acme", None, id="a slug in another case"),
        pytest.param(BOTH, None, None, id="several, and none is named"),
        pytest.param(Grid([ACME], 1), None, ACME, id="the only one"),
        pytest.param(Grid([ACME], 2), None, None, id="the only one that was listed"),
        pytest.param(Grid([ACME], 2), "acme", ACME, id="found in a part"),
        pytest.param(Grid([ACME, Row(SPACE, "acme")], 2), "acme", None, id="two of one slug"),
        pytest.param(
            Grid([ACME, Row("u", ORG)], 2), ORG, ACME, id="a slug that is another one's uuid"
        ),
    ],
)
def test_which_row_is_meant(grid: Grid, wanted: str | None, row: Row | None) -> None:
    assert grid.only(wanted) == row


def test_only_what_looks_like_a_slug_is_shown() -> None:
    """An error tells what there is, and nothing else of what came from outside."""
    odd = Grid([Row("1", "b"), Row("2", "a"), Row("3", "Bearer x/y"), Row("4", "z" * 65)], 4)
    with pytest.raises(NotConfigured) as error:
        odd.pick(None, "organization", NotConfigured)
    assert str(error.value).endswith("the account's organizations: (not shown), a, b")
