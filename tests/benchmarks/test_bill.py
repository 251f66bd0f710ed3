"""The costs in docs/operations.md: their sums, and the calls to AWS."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks.peers import ENTRANCE, GB_SECOND, PRICES
from tests.benchmarks.test_exchange_calls import BACKGROUND, BODIES, FIRST, process
from tests.unit.memory_broker import Context, MemoryBroker

ROOT = Path(__file__).parents[2]
COSTS = (ROOT / "docs/operations.md").read_text().partition("# What it costs")[2]
DECISION = (ROOT / "docs/decisions/0043-how-few-calls-an-exchange-makes.md").read_text()
LOG_GB = 0.50
NAMES = {"vendorlink": "Vendorlink", "vntana": "VNTANA", "editor": "editor"}


def table(page: str, header: str) -> Mapping[str, Sequence[str]]:
    """Return the rows of the table whose header has this text, by their first cells."""
    [rows] = [block for block in page.split("\n\n") if header in block.partition("\n")[0]]
    cells = [[cell.strip("* ") for cell in line.split("|")[1:-1]] for line in rows.splitlines()]
    return {name: rest for name, *rest in cells[2:]}


def test_the_documented_cost_of_a_hit_is_the_sum_of_its_calls() -> None:
    rows, direct = table(COSTS, "from memory"), list[float]()
    entrance = ["API Gateway, REST", "its access log"]
    for column, seconds, items, decryptions in ((2, 0.002, 0, 0), (3, 0.010, 3, 1)):
        parts = {
            "Lambda, requests": PRICES["invocation"],
            "Lambda, arm64": GB_SECOND * seconds,
            "DynamoDB, on demand": PRICES["read"] * items,
            "KMS": PRICES["kms"] * decryptions,
            "Logs": LOG_GB * 0.8e-6,
            "API Gateway, REST": ENTRANCE / 1e6,
            "its access log": LOG_GB * 0.4e-6,
        }
        shown = {name: float(row[column]) for name, row in rows.items()}
        assert shown == {
            **{name: round(price * 1e6, 2) for name, price in parts.items()},
            "direct invocation": pytest.approx(
                sum(shown[name] for name in parts if name not in entrance)
            ),
            "through the API": pytest.approx(sum(shown[name] for name in parts)),
        }
        direct.append(shown["direct invocation"])
    memory, kept = direct
    assert f"(1 - c) \u00d7 (m \u00d7 {memory:.2f} + (1 - m) \u00d7 {kept:.2f} + h)" in COSTS
    assert f"{sum(shown[name] for name in entrance):.2f} through the API. Add" in COSTS
    assert f"(*m* 0.9), direct: {0.5 * (0.9 * memory + 0.1 * kept):.2f}." in COSTS


@pytest.mark.parametrize(("flow", "items"), [("vendorlink", 1), ("vntana", 3), ("editor", 2)])
def test_a_table_hit_reads_the_documented_number_of_items(flow: str, items: int) -> None:
    """At most three: alias, target and gate."""
    broker = MemoryBroker(flow)
    event = {"connection": "acme", **BODIES[flow]}
    broker.service(event, Context())
    before = broker.aws.dynamodb.items_read, broker.aws.kms.opened
    assert process(broker)(event, Context())["source"] == "table"
    assert broker.aws.dynamodb.items_read - before[0] == items
    assert broker.aws.kms.opened - before[1] == 1


def test_the_documented_cost_of_an_exchange_is_the_sum_of_its_calls() -> None:
    """In the background, with the caller's write that starts it."""
    shown = {
        name: (*map(int, counts), float(dollars))
        for name, (*counts, dollars) in table(COSTS, "a million |").items()
        if name.partition(",")[0] in NAMES.values()
    }
    expected: dict[str, object] = {}
    for flow, name in NAMES.items():
        first, later = FIRST[flow], BACKGROUND[flow]
        later = later._replace(writes=later.writes + 1)
        for what, calls in (("first", first), ("in the background", later)):
            prices = (3 * PRICES["read"], PRICES["write"], PRICES["kms"], PRICES["secret"])
            dollars = sum(n * price for n, price in zip(calls, prices, strict=True)) * 1e6
            expected[f"{name}, {what}"] = (*calls, pytest.approx(dollars, abs=0.0051))
    assert shown == expected


def test_the_documented_bill_is_that_of_the_benchmark() -> None:
    document = json.loads((ROOT / "benchmarks/results/peers.json").read_text())
    columns = ("function, $", "table, $", "KMS, $", "$ a million", "through the API, $")
    ours = [row for row in document["rows"] if row["who"].startswith("Token Broker")]
    shown = [list(map(float, row)) for row in table(COSTS, "direct | through").values()]
    assert shown == [[round(row[name], 2) for name in columns] for row in ours]


def test_the_decision_record_shows_the_current_calls() -> None:
    rows = table(DECISION, "before | now")
    for flow, name in NAMES.items():
        login = "login" if flow == "vendorlink" else "first"
        for what, calls in ((login, FIRST[flow]), ("in the background", BACKGROUND[flow])):
            assert rows[f"{name}, {what}"][1] == ", ".join(map(str, calls))
