"""When the way from one item to another is out of date."""

import pytest

from token_broker.aliases import Look, alias_values, expects_another, is_outdated
from token_broker.item import Item
from token_broker.records import replace
from token_broker.tokens import Variant

NOW = 1_900_000_000
POINTER = Item(
    "vntana#acme", "a", target="b", issued_at=NOW, secret_version="v1", context='{"role": "OWNER"}'
)
ITEM = Item(
    "vntana#acme", "b", issued_at=NOW, secret_version="v1", context='{"role":"OWNER","x":1}'
)


def test_a_way_leads_on_while_versions_and_role_are_what_they_were() -> None:
    assert not is_outdated(POINTER, ITEM)


@pytest.mark.parametrize("ahead", [0, 60])
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"secret_version": "v2"}, id="another version"),
        pytest.param({"context": '{"role":"MEMBER","x":1}'}, id="another role"),
        pytest.param({"context": '{"x":1}'}, id="no role"),
    ],
)
def test_a_way_is_outdated_by_what_its_end_became_however_clocks_differ(
    changes: dict[str, str], ahead: int
) -> None:
    """Two processes wrote them: who was first, their clocks do not tell to the second."""
    assert is_outdated(replace(POINTER, issued_at=NOW + ahead), replace(ITEM, **changes))


@pytest.mark.parametrize("changes", [{"secret_version": "v2"}, {"context": '{"role":"MEMBER"}'}])
def test_a_way_that_is_certainly_newer_than_its_end_is_right(changes: dict[str, str]) -> None:
    newer = replace(POINTER, issued_at=NOW + 61)
    assert not is_outdated(newer, replace(ITEM, **changes))


def test_a_way_is_outdated_by_any_of_what_it_expects() -> None:
    two = replace(POINTER, context='{"role": "OWNER", "x": 2}')
    assert expects_another(two, ITEM)


def test_a_way_whose_end_leads_on_is_right() -> None:
    """What it expects, is said of the token that both lead to."""
    assert not is_outdated(POINTER, replace(ITEM, target="c", context='{"role":"MEMBER"}'))


def test_of_what_was_read_only_the_end_of_a_way_is_handed_on() -> None:
    end, way = ITEM, replace(ITEM, target="c")
    assert Look(POINTER, end, end, NOW).of_target("b") == Look(end, end, end, NOW)
    assert Look(POINTER, end, end, NOW).of_target("c") is None
    assert Look(POINTER, way, end, NOW).of_target("b") is None


@pytest.mark.parametrize("context", [None, "{", "[]"])
def test_a_way_that_an_older_version_wrote_expects_nothing(context: str | None) -> None:
    member = replace(ITEM, context='{"role":"MEMBER"}')
    assert not expects_another(replace(POINTER, context=context), member)


@pytest.mark.parametrize(
    ("expected", "context"), [(None, {}), ({}, {}), ({"role": "A"}, {"context": '{"role": "A"}'})]
)
def test_what_is_kept_of_a_way(expected: dict[str, str] | None, context: dict[str, str]) -> None:
    """For a month: it is bound to the version of the secret in any case."""
    target = Variant("organization", {"organization": "o-1"})
    kept = alias_values(b"sealed", target, "v1", NOW, expected)
    assert kept == context | {
        "kind": "pointer",
        "token": b"sealed",
        "target": target.key,
        "secret_version": "v1",
        "issued_at": NOW,
        "expires_at": NOW + 30 * 24 * 60 * 60,
    }
