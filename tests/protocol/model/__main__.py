"""Explores the model and prints the invariants that hold, and those that break without each guard.

    python -m tests.protocol.model                   both tables
    python -m tests.protocol.model --trace bound     the shortest counterexample of a mutant
    python -m tests.protocol.model --only session    one scenario or mutant

Run it from the repository's root.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.protocol.model.mutants import MUTANTS
from tests.protocol.model.runs import of_mutants, of_scenarios, run
from tests.protocol.model.scenarios import SCENARIOS

NAMES = [*(one.name for one in SCENARIOS), *(one.name for one in MUTANTS)]


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return 1 if a result is not the expected one."""
    parser = argparse.ArgumentParser("python -m tests.protocol.model", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--trace", choices=NAMES, metavar="MUTANT")
    parser.add_argument("--only", choices=NAMES, metavar="NAME", default=None)
    wanted = parser.parse_args(arguments)
    if wanted.trace:
        return trace(wanted.trace)
    return tables([wanted.only] if wanted.only else NAMES)


def trace(name: str) -> int:
    """Print the shortest counterexample of each broken invariant."""
    for invariant, lines in run(name).traces.items():
        print(f"{invariant} breaks:", *lines, "", sep="\n")
    return 0


def tables(names: Sequence[str]) -> int:
    """Print the tables; explore on all cores."""
    with ProcessPoolExecutor() as pool:
        runs = dict(zip(names, pool.map(run, names), strict=True))
    scenarios = [(one, runs[one.name]) for one in SCENARIOS if one.name in runs]
    mutants = [(one, runs[one.name]) for one in MUTANTS if one.name in runs]
    print(*of_scenarios(scenarios), "", *of_mutants(mutants), sep="\n")
    wrong = [one.name for one, seen in scenarios if seen.steps or not seen.is_whole]
    wrong += [one.name for one, seen in mutants if not set(one.breaks) <= seen.steps.keys()]
    print(*(f"unexpected result: {name}" for name in wrong), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
