"""What `make stack` is made of, as far as it needs no emulator."""

import re
from pathlib import Path
from typing import Any

import pytest

from stack import emulator
from stack.scenario.grants import NOTHING, grants
from stack.table import FAILED, OK, UNSEEN, Table

ROOT = Path(__file__).parents[2]
ADAPTERS = sorted(
    path
    for path in (ROOT / "stack/emulator").glob("*.py")
    if path.stem not in {"__init__", "__main__", "replacing"}
)


def test_the_adapters_are_for_the_installed_version() -> None:
    pins = (ROOT / "tools/stack.txt").read_text().splitlines()
    assert f"ministack=={emulator.VERSION}" in pins


def test_another_emulator_version_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says what to do, rather than that an adapter does nothing."""
    monkeypatch.setattr(emulator, "version", lambda _: "9.9.9")
    with pytest.raises(SystemExit, match=r"9\.9\.9.*stack/emulator"):
        emulator.refuse_another_version()


@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: path.stem)
def test_each_adapter_names_the_page_that_it_goes_by(path: Path) -> None:
    docstring = path.read_text().split('"""')[1]
    assert re.search(r"https://docs\.aws\.amazon\.com/\S+", docstring)


def test_each_grant_is_taken_away_by_itself() -> None:
    """A part of a list, or a statement that has one of each; all else stays."""
    read = {"Sid": "Read", "Action": ["s:Get", "s:List"], "Resource": "*"}
    call = {"Action": "x:Call", "Resource": ["arn:a/b/one", "arn:a/b/two"]}
    log = {"Sid": "Log", "Action": "l:Put", "Resource": "*"}
    policy: dict[str, Any] = {"Statement": [read, call, log]}
    found = [grant.rest["Statement"] for grant in grants(policy)]
    assert found == [
        [read | {"Action": ["s:List"]}, call, log],
        [read | {"Action": ["s:Get"]}, call, log],
        [read, call | {"Resource": ["arn:a/b/two"]}, log],
        [read, call | {"Resource": ["arn:a/b/one"]}, log],
        [read, call, NOTHING],
    ]


def test_an_exception_becomes_a_failed_row() -> None:
    """Within a row, and between two of them."""
    table = Table()
    with table.about("one"):
        with table.row("a") as row:
            row.sees(403, 200)
        with table.row("b") as row:
            row.sees(200, 200)
        raise OSError("broken")
    with table.about("two"), table.row("c") as row:
        row.is_unseen("why")
    assert [row.verdict for row in table.rows] == [FAILED, OK, FAILED, UNSEEN]
    assert len(table.failed) == 2
    assert any("expected 200" in line for line in table.lines())
