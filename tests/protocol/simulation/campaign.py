"""Many runs on all cores: to find nothing in the shipped code, and each bug that is planted."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from tests.protocol.simulation.bugs import BUGS, Bug, planted
from tests.protocol.simulation.planning import plan_of
from tests.protocol.simulation.verdict import judged

CHUNK = 50
MOST_SEEDS = 4000
"""Runs after which a planted bug counts as one that is not found."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a seed showed."""

    seed: int
    bug: str | None
    invariant: str
    text: str

    @property
    def command(self) -> str:
        """What replays it."""
        planting = f" --bug {self.bug}" if self.bug else ""
        return f"python -m tests.protocol.simulation --seed {self.seed}{planting}"


@dataclass(frozen=True, slots=True)
class Hunt:
    """How a planted bug was looked for, and found."""

    bug: str
    runs: int
    finding: Finding | None


def find(seeds: Iterable[int], bug: Bug | None = None) -> Iterator[Finding | None]:
    """Run each of *seeds*, and yield the first violation of each."""
    with planted(bug):
        for seed in seeds:
            found = judged(plan_of(seed)).violations
            name = bug.name if bug else None
            yield Finding(seed, name, found[0].invariant, found[0].text) if found else None


def found_in(seeds: range) -> list[Finding]:
    """Return what *seeds* show of the shipped code."""
    return [finding for finding in find(seeds) if finding]


def hunted(name: str) -> Hunt:
    """Look for a planted bug until it is found: by a seed that finds nothing without it."""
    bug = next(bug for bug in BUGS if bug.name == name)
    for seed in range(MOST_SEEDS):
        (finding,) = find([seed], bug)
        if finding and not found_in(range(seed, seed + 1)):
            return Hunt(name, seed + 1, finding)
    return Hunt(name, MOST_SEEDS, None)


def run_seeds(seeds: range) -> list[Finding]:
    """Return what *seeds* show of the shipped code, by all cores."""
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return [finding for found in pool.map(found_in, chunks) for finding in found]


def hunt_all() -> list[Hunt]:
    """Look for each planted bug, by all cores."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return list(pool.map(hunted, [bug.name for bug in BUGS]))


def kill_table(hunts: Sequence[Hunt]) -> str:
    """Return which bug was found by which invariant, after how many runs."""
    guards = {bug.name: bug.guard for bug in BUGS}
    lines = [f"{'planted bug':<22} {'breaks':<8} {'runs':>5}  {'seed':>5}  guard that is gone"]
    for hunt in hunts:
        found = hunt.finding
        shown = (found.invariant, found.seed) if found else ("NOT FOUND", "")
        lines.append(
            f"{hunt.bug:<22} {shown[0]:<8} {hunt.runs:>5}  {shown[1]:>5}  {guards[hunt.bug]}"
        )
    return "\n".join(lines)
