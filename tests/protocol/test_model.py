"""The protocol's invariants hold in every state of the model, and each guard is needed.

pytest tests/protocol/test_model.py                  tests, with the tables at the end
python -m tests.protocol.model --trace fence         a counterexample without a guard
"""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from tests.protocol.model.__main__ import NAMES, main
from tests.protocol.model.explorer import explore
from tests.protocol.model.invariants import broken, broken_by
from tests.protocol.model.moves import moves
from tests.protocol.model.mutants import GUARDS, MUTANTS, OLDER, PROMISES, Mutant
from tests.protocol.model.rules import Guards, Promises, Rules, Scenario
from tests.protocol.model.runs import Run, of_mutants, of_scenarios, run
from tests.protocol.model.scenarios import SCENARIOS
from tests.sharing import once

DOCUMENT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text().splitlines()

NEEDED = [one for one in MUTANTS if one.breaks]
REDUNDANT = [one for one in MUTANTS if not one.breaks]

Runs = Callable[[str], Run]
Record = Callable[[str, object], None]

LONGEST_SECONDS = 120
"""The maximum duration in seconds of all explorations, on two cores."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Explore each scenario or mutant once for all tests and workers."""
    return lambda name: once(tmp_path_factory, f"model: {name}", lambda: run(name))


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[one.name for one in SCENARIOS])
def test_protocol_keeps_every_invariant(scenario: Scenario, runs: Runs) -> None:
    """All states are visited; none breaks I1-I10, and no caller waits for ever.

    docs/protocol.md has the number of states in thousands.
    """
    seen = runs(scenario.name)
    assert seen.is_whole
    assert not seen.traces, "\n".join(line for trace in seen.traces.values() for line in trace)
    faults, occasions = scenario.bounds
    size = f"| {faults} + {occasions} | {round(seen.states, -3):,} |"
    assert any(line.endswith(size) for line in rows(f"`{scenario.name}`"))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[one.name for one in SCENARIOS])
def test_explorer_makes_the_same_moves_as_the_transition_relation(scenario: Scenario) -> None:
    """The explorer computes what a Lambda may do in a world once, and `moves` for each state."""
    rules = Rules(scenario)
    seen = explore(rules, most=20_000)
    space = seen.space
    for number in range(0, len(seen.states), 200):
        key = seen.states[number]
        state = space.state(key)
        allowed = sorted(
            (move.text, space.key(move.state), broken(rules, state, move.events, move.state))
            for move in moves(rules, state)
        )
        followed = sorted(
            (step.text, space.canonical(space.after(step, others)), step.broken)
            for steps, others in space.following(key, space.scene(key))
            for step in steps
        )
        assert followed == allowed
        assert space.scene(key).broken == broken_by(rules, state)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", NEEDED, ids=[one.name for one in NEEDED])
def test_mutant_breaks_the_invariants_of_its_guard(mutant: Mutant, runs: Runs) -> None:
    """Without the guard, the invariants that the table names are broken."""
    assert set(mutant.breaks) <= runs(mutant.name).steps.keys()


@pytest.mark.slow
@pytest.mark.parametrize("mutant", REDUNDANT, ids=[one.name for one in REDUNDANT])
def test_nothing_breaks_without_a_redundant_guard(mutant: Mutant, runs: Runs) -> None:
    """Another guard implies it in all states."""
    seen = runs(mutant.name)
    assert (seen.is_whole, seen.steps) == (True, {})


def test_every_guard_and_promise_has_a_mutant() -> None:
    """Each guard and promise of the model can be removed."""
    taken = {name for one in (*GUARDS, *PROMISES) for name in one.without}
    assert taken == {one.name for one in (*fields(Guards), *fields(Promises))}


def test_every_invariant_is_broken_by_some_mutant() -> None:
    """An invariant that no mutant breaks would prove nothing."""
    broken = {name for one in GUARDS for name in one.breaks}
    assert broken == {f"I{number}" for number in range(1, 11)} | {"L1"}


@pytest.mark.parametrize("invariant", sorted({name for one in GUARDS for name in one.breaks}))
def test_document_names_the_guards_of_an_invariant(invariant: str) -> None:
    """Each mutant that docs/protocol.md names for an invariant breaks that invariant."""
    of = {one.name for one in GUARDS if invariant in one.breaks}
    (row,) = rows(f"**{invariant}**")
    named = set(row.split("|")[4].strip(" `").split("`, `"))
    assert named <= of


def test_older_locks_break_the_invariants_that_an_earlier_model_found() -> None:
    """docs/protocol.md reports the same results."""
    known = {
        "lock deleted by key": {"I1", "I2", "I4"},
        "lock with an owner check": {"I1", "I2", "I4"},
        "fencing alone": {"I4"},
        "bounding alone": {"I2"},
    }
    assert {one.name: set(one.breaks) & known[one.name] for one in OLDER} == known


def test_trace_names_each_actor_and_state_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/protocol.md has the end of the first one."""
    begin = DOCUMENT.index("$ python -m tests.protocol.model --trace doubt") + 1
    shown = DOCUMENT[begin : DOCUMENT.index("```", begin)]
    assert main(["--trace", "doubt"]) == 0
    printed, _, _ = capsys.readouterr().out.partition("\n\n")
    assert [printed.splitlines()[0], *printed.splitlines()[1 - len(shown) :]] == shown


@pytest.mark.slow
def test_all_explorations_together_take_less_than_two_minutes(
    runs: Runs, record_property: Record
) -> None:
    """On two cores. Records the tables of scenarios and mutants."""
    scenarios = [(one, runs(one.name)) for one in SCENARIOS]
    record_property("table: the protocol's model", "\n".join(of_scenarios(scenarios)))
    for title, mutants in (
        ("locks of earlier designs", OLDER),
        ("the protocol without one guard", GUARDS),
        ("the world without one promise: not promised", PROMISES),
    ):
        rows = [(one, runs(one.name)) for one in mutants]
        record_property(f"table: {title}", "\n".join(of_mutants(rows)))
    assert sum(runs(name).seconds for name in NAMES) < 2 * LONGEST_SECONDS


def rows(name: str) -> list[str]:
    """Return the rows of tables in docs/protocol.md that begin with *name*."""
    return [line for line in DOCUMENT if line.startswith(f"| {name} |")]
