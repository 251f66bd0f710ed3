"""The templates as a linter sees them."""

import pytest
from cfnlint.api import lint

from tests.template.documents import ROOT


@pytest.mark.parametrize("name", ["template.yaml", "team.yaml", "operations.yaml"])
def test_cfn_lint_is_content(name: str) -> None:
    """With every rule that is on unless switched off."""
    found = lint((ROOT / name).read_text(), regions=["eu-west-1"])
    assert [str(match) for match in found] == []
