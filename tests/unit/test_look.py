"""Aliases: when one is outdated, and its attributes; and what is logged of a corrupt item."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.memory_broker import with_token
from token_broker.decisions import AliasState, expects_another
from token_broker.item import Failure, Item
from token_broker.look import Look
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
    ("changes", "state"),
    [
        pytest.param({}, AliasState.VALID, id="nothing changed"),
        pytest.param({"secret_version": "v2"}, AliasState.UNCONFIRMED, id="another version"),
        pytest.param({"context": MEMBER}, AliasState.OTHER_ROLE, id="another role"),
        pytest.param({"context": '{"x":1}'}, AliasState.OTHER_ROLE, id="no role"),
        pytest.param({"target": "c", "context": MEMBER}, AliasState.VALID, id="its end leads on"),
    ],
)
def test_an_alias_is_outdated_by_changes_of_its_target(
    changes: dict[str, str], state: AliasState
) -> None:
    """Two processes wrote the two items, and their clocks may differ by a minute."""
    item = replace(ITEM, **changes)
    for ahead, expected in ((0, state), (60, state), (61, AliasState.VALID)):
        alias = replace(POINTER, issued_at=NOW + ahead)
        seen = Look(alias, item, item, NOW)
        assert seen.alias_state is expected
        assert seen.shown == (item if expected is AliasState.VALID else alias)


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
    assert seen.alias_state is (AliasState.TARGET_LOST if is_lost else AliasState.VALID)
    assert Look(target, target, gate, NOW).alias_state is AliasState.VALID, "a token is no alias"
    assert replace(seen, target=ITEM).alias_state is AliasState.VALID, "it was renewed"


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


def test_each_corrupt_attribute_is_logged() -> None:
    broker = with_token()
    broker.put(fence="x", failure="x")
    broker.restart()
    broker.call()
    damaged = {"variant": "-", "attributes": ["fence", "failure"]}
    assert broker.telemetry.of("damaged")[0] == damaged
