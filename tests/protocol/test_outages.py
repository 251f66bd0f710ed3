"""I13 as a table: the outage of a connection for each step of an exchange and each fault."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from tests.protocol.simulation.outage_table import SITUATIONS, measure_all, tables, too_long
from tests.protocol.simulation.vendors import VENDORS

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"


@pytest.mark.slow
def test_no_fault_lasts_longer_than_its_bound(
    record_property: Callable[[str, object], None],
) -> None:
    """A failed call to AWS affects one call; a crash affects others until its lease expires."""
    measured = measure_all()
    shown = tables(measured)
    record_property("table: effects of a fault, in seconds", shown)

    assert {(one.flow, one.situation) for one in measured} == {*product(VENDORS, SITUATIONS)}
    assert too_long(measured) == []
    assert all(table in DOCUMENT.read_text() for table in shown.split("\n\n")), (
        "docs/protocol.md has another table: python -m tests.protocol.simulation --outages"
    )
