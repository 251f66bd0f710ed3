"""The coverage and duration of each test, measured once for a state of the code."""

import ast
import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from coverage import CoverageData

from tests.mutants.plan import FOLDER, ROOT, Mutant, Plan

DATA = FOLDER / "coverage"
MEASURED = FOLDER / "measured.json"
REACHED = FOLDER / "reach"
"""The coverage of each test file; measured again when the file or the code changes."""

IMPORTS = FOLDER / "imports"
"""Third-party modules that tests import, one a line."""

BAD_SEEDS = FOLDER / "bad-seeds.json"

OWN = ("token_broker", "tests", "functions", "__main__", "__mp_main__")


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
        """Write the durations, in the main process only. A worker writes its imports."""
        if hasattr(session.config, "workerinput"):
            with IMPORTS.open("a") as file:
                file.writelines(f"{name}\n" for name in list(sys.modules) if not _is_own(name))
        else:
            found = {"seconds": self.seconds, "failed": sorted(self.failed)}
            MEASURED.write_text(json.dumps(found))


@dataclass(frozen=True, slots=True)
class Reach:
    """The tests of each line of each module, without lines that run at import."""

    tests: Mapping[str, Mapping[int, frozenset[str]]]
    seconds: Mapping[str, float]
    uses: Mapping[str, frozenset[tuple[str, int]]]
    """The lines that use a name."""

    failed: tuple[str, ...]
    """Tests that fail without a mutant: they are ignored."""

    width: Mapping[str, int] = field(default_factory=dict)
    """The number of lines that a test file covers: a file with few lines is specific."""

    def of(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach *mutant*, the fastest first.

        A line that runs at import, such as a constant, counts as reached by tests of its uses.
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
    """Return the names that lines assign at import, and the lines of their statement."""
    names: set[str] = set()
    body = range(0)
    for node in _outside_functions(tree):
        start = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        if start > last or (node.end_lineno or start) < first:
            continue
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if first < node.body[0].lineno:  # its decorators, its defaults
                names.add(node.name)
                body = range(start, (node.end_lineno or start) + 1)
        else:
            names |= _targets(node)
    return names, body


def _targets(node: ast.stmt) -> set[str]:
    """Return the names that a statement of a module or a class assigns."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    found = {n.id for t in targets if t for n in ast.walk(t) if isinstance(n, ast.Name)}
    return found or {"*"}


def _outside_functions(node: ast.Module | ast.ClassDef) -> Iterator[ast.stmt]:
    """Yield what is run at import."""
    for child in node.body:
        yield child
        if isinstance(child, ast.ClassDef):
            yield from _outside_functions(child)


def measure(plan: Plan, folders: Sequence[str]) -> None:
    """Measure the coverage of the tests of *folders*, unless it is stored.

    Tests that plant faults themselves are left out.
    """
    REACHED.mkdir(parents=True, exist_ok=True)
    stale = [file for file in _test_files(folders) if not _is_known(file)]
    if not stale:
        return
    print(f"measuring which lines the tests of {len(stale)} files reach", flush=True)
    packages = {name for root in plan.roots for name in _packages(ROOT / root)}
    run = [
        *(sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"),
        *("-p", "tests.mutants.reach", "-n", str(os.cpu_count() or 1)),
        *("-m", "not slow", "-k", "not planted"),
        *("--cov-context=test", "--cov-report=", *(f"--cov={name}" for name in sorted(packages))),
        *stale,
    ]
    env = os.environ | {"COVERAGE_FILE": str(DATA)}
    for path in (MEASURED, DATA):
        path.unlink(missing_ok=True)
    done = subprocess.run(run, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if not MEASURED.is_file():
        raise SystemExit(done.stdout + done.stderr)
    _keep(plan, stale)


def measure_seeds(seeds: int) -> frozenset[int]:
    """Return the seeds of the simulation that fail without a mutant; cached by code."""
    digest = _digest(sorted([*_support(), *ROOT.glob("layers/**/*.py")]))
    kept = json.loads(BAD_SEEDS.read_text()) if BAD_SEEDS.is_file() else {}
    if kept.get("digest") != digest or kept["seeds"] < seeds:
        code = f"from tests.mutants.trial import bad_seeds; print(bad_seeds({seeds}))"
        found = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
        kept = {"digest": digest, "seeds": seeds, "bad": json.loads(found)}
        BAD_SEEDS.write_text(json.dumps(kept))
    return frozenset(kept["bad"])


def _keep(plan: Plan, files: Sequence[str]) -> None:
    """Store the coverage of *files*, one result a file."""
    measured = json.loads(MEASURED.read_text())
    data = CoverageData(basename=str(DATA))
    data.read()
    found: dict[str, dict[str, dict[int, list[str]]]] = {file: {} for file in files}
    for path in plan.modules():
        for line, contexts in data.contexts_by_lineno(str(ROOT / path)).items():
            for test in {context.rpartition("|")[0] for context in contexts if context}:
                lines = found.get(test.partition("::")[0], {}).setdefault(path, {})
                lines.setdefault(line, []).append(test)
    for file, lines_of in found.items():
        seconds = {t: s for t, s in measured["seconds"].items() if t.partition("::")[0] == file}
        kept = {
            "digest": _digest(_imports(file)),
            "modules": {path: _digest([ROOT / path]) for path in lines_of},
            "seconds": seconds,
            "failed": [test for test in measured["failed"] if test in seconds],
            "lines": lines_of,
        }
        _kept_at(file).write_text(json.dumps(kept))


def _is_known(file: str) -> bool:
    """Return whether what the tests of *file* reach was measured with the code as it is."""
    if not _kept_at(file).is_file():
        return False
    kept = json.loads(_kept_at(file).read_text())
    of_modules = {path: _digest([ROOT / path]) for path in kept["modules"]}
    return bool(kept["digest"] == _digest(_imports(file)) and kept["modules"] == of_modules)


def _kept_at(file: str) -> Path:
    return REACHED / (file.replace("/", "+") + ".json")


def _test_files(folders: Sequence[str]) -> list[str]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("test_*.py"))
    return sorted(str(path.relative_to(ROOT)) for path in found)


def _support() -> Iterator[Path]:
    """Yield the support code of tests: fakes and helper modules."""
    for folder in ("local", "functions", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            if not path.name.startswith("test_") and path.parent.name != "mutants":
                yield path


def _imports(file: str) -> list[Path]:
    """Return the files that a file of tests imports besides the program, and itself."""
    found: set[Path] = set()
    waiting = {ROOT / file, *(folder / "conftest.py" for folder in (ROOT / file).parents)}
    while waiting:
        path = waiting.pop()
        if path.is_file() and path not in found and path.is_relative_to(ROOT):
            found.add(path)
            waiting |= {place for name in _names_imported(path) for place in _places(name)}
    return sorted(found)


@cache
def _names_imported(path: Path) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def _places(name: str) -> Iterator[Path]:
    """Yield where a module of the tests, of the fakes or of the local system may be."""
    for root in (ROOT, ROOT / "local"):
        path = root.joinpath(*name.split("."))
        yield from (path.with_suffix(".py"), path / "__init__.py")


def _digest(paths: Sequence[Path]) -> str:
    read = (path.read_bytes() if path.is_file() else b"" for path in paths)
    return hashlib.sha256(b"\0".join(read)).hexdigest()[:16]


def _is_own(name: str) -> bool:
    """Return whether a module is the program's or the tests', so each fork imports it."""
    place = getattr(sys.modules[name], "__file__", None) or ""
    is_here = place.startswith(f"{ROOT}/") and not place.startswith(f"{sys.prefix}/")
    return is_here or name.startswith(OWN)


def _packages(root: Path) -> Iterator[str]:
    yield from (path.parent.name for path in root.glob("*/__init__.py"))


pytest_runtest_logreport = (_STOPWATCH := Stopwatch()).pytest_runtest_logreport
pytest_sessionfinish = _STOPWATCH.pytest_sessionfinish


def read_reach(paths: Sequence[str], folders: Sequence[str]) -> Reach:
    """Return what was measured of the tests of *folders*, for the modules *paths*."""
    tests: dict[str, dict[int, set[str]]] = {path: defaultdict(set) for path in paths}
    uses: dict[str, set[tuple[str, int]]] = defaultdict(set)
    seconds: dict[str, float] = {}
    failed: list[str] = []
    width: dict[str, int] = {}
    for file in _test_files(folders):
        kept = json.loads(_kept_at(file).read_text())
        seconds |= kept["seconds"]
        failed += kept["failed"]
        width[file] = sum(len(lines) for lines in kept["lines"].values())
        for path, lines in kept["lines"].items():
            for line, reached in lines.items() if path in tests else ():
                tests[path][int(line)].update(reached)
    for path in paths:
        for name, line in _names(ast.parse((ROOT / path).read_text())):
            uses[name].add((path, line))
    return Reach(
        {path: {at: frozenset(found) for at, found in of.items()} for path, of in tests.items()},
        seconds,
        {name: frozenset(places) for name, places in uses.items()},
        tuple(failed),
        width,
    )


def _names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg, node.lineno
