"""The template as a linter sees it."""

from cfnlint.api import lint

from tests.template.documents import ROOT


def test_cfn_lint_is_content() -> None:
    """With every rule that is on unless switched off."""
    found = lint((ROOT / "template.yaml").read_text(), regions=["eu-west-1"])
    assert [str(match) for match in found] == []
