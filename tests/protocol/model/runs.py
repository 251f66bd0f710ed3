"""The result of one exploration, and what tests and the command print of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.protocol.model.explorer import Exploration, Found, explore
from tests.protocol.model.moves import moves, start
from tests.protocol.model.mutants import MUTANTS, Mutant
from tests.protocol.model.rules import RULES, Rules, Scenario
from tests.protocol.model.scenarios import scenario
from tests.protocol.model.state import Item, Move, State
from tests.protocol.model.symmetry import without_lost

NAMES = "ABCDEFGH"
AGES = ("ended", "due for renewal", "fresh")
LEASES = ("no lease", "leased", "leased, late", "lease over")
RENEWALS = ("", "renewal ready", "renewal in use")
FAILURES = ("", "failed, waits", "failed")


def path(seen: Exploration, found: Found) -> Iterator[Move]:
    """Yield the moves to the violation *found*, with each Lambda in its place."""
    chain = [found.at]
    while seen.parents[chain[-1]] >= 0:
        chain.append(seen.parents[chain[-1]])
    space, rules = seen.space, seen.space.rules
    state = start(rules)
    for number in reversed(chain[:-1]):
        target = seen.states[number]
        move = next(m for m in moves(rules, state) if space.key(m.state) == target)
        state = without_lost(rules, move.state)
        yield move
    if found.move:
        yield next(m for m in moves(rules, state) if (m.text, space.key(m.state)) == found.move)


def lines(seen: Exploration, found: Found) -> Iterator[str]:
    """Yield a line for each move, with its changes of the table."""
    before = start(seen.space.rules)
    for number, move in enumerate(path(seen, found), 1):
        who = NAMES[move.actor] if move.actor >= 0 else " "
        changes = "; ".join(_changes(before, move.state))
        yield f"{number:3}  {who}  {move.text:<62} {changes}".rstrip()
        before = move.state
    if not found.move:
        yield "     stuck: no move is enabled, and a caller still waits"


def _changes(before: State, after: State) -> Iterator[str]:
    for name, (old, new) in enumerate(zip(before.items, after.items, strict=True)):
        if old != new:
            label = f"item {name}: " if len(after.items) > 1 else ""
            yield label + ", ".join(filter(None, _facts(new)))
    if before.made != after.made:
        yield "live upstream: " + ", ".join(f"token {number}" for number in after.made if number)


def _facts(item: Item) -> Iterator[str]:
    yield f"token {item.token} {AGES[item.age]}" if item.token else "no token"
    yield f"fence {item.fence - 1}"
    yield LEASES[item.lease]
    yield RENEWALS[item.renewal]
    yield "rejected" if item.rejected else ""
    yield FAILURES[item.failure]
    yield f"version {item.latch.bit_length() - 1} latched" if item.latch else ""
    yield f"version {item.suspect} suspect" if item.suspect >= 0 else ""
    yield f"version {item.accepted} accepted" if item.accepted >= 0 else ""


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
    """The counterexample of each broken invariant, a line for each move."""


def run(name: str) -> Run:
    mutant = next((one for one in MUTANTS if one.name == name), None)
    until = frozenset(mutant.breaks if mutant else ())
    rules = mutant.rules if mutant else Rules(scenario(name))
    seen = explore(rules, until=until, most=MOST_STATES)
    return Run(
        name,
        len(seen.states),
        seen.moves,
        max(seen.depths),
        seen.seconds,
        seen.is_whole,
        {found.name: found.depth for found in seen.found.values()},
        {name: list(lines(seen, found)) for name, found in seen.found.items()},
    )


def of_scenarios(runs: Iterable[tuple[Scenario, Run]]) -> Iterator[str]:
    """Yield the table of completely explored scenarios."""
    head = f"{'scenario':<11} {'Lambdas':>7} {'bounds':>6} {'states':>8} {'moves':>9}"
    yield f"{head} {'depth':>5} {'s':>5}  holds"
    for one, run in runs:
        verdict = ", ".join(f"{name} BROKEN" for name in run.steps) or "I1-I10, L1"
        bounds = f"{one.lambdas:>7} {one.bounds[0]:>4}+{one.bounds[1]}"
        size = f"{run.states:>8} {run.moves:>9} {run.depth:>5} {run.seconds:>5.1f}"
        yield f"{one.name:<11} {bounds} {size}  {verdict}"
        yield f"            {one.about}{'' if run.is_whole else ' (NOT WHOLE)'}"
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
