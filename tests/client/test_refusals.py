"""What refuses every token is left alone for a while, and no longer."""

from token_broker_client import refusals
from token_broker_client.refusals import STUBBORN_PLACES, STUBBORN_SECONDS, Stubborn


class Hours:
    """A clock."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_place_is_stubborn_for_a_while() -> None:
    hours = Hours()
    stubborn = Stubborn(hours)
    place = refusals.place("GET", "https://vendor/models?page=1")
    stubborn.add(place)
    assert place in stubborn
    assert refusals.place("GET", "https://vendor/models?page=2") in stubborn
    assert refusals.place("POST", "https://vendor/models") not in stubborn
    hours.now = STUBBORN_SECONDS
    assert place not in stubborn


def test_not_all_places_are_remembered() -> None:
    """The oldest go first."""
    stubborn = Stubborn(Hours())
    for number in range(STUBBORN_PLACES + 1):
        stubborn.add(("GET", str(number)))
    assert ("GET", "0") not in stubborn
    assert ("GET", "1") in stubborn
