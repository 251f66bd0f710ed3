"""Each planted defect is found by its listed tests, and every threat has one."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.planted.defects import DEFECTS, Defect
from tests.sharing import once
from tests.template.faults import FAULTY
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/threat-model.md").read_text()
THREATS = dict(re.findall(r"^\| (T\d+) \|(.*)\|$", PAGE, re.MULTILINE))
RULES = {rule.__name__ for rule in FAULTY}
FOUND = {"noticed": True, "sound": True}
TABLES = {"test_a_planted_leak_is_found", "test_each_planted_bug_is_found"}
"""Tests that plant defects themselves: leaks, and bugs in the protocol."""


def shown(threat: str) -> list[tuple[str, str]]:
    """Return the tests and rules that the page lists for *threat*, with their files."""
    return re.findall(r"\[(\w+)\]\(\.\./(tests/[\w/]+\.py)\)", THREATS[threat])


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, object]]:
    """Plant all defects in a separate process, once, and return their results."""
    folder = tmp_path_factory.mktemp("planted")
    return once(tmp_path_factory, "planted", lambda: planted(folder / "report.json"))


def planted(path: Path) -> Mapping[str, Mapping[str, object]]:
    """Run `tests.planted`, which writes the results to *path*, and return them."""
    run = [sys.executable, "-m", "tests.planted", str(path)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        run,
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        timeout=10 * PATIENCE_SECONDS,
        check=False,
    )
    assert path.is_file(), done.stdout + done.stderr
    found: dict[str, dict[str, object]] = json.loads(path.read_text())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_planted_defect_fails_its_tests(
    report: Mapping[str, Mapping[str, object]], defect: Defect
) -> None:
    """They pass without it."""
    assert report[defect.name] == dict.fromkeys(defect.tests, FOUND)


@pytest.mark.parametrize("threat", THREATS)
def test_each_threat_names_a_test_that_a_planted_defect_fails(threat: str) -> None:
    """Or a rule of the template, or a table of the protocol.

    `test_a_planted_defect_fails_its_tests` runs them.
    """
    named = {name for name, _ in shown(threat)}
    planted = {
        test.partition("::")[2].partition("[")[0]
        for defect in DEFECTS
        if defect.threat == threat
        for test in defect.tests
    }
    assert named & (planted | RULES | TABLES)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_planted_defect_has_a_test_of_its_threat(defect: Defect) -> None:
    """At least one of its tests is named in the threat model."""
    tests = {tuple(test.partition("[")[0].split("::")) for test in defect.tests}
    assert tests & {(path, name) for name, path in shown(defect.threat)}


def test_planted_defects_have_unique_names() -> None:
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS)
