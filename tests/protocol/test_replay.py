"""Model and shipped code are one protocol: what the code does is replayed through the model.

``python -m tests.protocol.simulation --seed N --model`` replays one seed, and tells its story.
"""

import os
from collections.abc import Callable

import pytest

from tests.protocol.model.mutants import GUARDS
from tests.protocol.replay.counterparts import COUNTERPARTS, table
from tests.protocol.replay.hunting import hunt, replayed
from tests.protocol.simulation.bugs import BUGS, OF_GUARDS

SEEDS = int(os.environ.get("REPLAYED_SEEDS", "200"))
LEAST_STEPS = 10
"""Steps of a run that the model has to say something of: else the replay looks at nothing."""

Record = Callable[[str, object], None]


@pytest.mark.slow
def test_model_allows_each_step_of_the_code() -> None:
    """Each write, request and hand-out is a move of the model's from where the model is."""
    found = replayed(range(SEEDS))

    assert not found.texts, "\n" + "\n".join(found.texts)
    assert found.steps > LEAST_STEPS * SEEDS


@pytest.mark.slow
def test_code_without_a_guard_of_the_models_is_found(record_property: Record) -> None:
    """Each guard's mutant has a counterpart in the shipped code, which the replay finds.

    Where a guard shows in no single step, the simulation's judge finds it.
    """
    in_kill_table = {bug.name for bug in BUGS}  # all of which the judge has to find
    wanted = {
        (one.bug, one.by == "replay", one.near)
        for one in COUNTERPARTS.values()
        if one.by == "replay" or (one.by == "judge" and one.bug not in in_kill_table)
    }
    hunts = {one.bug: one for one in hunt(sorted(wanted))}
    record_property("table: the model's guards in the shipped code", table(hunts))

    assert [name for name, one in hunts.items() if one.seed is None] == []


def test_each_guard_has_a_counterpart() -> None:
    """No guard of the model is without a bug in the code, and each of those is planted."""
    assert set(COUNTERPARTS) == {mutant.name for mutant in GUARDS}
    assert {one.bug for one in COUNTERPARTS.values()} <= {bug.name for bug in (*BUGS, *OF_GUARDS)}
