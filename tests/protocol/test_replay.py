"""Trace validation: the model allows each step of the shipped code.

``python -m tests.protocol.simulation --seed N --model`` replays one seed, and prints its trace.
"""

import os
from collections.abc import Callable

import pytest

from tests.protocol.model.mutants import GUARDS
from tests.protocol.replay.counterparts import COUNTERPARTS, table
from tests.protocol.simulation.bugs import BUGS
from tests.protocol.simulation.campaign import Wanted, hunt, run_seeds, shown
from tests.protocol.simulation.guard_bugs import ALL_BUGS

SEEDS = int(os.environ.get("REPLAYED_SEEDS", "200"))
MOST_SEEDS = 1000
"""The number of runs after which the search for a planted bug ends."""

LEAST_STEPS = 10
"""The least number of replayed steps per run, so that the replay is not empty."""

Record = Callable[[str, object], None]


@pytest.mark.slow
def test_model_allows_each_step_of_the_code() -> None:
    """Each write, request and returned token is a move that the model allows in its state."""
    found, steps = run_seeds(range(SEEDS), has_model=True)

    assert not found, shown(found)
    assert steps > LEAST_STEPS * SEEDS


@pytest.mark.slow
def test_each_guard_removed_from_the_code_is_found(record_property: Record) -> None:
    """The replay finds it; if no single step shows it, the simulation's judge finds it."""
    wanted = {
        Wanted(one.bug, one.by == "replay", one.near, MOST_SEEDS)
        for one in COUNTERPARTS.values()
        # Bugs in the kill table are found by the judge.
        if one.by == "replay" or (one.by == "judge" and one.bug not in BUGS)
    }
    hunts = hunt(sorted(wanted))
    record_property("table: the model's guards in the shipped code", table(hunts))

    assert [name for name, one in hunts.items() if not one.finding] == []


def test_each_guard_has_a_counterpart() -> None:
    """Each guard of the model has a planted bug in the code."""
    assert set(COUNTERPARTS) == {mutant.name for mutant in GUARDS}
    assert {one.bug for one in COUNTERPARTS.values()} <= ALL_BUGS.keys()
