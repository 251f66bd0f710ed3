"""Announcements of outages and recoveries: each by one invocation, or by another if that dies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from token_broker.item import CLAIM_SECONDS, Item, rfc3339
from token_broker.item_codec import attribute
from token_broker.records import replace
from token_broker.refresh.announcements import Announcements, Outage, next_outage

NOW = 1_800_000_000
MINUTE = 60
GATE = Item("editor#acme", "-", fence=1, raw={"fence": {"N": "1"}})
BEGUN = replace(GATE, outage_since=NOW)
TELLING = replace(BEGUN, outage_phase="telling", outage_claim=NOW + MINUTE + CLAIM_SECONDS)
AHEAD = replace(TELLING, outage_claim=NOW + 3600)
TOLD = replace(BEGUN, outage_phase="told")
ENDING = replace(TELLING, outage_phase="ending")
LATER = NOW + MINUTE
CLAIM = LATER + CLAIM_SECONDS
SECOND_END = Outage(NOW, "ending", CLAIM + 99)
STEPS_OF_ONE = 4
"""Reading, claiming, telling, keeping that it was told: before each of them one may die."""


class Died(BaseException):
    """The platform ends an invocation."""


@dataclass
class Place:
    """A gate in a table, and a bus; at each step of an invocation something may happen."""

    gate: Item = GATE
    now: int = LATER
    events: list[tuple[str, str]] = field(default_factory=list)
    is_bus_up: bool = True
    at: dict[int, Any] = field(default_factory=dict)
    """What happens before the step of this number."""
    _steps: int = 0

    def _step(self) -> None:
        happening = self.at.pop(self._steps, None)
        self._steps += 1
        if happening:
            happening()

    def read(self, *_: str) -> Item:
        self._step()
        return self.gate

    def write_if(
        self, gate: Item, changes: Mapping[str, Any], as_read: Mapping[str, Any]
    ) -> Item | None:
        self._step()
        kept = {name: getattr(self.gate, name) or None for name in as_read if name != "fence"}
        seen = {name: attribute(value) if value else None for name, value in kept.items()}
        if as_read != seen | {"fence": self.gate.raw.get("fence")}:
            return None
        empty = {name: GATE.__getattribute__(name) for name in seen}
        values = {name: value for name, value in changes.items() if value and name in seen}
        self.gate = replace(gate, **empty | values)
        return self.gate

    def announce(self, what: str, detail: Mapping[str, Any]) -> bool:
        self._step()
        if self.is_bus_up:
            self.events.append((what.rpartition(" ")[2], detail["since"]))
        return self.is_bus_up

    def ends(self, *, is_available: bool) -> None:
        """Have an exchange end: it found the upstream available, or did not."""
        deps: Any = SimpleNamespace(
            clock=SimpleNamespace(now=lambda: self.now),
            store=self,
            announce=self.announce,
            flow=SimpleNamespace(name="editor"),
            partition=lambda _: GATE.partition,
        )
        announcements = Announcements(deps, "acme")
        announcements.found_upstream(is_available=is_available)
        announcements.finish(self.gate)

    def dies(self) -> None:
        raise Died


@pytest.mark.parametrize(
    ("gate", "is_available", "now", "expected"),
    [
        pytest.param(GATE, True, NOW, None, id="as nearly always"),
        pytest.param(GATE, False, NOW, Outage(NOW), id="the first failure"),
        pytest.param(BEGUN, False, LATER - 1, None, id="not for long yet"),
        pytest.param(BEGUN, False, LATER, Outage(NOW, "telling", CLAIM), id="for a minute"),
        pytest.param(BEGUN, True, LATER, Outage(), id="over before anybody was told"),
        pytest.param(TOLD, False, LATER + 9999, None, id="it was told"),
        pytest.param(TOLD, True, LATER, Outage(NOW, "ending", CLAIM), id="over"),
        pytest.param(TELLING, False, LATER, None, id="another one is telling"),
        pytest.param(AHEAD, False, LATER, Outage(NOW, "telling", CLAIM), id="by a wrong clock"),
        pytest.param(TELLING, True, LATER, Outage(NOW, "ending", CLAIM), id="over, unrecorded"),
        pytest.param(ENDING, True, LATER, None, id="another one tells that it is over"),
        pytest.param(ENDING, False, LATER, None, id="down again while it is being told"),
        pytest.param(ENDING, False, LATER + 99, SECOND_END, id="down again before it was told"),
    ],
)
def test_the_step_after_an_exchange_follows_from_the_gate(
    gate: Item, is_available: bool, now: int, expected: Outage | None
) -> None:
    assert next_outage(gate, now, is_available=is_available) == expected


EVENTS = [
    pytest.param(BEGUN, False, "Down", id="down"),
    pytest.param(TOLD, True, "Up", id="up"),
]


@pytest.mark.parametrize(("gate", "is_available", "event"), EVENTS)
@pytest.mark.parametrize("moment", range(STEPS_OF_ONE))
def test_one_of_two_concurrent_invocations_announces(
    gate: Item, is_available: bool, event: str, moment: int
) -> None:
    """At each moment of the other one, and for repeated exchanges."""
    place = Place(gate)
    place.at[moment] = lambda: place.ends(is_available=is_available)
    for _ in range(3):
        place.ends(is_available=is_available)
        place.now += CLAIM_SECONDS
    assert [what for what, _ in place.events] == [event]


@pytest.mark.parametrize(("gate", "is_available", "event"), EVENTS)
@pytest.mark.parametrize("moment", range(STEPS_OF_ONE))
def test_after_a_death_another_invocation_announces(
    gate: Item, is_available: bool, event: str, moment: int
) -> None:
    """Once if it was not announced, and again if that is unknown."""
    place = Place(gate)
    place.at[moment] = place.dies
    with pytest.raises(Died):
        place.ends(is_available=is_available)
    was_told = len(place.events)
    for _ in range(3):
        place.now += CLAIM_SECONDS
        place.ends(is_available=is_available)
    assert [what for what, _ in place.events[was_told:]] == [event]
    assert len(set(place.events)) == 1, "and both name the same outage"


@pytest.mark.parametrize("moment", range(1, STEPS_OF_ONE))
def test_the_end_of_an_outage_is_announced_although_the_next_has_begun(moment: int) -> None:
    """Its announcer died, or the bus was down. The next one has its own start."""
    place = Place(TOLD)
    place.at[moment] = place.dies
    with pytest.raises(Died):
        place.ends(is_available=True)
    is_claimed = place.gate.outage_phase == "ending"
    since = place.now = place.now + CLAIM_SECONDS
    for _ in range(2):
        place.ends(is_available=False)
        place.now += MINUTE
    ups, downs = ([at for what, at in place.events if what == name] for name in ("Up", "Down"))
    assert set(ups) == ({rfc3339(NOW)} if is_claimed else set())
    assert downs == ([rfc3339(since)] if is_claimed else [])


@pytest.mark.parametrize(("gate", "is_available", "event"), EVENTS)
def test_a_failed_announcement_is_repeated(gate: Item, is_available: bool, event: str) -> None:
    place = Place(gate, is_bus_up=False)
    place.ends(is_available=is_available)
    place.is_bus_up = True
    place.now += CLAIM_SECONDS
    place.ends(is_available=is_available)
    assert [what for what, _ in place.events] == [event]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3 * MINUTE))))
def test_announcements_of_down_and_up_alternate(ends: list[tuple[bool, int]]) -> None:
    """For any sequence of exchanges: down once failures have lasted the period."""
    place = Place()
    failing_since = None
    for is_available, seconds in ends:
        place.now += seconds
        failing_since = None if is_available else failing_since or place.now
        place.ends(is_available=is_available)
        names = [what for what, _ in place.events]
        assert names == [("Down", "Up")[n % 2] for n in range(len(names))]
        is_down = failing_since is not None and place.now - failing_since >= MINUTE
        assert (names[-1:] == ["Down"]) is is_down


def test_an_outage_creates_no_gate() -> None:
    """An item without a lease has no ttl: it would stay for ever."""
    place = Place(replace(GATE, raw={}))
    place.ends(is_available=False)
    assert place.gate.outage_since == 0
