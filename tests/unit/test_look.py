"""Aliases: when one is outdated, and its attributes."""

from types import SimpleNamespace
from typing import Any

import pytest

from token_broker.item import Failure, Item
from token_broker.look import Look, expects_another
from token_broker.records import replace
from token_broker.refresh.outcome import alias_values
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
        pytest.param(0, {"context": '{"x":1}'}, True, id="no role"),
        *((ahead, {"secret_version": "v2"}, ahead < 61) for ahead in (0, 60, 61)),
        *((ahead, {"context": MEMBER}, ahead < 61) for ahead in (0, 60, 61)),
        pytest.param(0, {"target": "c", "context": MEMBER}, False, id="its end leads on"),
    ],
)
def test_an_alias_is_outdated_by_changes_of_its_target(
    ahead: int, changes: dict[str, str], is_so: bool
) -> None:
    """Two processes wrote the two items, and their clocks may differ by a minute."""
    alias, item = replace(POINTER, issued_at=NOW + ahead), replace(ITEM, **changes)
    seen = Look(alias, item, item, NOW)
    assert seen.may_be_outdated is is_so
    assert seen.shown == (alias if is_so else item)


@pytest.mark.parametrize(
    ("code", "failed", "accepted", "of_alias", "is_lost"),
    [
        pytest.param("not_configured", "v2", "v2", "v1", True, id="an account without the target"),
        pytest.param("invalid_request", "v2", "v2", "v1", True, id="or without what was named"),
        pytest.param("upstream_refused", "v2", "v2", "v1", False, id="for another reason"),
        pytest.param("not_configured", "v2", "v1", "v1", False, id="a version not accepted yet"),
        pytest.param("not_configured", "v1", "v1", "v1", False, id="the alias's own version"),
        pytest.param("not_configured", "v1", "v2", "v1", False, id="an older failure"),
        pytest.param("not_configured", None, None, "v1", False, id="no version is known"),
    ],
)
def test_an_alias_is_outdated_if_a_version_that_works_cannot_make_its_target(
    code: str, failed: str | None, accepted: str | None, of_alias: str, is_lost: bool
) -> None:
    target = replace(ITEM, failure=Failure(code, "x", NOW, 1, NOW + 60, failed))
    gate = Item("vntana#acme", "-", accepted_version=accepted)
    seen = Look(replace(POINTER, secret_version=of_alias), target, gate, NOW)
    assert (seen.is_target_lost, seen.shown is seen.own) == (is_lost, is_lost)
    assert not Look(target, target, gate, NOW).is_target_lost, "the token itself is no alias"
    assert not replace(seen, target=ITEM).is_target_lost, "it was renewed"


def test_an_alias_is_outdated_by_any_difference_of_its_expected_context() -> None:
    """Without a valid context it expects nothing."""
    assert expects_another(replace(POINTER, context='{"role": "OWNER", "x": 2}'), ITEM)
    for context in (None, "{", "[]"):
        alias = replace(POINTER, context=context)
        assert not expects_another(alias, replace(ITEM, context=MEMBER))


def test_only_the_target_of_an_alias_is_handed_on_from_a_read() -> None:
    end, way = ITEM, replace(ITEM, target="c")
    assert Look(POINTER, end, end, NOW).of_target("b") == Look(end, end, end, NOW)
    assert Look(POINTER, end, end, NOW).of_target("c") is None
    assert Look(POINTER, way, end, NOW).of_target("b") is None


def test_the_attributes_of_a_stored_alias() -> None:
    """It lives a month, and is bound to the secret version."""
    target = Variant("organization", {"organization": "o-1"})
    least = {
        "kind": "pointer",
        "token": b"aorganization",
        "target": target.key,
        "secret_version": "v1",
        "issued_at": NOW,
        "expires_at": NOW + 30 * 24 * 60 * 60,
    }
    sealer = SimpleNamespace(
        seal_variant=lambda own, target: f"{own.variant}{target.kind}".encode()
    )
    deps: Any = SimpleNamespace(sealer=sealer, clock=SimpleNamespace(now=lambda: NOW))
    assert alias_values(deps, POINTER, target, "v1", {}) == least
    kept = alias_values(deps, POINTER, target, "v1", {"role": "A"})
    assert kept == least | {"context": '{"role": "A"}'}
