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
from token_broker_fakes.modes import Modes, choices

DOCS = Path(__file__).parents[3] / "docs"
TESTING = (DOCS / "testing-with-the-fakes.md").read_text()
VENDORS = {flow: type(registry.new(flow).modes) for flow in FLOWS}


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


@pytest.mark.parametrize(("vendor", "kind"), VENDORS.items())
def test_each_mode_is_listed_in_the_page_of_its_vendor(vendor: str, kind: type[Modes]) -> None:
    """And no other; defaults may be listed."""
    page = (DOCS / "upstreams" / f"{vendor}.md").read_text()
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


def test_each_fault_is_listed_in_the_table() -> None:
    table = TESTING.split("## Faults")[1].split("## Without HTTP")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(KINDS)


@pytest.mark.parametrize("flow", FLOWS)
def test_each_step_is_listed_in_a_page(flow: str) -> None:
    """In the common page or the vendor's."""
    pages = TESTING + (DOCS / "upstreams" / f"{flow}.md").read_text()
    assert [step for step in registry.kind(flow).steps if f"`{step}`" not in pages] == []


def test_each_switch_of_the_control_endpoint_is_listed() -> None:
    assert all(f'"{name}":' in TESTING for name in SWITCHES)


@pytest.mark.parametrize("page", sorted(DOCS.glob("upstreams/*.md")), ids=lambda page: page.stem)
def test_files_that_the_pages_name_exist(page: Path) -> None:
    """Files of local/."""
    for path in re.findall(r"`(local/[\w/.]+)`", page.read_text()):
        assert (DOCS.parent / path).is_file()
