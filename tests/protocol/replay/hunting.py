"""Many runs beside the model, on all cores."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import get_context
from typing import NamedTuple

from tests.protocol.simulation.bugs import BUGS, OF_GUARDS, planted
from tests.protocol.simulation.planning import plan_of
from tests.protocol.simulation.verdict import judged

CHUNK = 25
MOST_SEEDS = 1000
"""Runs after which a planted bug counts as one that is not found."""

MODEL = "model"
"""What a violation is of that the replay found."""


class Hunt(NamedTuple):
    """A planted bug, and the first seed that showed it: to the replay, or to anybody."""

    bug: str
    seed: int | None


class Findings(NamedTuple):
    """What some runs showed, and how many steps of the code were replayed."""

    steps: int
    texts: tuple[str, ...]


def replayed(seeds: Sequence[int]) -> Findings:
    """Run the shipped code beside the model, by all cores."""
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        found = list(pool.map(_replayed, chunks))
    steps = sum(one.steps for one in found)
    return Findings(steps, tuple(text for one in found for text in one.texts))


def _replayed(seeds: Sequence[int]) -> Findings:
    steps, texts = 0, []
    for seed in seeds:
        judge = judged(plan_of(seed), has_model=True)
        steps += judge.replay.steps if judge.replay else 0
        texts += [f"seed {seed}, {one.invariant}: {one.text}" for one in judge.violations[:1]]
    return Findings(steps, tuple(texts))


def hunt(bugs: Sequence[tuple[str, bool, int]]) -> list[Hunt]:
    """Look for each bug until it is found, from a seed on: where that is said, by the replay."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return list(pool.map(_hunted, bugs))


def _hunted(wanted: tuple[str, bool, int]) -> Hunt:
    name, is_replay, near = wanted
    bug = next(one for one in (*BUGS, *OF_GUARDS) if one.name == name)
    with planted(bug):
        seeds = chain(range(near, near + CHUNK), range(MOST_SEEDS))
        return Hunt(name, next((seed for seed in seeds if _shows(seed, is_replay)), None))


def _shows(seed: int, is_replay: bool) -> bool:
    found = judged(plan_of(seed), has_model=is_replay).violations
    return any(one.invariant == MODEL for one in found) if is_replay else bool(found)
