"""Requirements: which stored token meets a call or a nested exchange."""

from typing import Any

import pytest

from token_broker.item import Item
from token_broker.records import replace
from token_broker.refresh.requirement import Requirement
from token_broker.tokens import TokenRequest, Variant

NOW = 1_900_000_000
ITEM = Item(
    "vntana#acme",
    "-",
    generation=7,
    token=b"sealed",
    fingerprint="current",
    issued_at=NOW - 1000,
    expires_at=NOW + 1000,
    secret_version="v1",
)


@pytest.mark.parametrize(
    ("requirement", "changes", "is_met"),
    [
        ({}, {}, True),
        ({}, {"expires_at": NOW + 30}, False),
        ({"min_ttl": 999}, {}, True),
        ({"min_ttl": 1000}, {}, False),
        ({}, {"lease_owner": "a", "lease_until": NOW}, False),
        ({}, {"lease_owner": "a", "lease_until": NOW + 1}, True),
        ({"rejected": "current"}, {}, False),
        ({"rejected": "another"}, {}, True),
        ({"newer_than": 7}, {}, False),
        ({"newer_than": 6}, {}, True),
        ({"newer_than": 0}, {}, True),
        ({"version": "v1"}, {}, True),
        ({"version": "v2"}, {}, False),
        ({"force": True}, {}, True),
    ],
)
def test_a_stored_token_meets_a_requirement_or_not(
    requirement: dict[str, Any], changes: dict[str, Any], is_met: bool
) -> None:
    assert Requirement(**requirement).is_met(replace(ITEM, **changes), NOW) is is_met


def test_a_requirement_has_the_fields_of_its_request() -> None:
    request = TokenRequest(Variant("login"), 9, "0123456789abcdef", force=True)
    assert Requirement.of(request) == Requirement(9, "0123456789abcdef", force=True)


@pytest.mark.parametrize(
    ("requirement", "may_be_cached"),
    [({}, True), ({"min_ttl": 9}, True), ({"force": True}, False), ({"rejected": "a"}, False)],
)
def test_reports_and_forced_calls_may_not_use_the_cache(
    requirement: dict[str, Any], may_be_cached: bool
) -> None:
    assert Requirement(**requirement).may_be_cached is may_be_cached


def test_a_requirement_for_another_variant_has_no_generation() -> None:
    first = Requirement(9, "a", force=True, newer_than=7, version="v1")
    assert first.resolved("v2") == Requirement(9, "a", force=True, version="v2")
    assert Requirement(9).resolved("v2") == Requirement(9)


def test_a_forced_requirement_needs_a_newer_generation_than_was_read() -> None:
    forced = Requirement(force=True)
    assert forced.after(ITEM) == Requirement(force=True, newer_than=7)
    older = Requirement(force=True, newer_than=5)
    assert older.after(ITEM) == older
    assert Requirement().after(ITEM) == Requirement()


@pytest.mark.parametrize(
    ("requirement", "is_met"),
    [({"force": True, "newer_than": 7}, True), ({"rejected": "current"}, False)],
)
def test_a_token_made_by_this_invocation_meets_force(
    requirement: dict[str, Any], is_met: bool
) -> None:
    assert Requirement(**requirement).is_met_by_new(ITEM, NOW) is is_met
