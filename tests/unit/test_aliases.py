"""Aliases: when one is outdated, and its attributes."""

import pytest

from token_broker.aliases import Look, alias_values, expects_another, may_be_outdated
from token_broker.item import Item
from token_broker.records import replace
from token_broker.tokens import Variant

NOW = 1_900_000_000
MEMBER = '{"role":"MEMBER","x":1}'
POINTER = Item(
    "vntana#acme", "a", target="b", issued_at=NOW, secret_version="v1", context='{"role": "OWNER"}'
)
ITEM = Item(
    "vntana#acme", "b", issued_at=NOW, secret_version="v1", context='{"role":"OWNER","x":1}'
)


@pytest.mark.parametrize(
    ("ahead", "changes", "is_so"),
    [
        pytest.param(0, {}, False, id="nothing changed"),
        pytest.param(0, {"secret_version": "v2"}, True, id="another version"),
        pytest.param(0, {"context": MEMBER}, True, id="another role"),
        pytest.param(0, {"context": '{"x":1}'}, True, id="no role"),
        pytest.param(60, {"secret_version": "v2"}, True, id="clocks may differ by a minute"),
        pytest.param(60, {"context": MEMBER}, True, id="for a role, too"),
        pytest.param(61, {"secret_version": "v2"}, False, id="the way is certainly newer"),
        pytest.param(61, {"context": MEMBER}, False, id="for a role, too: it is newer"),
        pytest.param(0, {"target": "c", "context": MEMBER}, False, id="its end leads on"),
    ],
)
def test_an_alias_is_outdated_by_changes_of_its_target(
    ahead: int, changes: dict[str, str], is_so: bool
) -> None:
    """Two processes wrote the two items, and their clocks may differ by seconds."""
    alias, item = replace(POINTER, issued_at=NOW + ahead), replace(ITEM, **changes)
    assert may_be_outdated(alias, item) is is_so


def test_an_alias_is_outdated_by_any_difference_of_its_expected_context() -> None:
    two = replace(POINTER, context='{"role": "OWNER", "x": 2}')
    assert expects_another(two, ITEM)


def test_only_the_target_of_an_alias_is_handed_on_from_a_read() -> None:
    end, way = ITEM, replace(ITEM, target="c")
    assert Look(POINTER, end, end, NOW).of_target("b") == Look(end, end, end, NOW)
    assert Look(POINTER, end, end, NOW).of_target("c") is None
    assert Look(POINTER, way, end, NOW).of_target("b") is None


@pytest.mark.parametrize("context", [None, "{", "[]"])
def test_an_alias_without_a_valid_context_expects_nothing(context: str | None) -> None:
    assert not expects_another(replace(POINTER, context=context), replace(ITEM, context=MEMBER))


@pytest.mark.parametrize(
    ("expected", "context"), [(None, {}), ({}, {}), ({"role": "A"}, {"context": '{"role": "A"}'})]
)
def test_the_attributes_of_a_stored_alias(
    expected: dict[str, str] | None, context: dict[str, str]
) -> None:
    """It lives a month, and is bound to the secret version."""
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
