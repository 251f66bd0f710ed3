"""Which tests reach which lines, and how long each takes: measured once for a state of the code."""

import ast
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from coverage import CoverageData

from tests.mutants.plan import FOLDER, ROOT, Mutant, Plan

DATA = FOLDER / "coverage"
MEASURED = FOLDER / "measured.json"
IMPORTS = FOLDER / "imports"
"""What tests import that is neither the program's nor theirs, one a line."""

BAD_SEEDS = FOLDER / "bad-seeds.json"

OWN = ("token_broker", "tests", "functions", "__main__", "__mp_main__")


class Stopwatch:
    """Loaded in the measuring run: writes how long each test took, and which failed."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up setup, call and teardown."""
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write it down, once: not in a worker. A worker says what it has imported."""
        if hasattr(session.config, "workerinput"):
            with IMPORTS.open("a") as file:
                file.writelines(f"{name}\n" for name in list(sys.modules) if not _is_own(name))
        else:
            found = {"seconds": self.seconds, "failed": sorted(self.failed)}
            MEASURED.write_text(json.dumps(found))


@dataclass(frozen=True, slots=True)
class Reach:
    """The tests of each line of each module; those of a test's own run, not of its import."""

    tests: Mapping[str, Mapping[int, frozenset[str]]]
    seconds: Mapping[str, float]
    uses: Mapping[str, frozenset[tuple[str, int]]]
    """Where a name is used."""

    failed: tuple[str, ...]
    """Tests that fail without a mutant. They decide nothing."""

    bad_seeds: frozenset[int] = frozenset()
    """Seeds of the simulation that do."""

    def of(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach *mutant*, the fastest first.

        What runs at import, such as a constant, is reached by who reaches a line with its name.
        """
        lines = self.tests.get(mutant.path, {})
        source = (ROOT / mutant.path).read_text()
        reached = _at(lines, range(mutant.first, mutant.last + 1))
        names, body = _imported(ast.parse(source), mutant.first, mutant.last)
        if names:
            used = {place for name in names for place in self.uses.get(name, ())}
            reached |= _at(lines, body)
            for path, line in used:
                reached |= _at(self.tests.get(path, {}), [line])
            reached = reached or frozenset().union(*lines.values())
        return sorted(reached - set(self.failed), key=lambda test: self.seconds.get(test, 0))


def _at(lines: Mapping[int, frozenset[str]], numbers: Iterable[int]) -> frozenset[str]:
    return frozenset().union(*(lines.get(number, frozenset()) for number in numbers))


def _imported(tree: ast.Module, first: int, last: int) -> tuple[set[str], range]:
    """Return which names lines give a value at import, and the lines of what they belong to."""
    names: set[str] = set()
    body = range(0)
    for node in _outside_functions(tree):
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        if start > last or (node.end_lineno or start) < first:
            continue
        if isinstance(node, ast.FunctionDef):
            if first < node.body[0].lineno:  # its decorators, its defaults
                names.add(node.name)
                body = range(start, (node.end_lineno or start) + 1)
        elif isinstance(node, ast.ClassDef):
            if first < node.body[0].lineno:
                names.add(node.name)
                body = range(start, (node.end_lineno or start) + 1)
        else:
            names |= _targets(node)
    return names, body


def _targets(node: ast.stmt) -> set[str]:
    """Return the names that a statement of a module or a class gives a value."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    found = {n.id for t in targets if t for n in ast.walk(t) if isinstance(n, ast.Name)}
    return found or {"*"}


def _outside_functions(node: ast.Module | ast.ClassDef) -> Iterator[ast.stmt]:
    """Yield what is run at import."""
    for child in node.body:
        yield child
        if isinstance(child, ast.ClassDef):
            yield from _outside_functions(child)


def measure(plan: Plan) -> None:
    """Run all tests once, and keep which lines each of them runs.

    But for those that plant faults themselves: they show something of tests, not of the program.
    """
    FOLDER.mkdir(exist_ok=True)
    packages = {name for root in plan.roots for name in _packages(ROOT / root)}
    run = [
        *(sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"),
        *(
            "-p",
            "tests.mutants.reach",
            "-n",
            str(os.cpu_count() or 1),
            "-m",
            "not slow",
            "-k",
            "not planted",
        ),
        *("--cov-context=test", "--cov-report=", *(f"--cov={name}" for name in sorted(packages))),
        *plan.tests,
    ]
    env = os.environ | {"COVERAGE_FILE": str(DATA)}
    for path in (MEASURED, IMPORTS):
        path.unlink(missing_ok=True)
    done = subprocess.run(run, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if not MEASURED.is_file():
        raise SystemExit(done.stdout + done.stderr)
    seeds = max(stage.seeds for stage in plan.stages)
    code = f"from tests.mutants.trial import bad_seeds; print(bad_seeds({seeds}))"
    BAD_SEEDS.write_text(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True))


def _is_own(name: str) -> bool:
    """Say whether a module is the program's or the tests', and is to be imported in each fork."""
    place = getattr(sys.modules[name], "__file__", None) or ""
    is_here = place.startswith(f"{ROOT}/") and not place.startswith(f"{sys.prefix}/")
    return is_here or name.startswith(OWN)


def _packages(root: Path) -> Iterator[str]:
    yield from (path.parent.name for path in root.glob("*/__init__.py"))


pytest_runtest_logreport = (_STOPWATCH := Stopwatch()).pytest_runtest_logreport
pytest_sessionfinish = _STOPWATCH.pytest_sessionfinish


def read_reach(paths: Sequence[str]) -> Reach:
    """Return what was measured, for the modules *paths*."""
    measured = json.loads(MEASURED.read_text())
    data = CoverageData(basename=str(DATA))
    data.read()
    tests: dict[str, dict[int, frozenset[str]]] = {}
    uses: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for path in paths:
        found = data.contexts_by_lineno(str(ROOT / path))
        tests[path] = {
            line: frozenset(c.rpartition("|")[0] for c in contexts if c)
            for line, contexts in found.items()
        }
        for name, line in _names(ast.parse((ROOT / path).read_text())):
            uses[name].add((path, line))
    return Reach(
        tests,
        measured["seconds"],
        {name: frozenset(places) for name, places in uses.items()},
        tuple(measured["failed"]),
        frozenset(json.loads(BAD_SEEDS.read_text())),
    )


def _names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg, node.lineno
