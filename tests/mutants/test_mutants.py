"""The choice of tests for a mutant, and the evaluation of their results."""

import argparse
import os
import re
import shlex
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants import results, trial
from tests.mutants.__main__ import parsed
from tests.mutants.plan import ROOT, Mutant, read_plan
from tests.mutants.reach import Reach
from tests.mutants.results import EVERY, Equivalents, is_below, table
from tests.mutants.trial import Pool, Stage, Verdict, _next
from tests.waiting import PATIENCE_SECONDS

PATH = read_plan().modules("item")[0]


def test_a_module_is_found_by_any_part_of_its_path() -> None:
    plan = read_plan()
    assert PATH in plan.modules("item")
    assert plan.modules("token_broker/item") == [PATH]
    assert {path.rpartition("/")[2] for path in plan.modules("editor")} >= {"flow.py"}
    assert set(plan.modules("item")) < set(plan.modules())
    assert plan.modules("token_broker/item.py") == plan.modules("/token_broker/item/") == [PATH]
    with pytest.raises(ValueError, match="'iten'"):
        plan.modules("iten")


def test_the_tests_of_a_module_have_its_name_or_are_configured() -> None:
    plan = read_plan()
    own = plan.own_tests(PATH)
    assert own[:2] == ("tests/unit/test_item.py", "tests/unit/test_item_codec.py")
    of_broker, of_client = (plan.own_tests(path) for path in plan.modules("cache"))
    assert of_broker[0] == "tests/unit/test_cache.py"
    assert all(file.startswith("tests/client/") for file in of_client)
    assert not set(of_broker) & set(of_client)
    without = {path for path in plan.modules() if not plan.own_tests(path)}
    assert {path.rpartition("/")[2] for path in without} == {"__init__.py"}
    assert all((ROOT / file).is_file() for path in plan.modules() for file in plan.own_tests(path))
    configured = {f"{package}.{name}" for package, names in plan.own.items() for name in names}
    assert configured <= {plan.imported_as(path) for path in plan.modules()}


@pytest.mark.parametrize(
    ("line", "tests"), [(3, ["fast", "slow"]), (1, ["fast", "slow", "other"])], ids=["in", "import"]
)
def test_tests_that_reach_a_line_run_fastest_first(line: int, tests: list[str]) -> None:
    """Those of its module, if it runs at import; none that fails without a mutant."""
    lines = {3: frozenset({"slow", "fast", "broken"}), 4: frozenset({"other"})}
    seconds = {"slow": 2.0, "fast": 0.1, "other": 3.0}
    reach = Reach({PATH: lines}, seconds, frozenset({"broken"}))
    assert reach.of(Mutant(PATH, "", "", line, line, "", "", "")) == tests


def test_a_failure_after_other_tests_is_confirmed_alone() -> None:
    """Otherwise the remaining tests run without it."""
    stage, later = Stage(("a", "b", "c"), is_confirmed=True), [Stage(seeds=(3,))]
    alone, others, *rest = _next(stage, later, "b")
    assert (alone.tests, others.tests, rest) == (("b",), ("a", "c"), later)
    assert _next(alone, [others], "b") == []
    assert _next(alone, [others], "") == [others]


def test_each_equivalent_has_a_reason_and_a_module_that_is_mutated() -> None:
    modules = read_plan().modules()
    for (path, *_), reason in Equivalents().reasons.items():
        assert path in (EVERY, *modules)
        assert reason.strip()


@pytest.mark.parametrize(
    ("was", "becomes", "is_equivalent"),
    [
        ('raise FallBack("a page in part")', "raise FallBack(None)", True),
        ('raise FallBack("no") from None', 'raise FallBack("XXnoXX") from None', True),
        ('raise FallBack("a page in part")', "raise Other", False),
        ('raise NotConfigured("no")', "raise NotConfigured(None)", False),
    ],
)
def test_another_text_of_an_internal_error_is_equivalent(
    was: str, becomes: str, *, is_equivalent: bool
) -> None:
    path = read_plan().modules("aws/operations")[0]
    mutant = Mutant(path, "", "", 3, 3, was, becomes, "")
    assert bool(Equivalents().reason(mutant)) is is_equivalent
    assert not Equivalents().reason(replace(mutant, path=PATH))


