"""`make mutants`: plant faults by mutmut's operators, and report which ones no test finds."""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

from tests.mutants.plan import CONFIG, ROOT, Mutant, Plan, Trying, changed_lines, read_plan
from tests.mutants.reach import bad_seeds, measured
from tests.mutants.results import (
    EQUIVALENT,
    FOUND,
    LEFT,
    NOT_REACHED,
    UNSEEN,
    Equivalents,
    Results,
    is_below,
    table,
)
from tests.mutants.trial import Pool, Stage, Verdict, failing, warm_up

SEED_SECONDS = 0.02

SEED = 12
"""The seed of the sample, so that each run has the same one."""

AIM = 0.95
"""The share of mutants that must be killed, without the equivalent ones."""


def main(arguments: Sequence[str]) -> int:
    """Run the selected mutants; return 1 if fewer than `AIM` are killed."""
    options = parsed(arguments)
    plan = read_plan()
    try:
        paths = plan.modules(options.module)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    lines = changed_lines(options.changed) if options.changed else None
    paths = [path for path in paths if lines is None or path in lines]
    everything = planted(options.python, paths)
    mutants = [m for m in everything if lines is None or is_changed(m, lines)]
    part, _, parts = options.part.partition("/")
    mutants = mutants[int(part) - 1 :: int(parts)]
    if len(mutants) > options.sample:
        mutants = random.Random(SEED).sample(mutants, options.sample)
    digest = code_digest(plan, options.stages)
    states = tried(plan, mutants, Results(digest), options) if mutants else {}
    for entry in Equivalents().outdated(everything):
        print(f"no mutant any more: {entry}")
    survivors = [m for m in mutants if states.get(m.key) in UNSEEN]
    for mutant in survivors:
        print(f"{states[mutant.key]}: {mutant.shown}")
    print(table((m.path, states.get(m.key, LEFT)) for m in mutants))
    return 1 if is_below(AIM, Counter(states.values())) else 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--python", default=".tools/mutants/bin/python", help="that has mutmut")
    parser.add_argument("--module", default="", help="a file or folder, without .py")
    parser.add_argument("--changed", default="", help="only lines changed since this git ref")
    parser.add_argument("--part", default="1/1", help="1/4 is the first of four parts")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--stages", type=int, default=9, help="only so many of config.toml")
    parser.add_argument("--sample", type=int, default=10**9, help="so many, chosen at random")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many")
    return parser.parse_args(arguments)


def planted(python: str, paths: Sequence[str]) -> list[Mutant]:
    """Generate the mutants of *paths* in the environment that has mutmut."""
    run = [python, "tests/mutants/planting.py", *paths]
    made = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    return [Mutant(**json.loads(line)) for line in made.stdout.splitlines()]


def is_changed(mutant: Mutant, lines: dict[str, set[int]]) -> bool:
    """Return whether a mutant touches one of *lines*."""
    return not lines.get(mutant.path, set()).isdisjoint(range(mutant.first, mutant.last + 1))


def code_digest(plan: Plan, stages: int) -> str:
    """Return a digest of all code, the tests and the stages."""
    files = sorted(
        path
        for folder in (*plan.roots, "local", "functions", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if path.parent.name != "mutants"
    )
    read = b"\0".join(path.read_bytes() for path in (*files, CONFIG))
    return hashlib.sha256(read + bytes([stages])).hexdigest()[:16]


def tried(
    plan: Plan, mutants: Sequence[Mutant], results: Results, options: argparse.Namespace
) -> dict[str, str]:
    """Return the state of each mutant by its key; run those without a stored result.

    All mutants pass one stage before the next begins, so few remain for it. The coverage of a later
    stage's tests is measured only if a mutant remains.
    """
    equivalents = Equivalents()
    states = {m.key: EQUIVALENT for m in mutants if equivalents.reason(m)}
    states |= {m.key: s for m in mutants if m.key not in states and (s := results.of(m))}
    waiting = [mutant for mutant in mutants if mutant.key not in states]
    print(f"{len(mutants)} mutants, {len(waiting)} to be tried", flush=True)
    passed: dict[str, Verdict] = {}
    ends = time.monotonic() + 60 * options.minutes
    for number, one in enumerate(plan.stages[: options.stages], 1):
        trials = list(trials_of(plan, waiting, one, results.digest)) if waiting else []
        for verdict in verdicts(plan, trials, options.workers, ends):
            if verdict.state in FOUND:
                states[verdict.mutant.key] = results.add(verdict)
            else:
                passed[verdict.mutant.key] = verdict
        waiting = [mutant for mutant in waiting if mutant.key not in states]
        if time.monotonic() > ends:
            break
        print(f"stage {number}: {len(waiting)} left", flush=True)
    else:
        for mutant in waiting:
            verdict = passed.get(mutant.key, Verdict(mutant, NOT_REACHED))
            states[mutant.key] = results.add(verdict)
    return states


def verdicts(
    plan: Plan, trials: Sequence[tuple[Mutant, Stage]], workers: int, ends: float
) -> Iterator[Verdict]:
    """Yield the verdicts of one stage, and print the progress."""
    if not trials:
        return
    warm_up()
    begun = time.monotonic()
    for done, verdict in enumerate(Pool(workers, plan.imported_as).verdicts(trials), 1):
        yield verdict
        now = time.monotonic()
        if done % 100 == 0:
            print(f"{done} of {len(trials)}, {(now - begun) / done:.2f} s each", flush=True)
        if now > ends:
            break


def trials_of(
    plan: Plan, mutants: Sequence[Mutant], one: Trying, digest: str
) -> Iterator[tuple[Mutant, Stage]]:
    """Yield each mutant that a stage may kill, with the tests or seeds to run."""
    if one.seeds:
        bad = bad_seeds(one.seeds)
        seeds = tuple(seed for seed in range(one.seeds) if seed not in bad)
        if bad:
            print("these seeds are bad without a mutant:", *sorted(bad))
        for mutant in mutants:
            if plan.is_simulated(mutant.path):
                yield mutant, Stage(seeds=seeds, seconds=len(seeds) * SEED_SECONDS)
        return
    if one.own:
        yield from own_trials(plan, mutants)
        return
    reach = measured(plan, one.tests, digest)
    if reach.failed:
        print("these fail without a mutant, and are left out:", *sorted(reach.failed), sep="\n  ")
    for mutant in mutants:
        if tests := reach.of(mutant):
            ends = list(accumulate(reach.seconds.get(test, 0) for test in tests))
            fit = max(1, sum(end <= one.seconds for end in ends))
            yield mutant, Stage(tuple(tests[:fit]), (), ends[fit - 1], one.confirm)


def own_trials(plan: Plan, mutants: Sequence[Mutant]) -> Iterator[tuple[Mutant, Stage]]:
    """Yield each mutant with the tests of its module, if there are any."""
    warm_up()
    seconds: dict[tuple[str, ...], float] = {}
    for mutant in mutants:
        tests = plan.own_tests(mutant.path)
        if tests and tests not in seconds:
            begun = time.monotonic()
            if failed := failing(tests):
                raise SystemExit(f"this fails without a mutant: {failed}")
            seconds[tests] = time.monotonic() - begun
        if tests:
            yield mutant, Stage(tests, seconds=seconds[tests])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that forked processes end as well
    sys.exit(main(sys.argv[1:]))
