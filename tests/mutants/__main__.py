"""`make mutants`: plant faults by mutmut's operators, and tell which ones no test sees."""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import accumulate

from tests.mutants.plan import FOLDER, ROOT, Mutant, Plan, Trying, changed_lines, read_plan
from tests.mutants.reach import MEASURED, Reach, measure, read_reach
from tests.mutants.results import EQUIVALENT, LEFT, UNSEEN, Equivalents, Results, table
from tests.mutants.trial import Pool, Stage, warm_up

MEASURED_FOR = FOLDER / "measured-for"
SEED_SECONDS = 0.02

AIM = 0.95
"""Of the mutants, so many are found, or known to be equivalent."""


def main(arguments: Sequence[str]) -> int:
    """Mutate what is asked for; 1 if less is found than `AIM`."""
    options = parsed(arguments)
    plan = read_plan()
    paths = plan.modules(options.module)
    lines = changed_lines(options.changed) if options.changed else None
    mutants = [m for m in planted(options.python, paths) if lines is None or is_changed(m, lines)]
    part, _, parts = options.part.partition("/")
    mutants = mutants[int(part) - 1 :: int(parts)]
    digest = prepared(plan) if mutants else ""
    states = tried(plan, mutants, Results(digest), options) if mutants else {}
    survivors = [m for m in mutants if states.get(m.key) in UNSEEN]
    for mutant in survivors:
        print(f"{states[mutant.key]}: {mutant.shown}")
    print(table((m.path, states.get(m.key, LEFT)) for m in mutants))
    return 1 if len(survivors) > (1 - AIM) * len(mutants) else 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--python", default=".tools/mutants/bin/python", help="that has mutmut")
    parser.add_argument("--module", default="", help="a file or folder, without .py")
    parser.add_argument("--changed", default="", help="only lines changed since this git ref")
    parser.add_argument("--part", default="1/1", help="1/4 is the first of four parts")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many")
    return parser.parse_args(arguments)


def planted(python: str, paths: Sequence[str]) -> list[Mutant]:
    """Have the mutants of *paths* made, by an environment of their own."""
    run = [python, "tests/mutants/planting.py", *paths]
    made = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    return [Mutant(**json.loads(line)) for line in made.stdout.splitlines()]


def is_changed(mutant: Mutant, lines: dict[str, set[int]]) -> bool:
    """Say whether a mutant touches one of *lines*."""
    return not lines.get(mutant.path, set()).isdisjoint(range(mutant.first, mutant.last + 1))


def prepared(plan: Plan) -> str:
    """Measure which tests reach what, unless it is known; return a digest of all code."""
    files = sorted(
        path
        for folder in (*plan.roots, "local", "functions", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if path.parent.name != "mutants"
    )
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]
    if not MEASURED_FOR.is_file() or MEASURED_FOR.read_text() != digest or not MEASURED.is_file():
        print("measuring which tests reach which lines (once for a state of the code)")
        measure(plan)
        MEASURED_FOR.write_text(digest)
    return digest


def tried(
    plan: Plan, mutants: Sequence[Mutant], results: Results, options: argparse.Namespace
) -> dict[str, str]:
    """Return the state of each mutant by its key; try those that are not known yet."""
    reach = read_reach(plan.modules())
    if reach.failed:
        print("these fail without a mutant, and are left out:", *reach.failed, sep="\n  ")
    if reach.bad_seeds:
        print("so do these seeds of the simulation:", *sorted(reach.bad_seeds))
    equivalents = Equivalents()
    states = {m.key: EQUIVALENT for m in mutants if equivalents.reason(m)}
    states |= {m.key: r.state for m in mutants if m.key not in states and (r := results.of(m))}
    waiting = [mutant for mutant in mutants if mutant.key not in states]
    print(f"{len(mutants)} mutants, {len(waiting)} to be tried")
    warm_up()
    begun = time.monotonic()
    pool = Pool(options.workers, plan.imported_as)
    for done, verdict in enumerate(pool.verdicts(trials(plan, waiting, reach)), 1):
        states[verdict.mutant.key] = results.add(verdict).state
        if verdict.state in UNSEEN:
            print(f"{verdict.state}: {verdict.mutant.shown}", flush=True)
        if done % 100 == 0:
            print(
                f"{done} of {len(waiting)}, {(time.monotonic() - begun) / done:.2f} s each",
                flush=True,
            )
        if time.monotonic() - begun > options.seconds:
            break
    for entry in equivalents.outdated({m.path for m in mutants}):
        print(f"no mutant any more: {entry}")
    return states


def trials(
    plan: Plan, mutants: Sequence[Mutant], reach: Reach
) -> Iterator[tuple[Mutant, list[Stage]]]:
    """Yield what is to be run for each mutant."""
    for mutant in mutants:
        tests = reach.of(mutant)
        stages = []
        for one in plan.stages:
            within = tuple(f"{folder}/" for folder in one.tests)
            chosen, seconds = fastest([t for t in tests if t.startswith(within)], one, reach)
            if chosen:
                stages.append(Stage(chosen, seconds=seconds, is_confirmed=one.confirm))
            elif one.seeds and plan.is_simulated(mutant.path):
                seeds = tuple(seed for seed in range(one.seeds) if seed not in reach.bad_seeds)
                stages.append(Stage(seeds=seeds, seconds=len(seeds) * SEED_SECONDS))
        yield mutant, stages


def fastest(tests: Sequence[str], one: Trying, reach: Reach) -> tuple[tuple[str, ...], float]:
    """Return the first of *tests* that fit into the time of a stage, and how long they take."""
    ends = list(accumulate(reach.seconds.get(test, 0) for test in tests))
    fit = max(1, sum(end <= one.seconds for end in ends))
    return tuple(tests[:fit]), ends[fit - 1] if ends else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was forked is ended, too
    sys.exit(main(sys.argv[1:]))
