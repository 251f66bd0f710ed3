"""Requirements: which stored token meets a call or a nested exchange."""

from typing import Any

import pytest

from token_broker.errors import BrokerError, InvalidRequest
from token_broker.item import Item
from token_broker.records import replace
from token_broker.refresh.requirement import Requirement

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


def is_met(requirement: Requirement, version: str | None = None, **changes: Any) -> bool:
    """Say whether a stored token with these changes meets *requirement*."""
    return requirement.is_met(replace(ITEM, **changes), NOW, version)


def test_a_stored_token_meets_a_requirement_or_not() -> None:
    assert is_met(Requirement())
    assert not is_met(Requirement(), expires_at=NOW + 30)
    assert is_met(Requirement(min_ttl=999))
    assert not is_met(Requirement(min_ttl=1000))
    assert is_met(Requirement(), lease_owner="a", lease_until=NOW + 1)
    assert not is_met(Requirement(), lease_owner="a", lease_until=NOW)
    assert is_met(Requirement(rejected=frozenset({"another"})))
    assert not is_met(Requirement(rejected=frozenset({"another", "current"})))
    assert is_met(Requirement(newer_than=6))
    assert is_met(Requirement(newer_than=0))
    assert not is_met(Requirement(newer_than=7))
    assert is_met(Requirement(), "v1")
    assert not is_met(Requirement(), "v2")
    assert is_met(Requirement(force=True))


@pytest.mark.parametrize(
    ("requirement", "left", "code"),
    [
        (Requirement(), 31, None),
        (Requirement(), 30, "upstream_unavailable"),
        (Requirement(min_ttl=0), 1, None),
        (Requirement(min_ttl=0), 0, "upstream_unavailable"),
        (Requirement(min_ttl=970), 970, "upstream_unavailable"),
        (Requirement(min_ttl=1970), 1000, "upstream_unavailable"),
        (Requirement(min_ttl=1971), 1000, "invalid_request"),
        (Requirement(rejected=frozenset({"another"})), 31, None),
        (Requirement(rejected=frozenset({"current"})), 31, "upstream_contract_changed"),
    ],
)
def test_a_new_token_that_does_not_do_is_an_error(
    requirement: Requirement, left: int, code: str | None
) -> None:
    """The request is wrong only if it wants more than a new token surely has after its exchange.

    I13: if the next token may do, the error says after how many seconds to ask for it.
    """
    new, found = replace(ITEM, expires_at=NOW + left), list[BrokerError]()
    try:
        requirement.check_new(new, NOW)
    except BrokerError as error:
        found.append(error)
    assert [error.code for error in found] == ([code] if code else [])
    assert all(error.retry_after == (1 if error.retryable else None) for error in found)


def test_a_min_ttl_longer_than_the_lifetime_is_refused() -> None:
    """Only a live token shows the lifetime of the next one."""
    with pytest.raises(InvalidRequest) as raised:
        Requirement(min_ttl=1971).refuse_too_long(ITEM, NOW)
    assert raised.value.detail.startswith("min_ttl: 1970 at most, as tokens of this upstream live")
    for min_ttl in (1970, None, 0):
        Requirement(min_ttl=min_ttl).refuse_too_long(ITEM, NOW)
    for item in (replace(ITEM, expires_at=NOW), replace(ITEM, rejected="current")):
        Requirement(min_ttl=9999).refuse_too_long(item, NOW)
