"""Runs many seeds on all cores, with the shipped code or with planted bugs."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from multiprocessing import get_context
from typing import NamedTuple

from tests.protocol.simulation.bugs import BUGS
from tests.protocol.simulation.guard_bugs import ALL_BUGS
from tests.protocol.simulation.planning import plan_of
from tests.protocol.simulation.planting import planted
from tests.protocol.simulation.verdict import judged

CHUNK = 25
MOST_SEEDS = 4000
"""The number of runs after which the search for a planted bug ends."""

MODEL = "model"
"""The invariant name of a violation that the replay found."""


class Finding(NamedTuple):
    """The first violation of a seed."""

    seed: int
    bug: str | None
    invariant: str
    text: str

    @property
    def command(self) -> str:
        planting = f" --bug {self.bug}" if self.bug else ""
        model = " --model" if self.invariant == MODEL else ""
        return f"python -m tests.protocol.simulation --seed {self.seed}{planting}{model}"


class Wanted(NamedTuple):
    """A search for a planted bug, from the seed *near* on, then from the first seed."""

    bug: str
    by_model: bool = False
    """Whether only a violation that the replay finds counts."""
    near: int = 0
    most: int = MOST_SEEDS


class Hunt(NamedTuple):
    """The result of the search for a planted bug."""

    bug: str
    runs: int
    finding: Finding | None


def find(seeds: Iterable[int]) -> Iterator[Finding | None]:
    """Run each of *seeds*, and yield the first violation of each."""
    return (_first(seed)[0] for seed in seeds)


def run_seeds(seeds: range, *, has_model: bool = False) -> tuple[list[Finding], int]:
    """Return what *seeds* find in the shipped code, and the number of steps in the model."""
    with _processes() as pool:
        run = partial(_first, has_model=has_model)
        runs = list(pool.map(run, seeds, chunksize=CHUNK))
    return [one for one, _ in runs if one], sum(steps for _, steps in runs)


def hunt(wanted: Sequence[Wanted]) -> dict[str, Hunt]:
    """Search for each planted bug on all cores."""
    with _processes() as pool:
        return {one.bug: one for one in pool.map(_hunted, wanted)}


def _processes() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(mp_context=get_context("spawn"))


def _hunted(wanted: Wanted) -> Hunt:
    """Search for a seed that fails with a planted bug and passes without it."""
    bug, by_model = ALL_BUGS[wanted.bug], wanted.by_model
    first = range(wanted.near, wanted.near + CHUNK if wanted.near else 0)
    for runs, seed in enumerate(chain(first, range(wanted.most)), 1):
        with planted(bug):
            finding, _ = _first(seed, bug.name, has_model=by_model, of=MODEL if by_model else "")
        if finding and not _first(seed, has_model=by_model)[0]:
            return Hunt(bug.name, runs, finding)
    return Hunt(bug.name, wanted.most, None)


def _first(
    seed: int, bug: str | None = None, *, has_model: bool = False, of: str = ""
) -> tuple[Finding | None, int]:
    """Run a seed; return its first violation (*of* one invariant, if given) and replayed steps."""
    judge = judged(plan_of(seed), has_model=has_model)
    found = [one for one in judge.violations if of in ("", one.invariant)]
    finding = Finding(seed, bug, found[0].invariant, found[0].text) if found else None
    return finding, judge.replay.steps if judge.replay else 0


def shown(found: Iterable[Finding]) -> str:
    """Return each finding with the command that replays it."""
    return "".join(f"\n{one.invariant}: {one.text}\n    {one.command}" for one in found)


def kill_table(hunts: Iterable[Hunt]) -> str:
    """Return a table of the bugs, the invariants that found them, and the number of runs."""
    lines = [f"{'planted bug':<22} {'breaks':<8} {'runs':>5}  {'seed':>5}  removed guard"]
    for name, runs, found in hunts:
        invariant, seed = (found.invariant, found.seed) if found else ("NOT FOUND", "")
        lines.append(f"{name:<22} {invariant:<8} {runs:>5}  {seed:>5}  {BUGS[name].guard}")
    return "\n".join(lines)
