"""What is the same for every flow: it is found by its package, and says what it can do."""

from pathlib import Path

import pytest

from token_broker.flows import Flow, every

ROOT = Path(__file__).parents[3]
FLOWS = every()


def test_each_function_has_its_flow() -> None:
    """Sorted by name. There is no list of flows to edit."""
    assert list(FLOWS) == sorted(folder.parent.name for folder in ROOT.glob("functions/*/app.py"))


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_a_flow_is_called_as_its_package(flow: Flow) -> None:
    """A function, its routes, its secrets and its items are named after it."""
    assert FLOWS[flow.name] is flow
    assert flow.module == f"token_broker.flows.{flow.name}.flow"
    assert flow.requested.__module__ == f"token_broker.flows.{flow.name}"


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
def test_callers_get_tokens_of_some_kind(flow: Flow) -> None:
    """A flow without one would have no status, no renewal and no rotation."""
    assert flow.vendor.token_kinds
