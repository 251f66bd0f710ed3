"""Runs one mutant in a process forked from one that has imported everything but the program.

A fork costs milliseconds, while importing boto3, moto and Hypothesis takes seconds. The program is
imported in the fork, so mutated constants and decorators take effect.
"""

import gc
import importlib
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from tests.mutants.plan import ROOT, Mutant

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess
    from pathlib import Path

ENTRANCE = (
    *("-x", "-q", "--no-header", "--tb=no", "--capture=fd"),
    *("-p", "no:cacheprovider", "-p", "no:cov", "-p", "no:xdist"),
    "--timeout=0",  # the parent ends a mutant that hangs
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # plugins are imported already
)
GRACE_SECONDS = 15
"""The least timeout of a trial in seconds."""

OFTEN = (
    *("hypothesis.strategies", "botocore.client", "pytest_socket", "pytest_timeout"),
    *("boto3.session", "moto.server", "requests", "httpx", "trio"),
)
"""What tests import most, and what takes longest."""

BASELINE_SECONDS = 60
"""The timeout in seconds of one module's tests."""

SLOWER = 4
"""The factor between the timeout and the duration without a mutant."""

MOST_MEMORY_BYTES = 6 << 30


@dataclass(frozen=True, slots=True)
class Stage:
    """Tests or seeds to run with a planted mutant."""

    tests: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    seconds: float = 0
    is_confirmed: bool = False
    """Whether a failing test is run again alone."""


@dataclass(slots=True)
class Verdict:
    """The state of a mutant, and the test that decided it."""

    mutant: Mutant
    state: str
    by: str = ""


class _Loader(SourceFileLoader):
    """Loads a module from a given source."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return compile(self._source, self.path, "exec", dont_inherit=True)


class Planted(MetaPathFinder):
    """An import hook that loads the mutated module."""

    def __init__(self, name: str, mutant: Mutant) -> None:
        self._name = name
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the mutant's module."""
        del path, target
        if fullname != self._name:
            return None
        file = ROOT / self._mutant.path
        loader = _Loader(fullname, str(file), self._mutant.source)
        places = [str(file.parent)] if file.name == "__init__.py" else None
        return spec_from_file_location(
            fullname, file, loader=loader, submodule_search_locations=places
        )


class Chosen:
    """Runs selected tests in order, or a whole file, and records the first failure."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._order = {test: position for position, test in enumerate(tests)}
        self.failed = ""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Deselect all other tests, unless a file is selected."""
        if all("::" not in test for test in self._order):
            items.sort(key=_is_property)  # they take longest
            return
        items[:] = [item for item in items if item.nodeid in self._order]
        files: dict[Path, int] = {}
        for item in sorted(items, key=lambda item: self._order[item.nodeid]):
            files.setdefault(item.path, len(files))
        items.sort(key=lambda item: (files[item.path], self._order[item.nodeid]))

    def pytest_sessionstart(self) -> None:
        """Stop at the first failing example, without shrinking."""
        from hypothesis import Phase, settings  # noqa: PLC0415 (see the module)

        settings.register_profile(
            "mutants",
            settings(),
            phases=[Phase.explicit, Phase.generate],
            print_blob=False,
            database=None,
        )
        settings.load_profile("mutants")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a file that cannot be imported."""
        if report.failed:
            self.failed = self.failed or f"import of {report.nodeid}"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a failing test."""
        if report.failed:
            self.failed = self.failed or report.nodeid


def _is_property(item: pytest.Item) -> bool:
    return bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))


def run_tests(stage: Stage) -> str:
    """Run tests, and return the first that fails, or nothing."""
    chosen = Chosen(stage.tests)
    files = dict.fromkeys(test.partition("::")[0] for test in stage.tests)
    code = pytest.main([*ENTRANCE, *files], plugins=[chosen])
    return chosen.failed or ("" if code == pytest.ExitCode.OK else f"pytest: {code}")


def run_seeds(stage: Stage) -> str:
    """Run seeds of the simulation, and return the first violation, or an empty string."""
    from tests.protocol.simulation.campaign import find  # noqa: PLC0415 (imports the program)

    found = next((finding for finding in find(stage.seeds) if finding), None)
    return f"seed {found.seed} ({found.invariant})" if found else ""


def failing(tests: Sequence[str]) -> str:
    """Return the first of *tests* that fails without a mutant; runs in a new process."""
    answer, child_end = get_context("fork").Pipe(duplex=False)
    process = get_context("fork").Process(
        target=_child, args=(Stage(tuple(tests), seconds=BASELINE_SECONDS), "", None, child_end)
    )
    process.start()
    child_end.close()
    process.join()
    return str(answer.recv())


