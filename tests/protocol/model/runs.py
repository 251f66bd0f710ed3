"""One exploration, and what there is to say of it: small enough to come from another process."""

from dataclasses import dataclass

from tests.protocol.model.explorer import Exploration, explore
from tests.protocol.model.mutants import MUTANTS, Mutant
from tests.protocol.model.rules import Rules
from tests.protocol.model.scenarios import SCENARIOS
from tests.protocol.model.traces import lines

MOST_STATES = 400_000
"""A mutant may have no end of states; nothing here needs more than this."""


@dataclass(frozen=True, slots=True)
class Run:
    """What was explored, how far, and what broke with how many steps."""

    name: str
    states: int
    moves: int
    depth: int
    seconds: float
    is_whole: bool
    steps: dict[str, int]
    """The invariants that broke, and the length of the shortest way there."""
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
    """Return the way to each thing that broke, a line a move."""
    return {name: list(lines(seen, found)) for name, found in seen.found.items()}
