"""The templates pass cfn-lint."""

import pytest
from cfnlint.api import lint

from tests.template.documents import ROOT


@pytest.mark.parametrize("name", ["template.yaml", "team.yaml", "operations.yaml"])
def test_cfn_lint_finds_nothing(name: str) -> None:
    """With the default rules."""
    found = lint((ROOT / name).read_text(), regions=["eu-west-1"])
    assert [str(match) for match in found] == []
