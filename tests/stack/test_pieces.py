"""The parts of `make stack` that need no emulator."""

import re
from pathlib import Path
from typing import Any

import pytest

from stack import emulator
from stack.report import FAILED, OK, SKIPPED, Report
from stack.scenario.permissions import PLACEHOLDER, permissions

ROOT = Path(__file__).parents[2]
ADAPTERS = sorted(
    path
    for path in (ROOT / "stack/emulator").glob("*.py")
    if path.stem not in {"__init__", "__main__", "patching"}
)


def test_the_adapters_are_for_the_installed_version() -> None:
    pins = (ROOT / "tools/stack.txt").read_text().splitlines()
    assert f"ministack=={emulator.VERSION}" in pins


def test_another_emulator_version_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to do; no adapter fails silently."""
    monkeypatch.setattr(emulator, "version", lambda _: "9.9.9")
    with pytest.raises(SystemExit, match=r"9\.9\.9.*stack/emulator"):
        emulator.refuse_another_version()


@pytest.mark.parametrize("path", ADAPTERS, ids=lambda path: path.stem)
def test_each_adapter_names_its_aws_page(path: Path) -> None:
    docstring = path.read_text().split('"""')[1]
    assert re.search(r"https://docs\.aws\.amazon\.com/\S+", docstring)


def test_each_permission_is_removed_by_itself() -> None:
    """An item of a list, or a statement that has one of each; the rest stays."""
    read = {"Sid": "Read", "Action": ["s:Get", "s:List"], "Resource": "*"}
    call = {"Action": "x:Call", "Resource": ["arn:a/b/one", "arn:a/b/two"]}
    log = {"Sid": "Log", "Action": "l:Put", "Resource": "*"}
    policy: dict[str, Any] = {"Statement": [read, call, log]}
    rests = [permission.rest["Statement"] for permission in permissions(policy)]
    assert rests == [
        [read | {"Action": ["s:List"]}, call, log],
        [read | {"Action": ["s:Get"]}, call, log],
        [read, call | {"Resource": ["arn:a/b/two"]}, log],
        [read, call | {"Resource": ["arn:a/b/one"]}, log],
        [read, call, PLACEHOLDER],
    ]


def test_an_exception_becomes_a_failed_check() -> None:
    """Within a check, and between two checks."""
    report = Report()
    with report.section("one"):
        with report.check("a") as check:
            check.equals(403, 200)
        with report.check("b") as check:
            check.equals(200, 200)
        raise OSError("broken")
    with report.section("two"), report.check("c") as check:
        check.skip("why")
    assert [check.status for check in report.checks] == [FAILED, OK, FAILED, SKIPPED]
    assert len(report.failed) == 2
    assert any("expected 200" in line for line in report.lines())
