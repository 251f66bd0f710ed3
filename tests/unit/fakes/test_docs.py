"""The pages about the fakes agree with the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.subjects import FLOWS
from token_broker_fakes import registry
from token_broker_fakes.control import KINDS as SWITCHES
from token_broker_fakes.faults import KINDS
from token_broker_fakes.modes import choices

DOCS = Path(__file__).parents[3] / "docs"
TESTING = (DOCS / "testing-with-the-fakes.md").read_text()


def test_examples_of_the_page_pass(tmp_path: Path) -> None:
    """Each example that begins with a file name."""
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", TESTING, re.DOTALL)
    assert [name for name, _ in blocks] == [
        "suppliers.py",
        "test_suppliers.py",
        "products.py",
        "test_products.py",
        "test_without_http.py",
    ]
    for name, code in blocks:
        (tmp_path / name).write_text(code)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "8 passed" in ended.stdout, ended.stdout + ended.stderr


@pytest.mark.parametrize("flow", FLOWS)
def test_each_mode_and_step_is_listed_in_the_page_of_its_vendor(flow: str) -> None:
    """And no other mode; defaults may be listed. Common steps are in the common page."""
    kind = type(registry.new(flow).modes)
    page = (DOCS / "upstreams" / f"{flow}.md").read_text()
    assert [step for step in registry.kind(flow).steps if f"`{step}`" not in TESTING + page] == []
    cells = [line.split("|")[-2] for line in page.splitlines() if line.endswith("|")]
    named = set(re.findall(r"`(\w+)=([\w-]+)`", "".join(cells)))
    defaults = kind().values()
    there_are = {
        (mode, value)
        for mode, allowed in choices(kind).items()
        for value in allowed
        if value != defaults[mode]
    }
    assert named == there_are
    for mode, allowed in choices(kind).items():
        assert allowed or f"`{mode}`" in page, mode


def test_each_fault_and_each_switch_of_the_control_endpoint_is_listed() -> None:
    table = TESTING.split("## Faults")[1].split("## Without HTTP")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(KINDS)
    assert all(f'"{name}":' in TESTING for name in SWITCHES)