def bad_seeds(seeds: int) -> list[int]:
    """Return the seeds that fail without a mutant; must be called in a new process."""
    from tests.protocol.simulation.campaign import find  # noqa: PLC0415 (imports the program)

    return [finding.seed for finding in find(range(seeds)) if finding]


def _child(stage: Stage, name: str, mutant: Mutant | None, answer: "Connection[Any, Any]") -> None:
    """Run a stage with or without a mutant, and send the failed test."""
    os.setsid()
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    seconds = int(GRACE_SECONDS + SLOWER * stage.seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    if mutant:
        sys.meta_path.insert(0, Planted(name, mutant))
    try:
        failed = run_seeds(stage) if stage.seeds else run_tests(stage)
    except BaseException:  # noqa: BLE001 (any exception kills the mutant)
        failed = traceback.format_exc().splitlines()[-1][:200]
    answer.send(failed)
    answer.close()
    os._exit(0)


@dataclass(slots=True)
class _Running:
    mutant: Mutant
    stage: Stage
    later: list[Stage]
    process: "ForkProcess"
    answer: "Connection[Any, Any]"
    ends: float


@dataclass(slots=True)
class Pool:
    """Runs mutants in parallel, one on each core."""

    workers: int
    module_name: Callable[[str], str]
    _running: list[_Running] = field(default_factory=list)

    def verdicts(self, trials: Iterable[tuple[Mutant, Stage]]) -> Iterator[Verdict]:
        """Yield the verdict of each mutant as it ends."""
        waiting = iter(trials)
        try:
            while True:
                while len(self._running) < self.workers and (trial := next(waiting, None)):
                    mutant, stage = trial
                    self._start(mutant, [stage])
                if not self._running:
                    return
                yield from self._step()
        finally:
            for one in self._running:
                _end(one.process)

    def _start(self, mutant: Mutant, stages: list[Stage]) -> None:
        context = get_context("fork")
        answer, child_end = context.Pipe(duplex=False)
        stage, *later = stages
        name = self.module_name(mutant.path)
        process = context.Process(target=_child, args=(stage, name, mutant, child_end))
        process.start()
        child_end.close()
        ends = time.monotonic() + 2 * (GRACE_SECONDS + SLOWER * stage.seconds)
        self._running.append(_Running(mutant, stage, later, process, answer, ends))

    def _step(self) -> Iterator[Verdict]:
        """Wait until one ends or is over its time."""
        soonest = min(one.ends for one in self._running)
        wait([one.process.sentinel for one in self._running], max(0, soonest - time.monotonic()))
        for one in list(self._running):
            if one.process.is_alive() and time.monotonic() < one.ends:
                continue
            self._running.remove(one)
            failed = _answer(one)
            _end(one.process)
            if failed is None:
                yield Verdict(one.mutant, "timed out")
            elif stages := _next(one.stage, one.later, failed):
                self._start(one.mutant, stages)
            else:
                yield Verdict(one.mutant, "killed" if failed else "survived", failed)


def _next(stage: Stage, later: list[Stage], failed: str) -> list[Stage]:
    """Return the stages after *stage*, whose test *failed* failed, if any.

    A test that failed after others is run again alone: it may depend on their order.
    """
    if failed not in stage.tests or not stage.is_confirmed:
        return [] if failed else later
    others = tuple(test for test in stage.tests if test != failed)
    alone = replace(stage, tests=(failed,), is_confirmed=False)
    return [alone, replace(stage, tests=others), *later] if others else []


def _answer(one: _Running) -> str | None:
    """Return the answer of a process; None if it was ended before."""
    try:
        if one.answer.poll():
            return str(one.answer.recv())
    except EOFError:
        pass
    finally:
        one.answer.close()
    if one.process.exitcode not in {None, -signal.SIGXCPU, -signal.SIGKILL}:
        return f"ended with {one.process.exitcode}"
    return None


def _end(process: "ForkProcess") -> None:
    """End a process and its children."""
    try:
        os.killpg(process.pid or 0, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
    process.join()


def warm_up() -> None:
    """Import the third-party modules of the tests."""
    for name in OFTEN:
        importlib.import_module(name)
    early = [name for name in sys.modules if name.startswith("token_broker")]
    if early:
        raise RuntimeError(f"imported before a mutant is planted: {early}")
    # pytest collects garbage at its end, which in each fork would touch all that was imported.
    gc.collect()
    gc.freeze()
