"""The threat model: each threat names existing tests."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/threat-model.md").read_text()
THREATS = re.findall(r"^\| (T\d+) \|(.*)\|$", PAGE, re.MULTILINE)
LINKS = re.findall(r"\[(\w+)\]\(\.\./(tests/[\w/]+\.py)\)", PAGE)


def is_tried(name: str, path: Path) -> bool:
    """Say whether pytest runs *name*: a test, or a rule of the template."""
    is_rule = path.parent.name == "template" and not path.name.startswith("test_")
    return is_rule or name.startswith("test_")


@pytest.mark.parametrize(("name", "path"), sorted(set(LINKS)))
def test_each_named_test_exists(name: str, path: str) -> None:
    file = ROOT / path
    assert is_tried(name, file)
    assert re.search(rf"^def {name}\(", file.read_text(), re.MULTILINE)


@pytest.mark.parametrize(("number", "row"), THREATS)
def test_every_threat_has_a_control_and_a_test(number: str, row: str) -> None:
    *_, control, shown = row.split(" | ")
    assert control.strip(), number
    assert "](../tests/" in shown, number


def test_threats_are_numbered_without_gaps() -> None:
    assert [number for number, _ in THREATS] == [f"T{n + 1}" for n in range(len(THREATS))]
