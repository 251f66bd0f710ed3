"""The result of one exploration, and the tables that tests and the command print."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.protocol.model.explorer import Exploration, explore
from tests.protocol.model.mutants import MUTANTS, Mutant
from tests.protocol.model.rules import RULES, Rules, Scenario
from tests.protocol.model.scenarios import SCENARIOS
from tests.protocol.model.traces import lines

MOST_STATES = 400_000
"""The maximum number of states: a mutant may have infinitely many."""


@dataclass(frozen=True, slots=True)
class Run:
    """The size of an exploration, and the invariants that broke."""

    name: str
    states: int
    moves: int
    depth: int
    seconds: float
    is_whole: bool
    steps: dict[str, int]
    """The broken invariants, and the length of the shortest counterexample."""
    traces: dict[str, list[str]]


def run(name: str) -> Run:
    """Explore the scenario or the mutant of this *name*."""
    mutant = next((one for one in MUTANTS if one.name == name), None)
    until = frozenset(mutant.breaks if mutant else ())
    seen = explore(rules(name, mutant), until=until, most=MOST_STATES)
    return Run(
        name,
        len(seen.states),
        seen.moves,
        max(seen.depths),
        seen.seconds,
        seen.is_whole,
        {found.name: found.depth for found in seen.found.values()},
        traces(seen),
    )


def rules(name: str, mutant: Mutant | None) -> Rules:
    """Return the rules to explore."""
    if mutant:
        return mutant.rules
    return Rules(next(scenario for scenario in SCENARIOS if scenario.name == name))


def traces(seen: Exploration) -> dict[str, list[str]]:
    """Return the counterexample of each broken invariant, a line for each move."""
    return {name: list(lines(seen, found)) for name, found in seen.found.items()}


def of_scenarios(runs: Iterable[tuple[Scenario, Run]]) -> Iterator[str]:
    """Yield the table of completely explored scenarios."""
    head = f"{'scenario':<11} {'Lambdas':>7} {'bounds':>6} {'states':>8} {'moves':>9}"
    yield f"{head} {'depth':>5} {'s':>5}  holds"
    for scenario, run in runs:
        verdict = ", ".join(f"{name} BROKEN" for name in run.steps) or "I1-I10, L1"
        bounds = f"{scenario.lambdas:>7} {scenario.faults:>4}+{scenario.occasions}"
        size = f"{run.states:>8} {run.moves:>9} {run.depth:>5} {run.seconds:>5.1f}"
        yield f"{scenario.name:<11} {bounds} {size}  {verdict}"
        yield f"            {scenario.about}{'' if run.is_whole else ' (NOT WHOLE)'}"
    yield "bounds: faults (deaths, lost answers) + occasions (expiries, force, reports, rotations)"
    yield "s: seconds of one core"


def of_mutants(runs: Iterable[tuple[Mutant, Run]]) -> Iterator[str]:
    """Yield the table of the invariants that break without each guard, with the steps."""
    rows = [(mutant, run, broken(mutant, run)) for mutant, run in runs]
    width = max(len(text) for *_, text in rows)
    yield f"{'mutant':<24} {'breaks (steps)':<{width}} {'states':>7} {'s':>5}  without"
    for mutant, run, text in rows:
        what = mutant.remark or "; ".join(RULES[name]["says"] for name in mutant.without)
        yield f"{mutant.name:<24} {text:<{width}} {run.states:>7} {run.seconds:>5.1f}  {what}"


def broken(mutant: Mutant, run: Run) -> str:
    """Return the broken invariants, the expected ones first."""
    first = {name: run.steps[name] for name in mutant.breaks if name in run.steps}
    steps = first | run.steps
    return ", ".join(f"{name} ({steps[name]})" for name in steps) or "nothing"
