"""Replay a run, or run many.

python -m tests.protocol.simulation --seed 7 [--bug NAME] [--model]   a seed's trace, shrunk
python -m tests.protocol.simulation --seeds 10000           many runs of the shipped code
python -m tests.protocol.simulation --outages               how long each fault has effects
"""

import argparse
import sys
import time

from tests.protocol.simulation.campaign import run_seeds, shown
from tests.protocol.simulation.guard_bugs import ALL_BUGS
from tests.protocol.simulation.outage_table import measure_all, tables, too_long
from tests.protocol.simulation.planning import plan_of
from tests.protocol.simulation.plans import Plan
from tests.protocol.simulation.planting import planted
from tests.protocol.simulation.shrinking import shrunk
from tests.protocol.simulation.traces import trace_of
from tests.protocol.simulation.verdict import judged


def main() -> int:
    """Run the command line; return 1 if there is a violation."""
    parser = argparse.ArgumentParser(prog="python -m tests.protocol.simulation")
    parser.add_argument("--seed", type=int, help="the run to replay")
    parser.add_argument("--bug", choices=ALL_BUGS, help="a bug to plant")
    parser.add_argument("--model", action="store_true", help="replay it in the model as well")
    parser.add_argument("--seeds", type=int, help="how many runs of the shipped code")
    parser.add_argument("--outages", action="store_true", help="measure the effects of faults")
    options = parser.parse_args()
    if options.outages:
        return show_outages()
    if options.seeds:
        return show_seeds(options.seeds)
    with planted(ALL_BUGS.get(options.bug)):
        plan = plan_of(options.seed or 0)
        return replay(plan, has_model=options.model)


def replay(plan: Plan, *, has_model: bool) -> int:
    """Print the trace of *plan*, shrunk to the first violation."""
    found = judged(plan, has_model=has_model).violations
    if found:
        name = found[0].invariant
        plan = shrunk(plan, lambda smaller: judged(smaller, has_model=has_model).breaks(name))
    judge = judged(plan, has_model=has_model)
    print(trace_of(judge))
    return int(bool(judge.violations))


def show_seeds(seeds: int) -> int:
    """Run *seeds* seeds of the shipped code, and print the violations."""
    began = time.monotonic()
    found, _ = run_seeds(range(seeds))
    print(shown(found))
    print(f"{seeds} runs, {seeds / (time.monotonic() - began):.0f} a second")
    return int(bool(found))


def show_outages() -> int:
    """Measure how long each fault has effects, and print those that exceed their bound."""
    measured = measure_all()
    print(tables(measured))
    late = too_long(measured)
    print("\n".join(late))
    return int(bool(late))


if __name__ == "__main__":
    sys.exit(main())
