"""Model and shipped code are one protocol: what the code does is replayed through the model.

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
"""Runs after which a planted bug counts as one that is not found."""

LEAST_STEPS = 10
"""Steps of a run that the model has to say something of: else the replay looks at nothing."""

Record = Callable[[str, object], None]


@pytest.mark.slow
def test_model_allows_each_step_of_the_code() -> None:
    """Each write, request and hand-out is a move of the model's from where the model is."""
    found, steps = run_seeds(range(SEEDS), has_model=True)

    assert not found, shown(found)
    assert steps > LEAST_STEPS * SEEDS


@pytest.mark.slow
def test_each_guard_removed_from_the_code_is_found(record_property: Record) -> None:
    """By the replay; where a guard shows in no single step, by the simulation's judge."""
    wanted = {
        Wanted(one.bug, one.by == "replay", one.near, MOST_SEEDS)
        for one in COUNTERPARTS.values()
        # What is in the kill table, the judge finds there.
        if one.by == "replay" or (one.by == "judge" and one.bug not in BUGS)
    }
    hunts = hunt(sorted(wanted))
    record_property("table: the model's guards in the shipped code", table(hunts))

    assert [name for name, one in hunts.items() if not one.finding] == []


def test_each_guard_has_a_counterpart() -> None:
    """No guard of the model is without a bug in the code, and each of those is planted."""
    assert set(COUNTERPARTS) == {mutant.name for mutant in GUARDS}
    assert {one.bug for one in COUNTERPARTS.values()} <= ALL_BUGS.keys()