def test_equivalent_and_untried_mutants_are_not_counted() -> None:
    """Neither in the table nor for the target."""
    counted = ["killed", "timed out", "survived", *["equivalent", "not tried"] * 50]
    states = [(PATH, state) for state in counted]
    assert table(states).splitlines()[-1].endswith("| 66.7 % |")
    assert is_below(0.67, Counter(counted))
    assert not is_below(0.66, Counter(counted))
    assert not is_below(0.95, Counter())


def hang(_: Stage) -> str:
    while True:
        time.sleep(PATIENCE_SECONDS)


def spin(_: Stage) -> str:
    while True:
        pass


def end(_: Stage) -> str:
    os._exit(3)


@pytest.mark.parametrize(
    ("run", "grace", "state"),
    [
        (hang, 1, "timed out"),
        (spin, 1, "timed out"),
        (end, PATIENCE_SECONDS, "killed"),
        (lambda _: "tests/unit/test_item.py::test_a", PATIENCE_SECONDS, "killed"),
        (lambda _: "", PATIENCE_SECONDS, "survived"),
    ],
    ids=["hangs", "spins", "ends", "fails", "passes"],
)
def test_a_mutants_state_follows_from_its_process(
    monkeypatch: pytest.MonkeyPatch, run: Callable[[Stage], str], grace: int, state: str
) -> None:
    """A process beyond its time is killed, and its mutant counts as timed out."""
    monkeypatch.setattr(trial, "run_tests", run)
    monkeypatch.setattr(trial, "GRACE_SECONDS", grace)
    mutant = Mutant(PATH, "", "", 3, 3, "", "", "x")
    stage = Stage(("tests/unit/test_item.py",))
    ((verdict),) = Pool(1, lambda _: "no_module").verdicts([(mutant, stage)])
    assert verdict.state == state


def test_documents_and_workflows_give_existing_arguments() -> None:
    """Each variable is known to `make mutants`, which knows each option of what it runs."""
    texts = [ROOT / "docs/mutants.md", ROOT / "CONTRIBUTING.md", *ROOT.glob(".github/workflows/*")]
    calls = [call for path in texts for call in re.findall("make mutants .*", path.read_text())]
    variables = {name for call in calls for name in re.findall(r"\b([A-Z]+)=", call)}
    assert variables >= {"MODULE", "CHANGED", "PART", "SAMPLE", "STAGES", "MINUTES"}
    plain = made()
    for name in variables:
        assert made(f"{name}=7") != plain, name


def made(*variables: str) -> argparse.Namespace:
    """Return the options that `make mutants` gives with these variables."""
    done = [option for path in (".venv/.ready", ".tools/mutants/.ready") for option in ("-o", path)]
    run = ["make", "--dry-run", "--no-print-directory", *done, "mutants", *variables]
    line = subprocess.check_output(run, cwd=ROOT, text=True).replace("\\\n", " ")
    return parsed(shlex.split(line)[3:])


def test_the_page_names_existing_modules() -> None:
    page = (ROOT / "docs/mutants.md").read_text()
    named = re.findall(r"(?m)^\| ([a-z_/]+(?:\.py|/)) \|", page)
    assert len(named) > 20
    assert all(read_plan().modules(name) for name in named)


def test_a_result_is_kept_in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run uses it if the code is the same."""
    monkeypatch.setattr(results, "RESULTS", tmp_path / "new" / "results.jsonl")
    mutant = Mutant(PATH, "", "", 3, 3, "", "", "x")
    kept = results.Results("digest").add(Verdict(mutant, "survived"))
    assert results.Results("digest").of(mutant) == kept
    assert results.Results("another").of(mutant) is None
