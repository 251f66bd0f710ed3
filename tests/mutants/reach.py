"""The tests that reach each line of the program, measured once for a state of the code."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pytest
from coverage import CoverageData

from tests.mutants.plan import FOLDER, ROOT, Mutant, Plan

DATA = FOLDER / "coverage"
MEASURED = FOLDER / "measured.json"


class Stopwatch:
    """A pytest plugin of the measuring run: records the duration and failure of each test."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up setup, call and teardown."""
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what was recorded, in the main process only."""
        if not hasattr(session.config, "workerinput"):
            found = {"seconds": self.seconds, "failed": sorted(self.failed)}
            MEASURED.write_text(json.dumps(found))


@dataclass(frozen=True, slots=True)
class Reach:
    """The tests of each line of each module, without lines that run at import."""

    tests: Mapping[str, Mapping[int, frozenset[str]]]
    seconds: Mapping[str, float]
    failed: frozenset[str] = frozenset()
    """Tests that fail without a mutant: they are ignored."""

    def of(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach *mutant*, the fastest first.

        A line that runs at import, such as a constant, counts as reached by all tests that reach
        its module; if there is none, by all.
        """
        lines = self.tests.get(mutant.path, {})
        within = [lines[n] for n in range(mutant.first, mutant.last + 1) if n in lines]
        reached = _union(within) or _union(lines.values()) or self.seconds.keys()
        return sorted(reached - self.failed, key=lambda test: self.seconds.get(test, 0))


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)


def measured(plan: Plan, folders: Sequence[str], digest: str) -> Reach:
    """Return what the tests of *folders* reach, measured unless it is stored for this *digest*.

    Tests that plant faults themselves are left out.
    """
    stored = FOLDER / f"reach-{digest}-{'+'.join(folders).replace('/', '.')}.json"
    if not stored.is_file():
        print(f"measuring which lines the tests of {', '.join(folders)} reach", flush=True)
        _run(plan, folders)
        stored.write_text(json.dumps(_lines(plan) | json.loads(MEASURED.read_text())))
    kept = json.loads(stored.read_text())
    tests = {
        path: {int(line): frozenset(found) for line, found in lines.items()}
        for path, lines in kept["tests"].items()
    }
    return Reach(tests, kept["seconds"], frozenset(kept["failed"]))


def _run(plan: Plan, folders: Sequence[str]) -> None:
    """Run the tests of *folders* with coverage, and leave `DATA` and `MEASURED`."""
    FOLDER.mkdir(exist_ok=True)
    packages = [path.parent.name for root in plan.roots for path in ROOT.glob(f"{root}/*/*.py")]
    run = [
        *(sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"),
        *("-p", "tests.mutants.reach", "-n", str(os.cpu_count() or 1)),
        *("-m", "not slow", "-k", "not planted"),
        *("--cov-context=test", "--cov-report=", *(f"--cov={name}" for name in {*packages})),
        *folders,
    ]
    env = os.environ | {"COVERAGE_FILE": str(DATA)}
    for path in (MEASURED, DATA):
        path.unlink(missing_ok=True)
    done = subprocess.run(run, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if not MEASURED.is_file():
        raise SystemExit(done.stdout + done.stderr)


def _lines(plan: Plan) -> dict[str, dict[str, dict[int, list[str]]]]:
    """Return the tests of each line, by module."""
    data = CoverageData(basename=str(DATA))
    data.read()
    tests: dict[str, dict[int, list[str]]] = {}
    for path in plan.modules():
        for line, contexts in data.contexts_by_lineno(str(ROOT / path)).items():
            if found := {context.rpartition("|")[0] for context in contexts if context}:
                tests.setdefault(path, {})[line] = sorted(found)
    return {"tests": tests}


def bad_seeds(seeds: int) -> frozenset[int]:
    """Return the seeds of the simulation that fail without a mutant."""
    code = f"from tests.mutants.trial import bad_seeds; print(bad_seeds({seeds}))"
    found = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    return frozenset(json.loads(found))


pytest_runtest_logreport = (_STOPWATCH := Stopwatch()).pytest_runtest_logreport
pytest_sessionfinish = _STOPWATCH.pytest_sessionfinish
