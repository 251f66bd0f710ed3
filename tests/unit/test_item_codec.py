"""The codec of items: an item with a missing or invalid attribute has no token."""

from typing import Any

import pytest

from token_broker.item import Failure, Hold, Item
from token_broker.item_codec import (
    OF_ALIAS,
    OF_TOKEN,
    SCHEMA,
    attribute,
    failure_of,
    item_of,
)
from token_broker.records import replace

TOKEN: dict[str, Any] = {
    **{name: attribute(1) for name in ("generation", "fence", "issued_at", "refresh_at")},
    **{name: attribute("x") for name in ("kind", "fingerprint", "secret_version", "context")},
    "schema": attribute(SCHEMA),
    "token": attribute(b"sealed"),
    "expires_at": attribute(1_900_000_000),
}
POINTER: dict[str, Any] = {name: TOKEN[name] for name in OF_ALIAS - {"target"}} | {
    "target": attribute("0" * 64)
}

LARGEST = 999_999_999_999


def read(record: dict[str, Any]) -> Item:
    return item_of("flow#connection", "-", record)


def test_a_complete_item_is_read() -> None:
    """Also of the previous schema, with the largest number, or without a token."""
    assert read(TOKEN).token == b"sealed"
    assert read(POINTER).target == "0" * 64
    assert read(TOKEN | {"expires_at": attribute(LARGEST)}).expires_at == LARGEST
    gate = {"schema": attribute(SCHEMA), "accepted_version": attribute("v1")}
    lease = {"schema": attribute(SCHEMA), "fence": attribute(3), "lease_owner": attribute("a")}
    previous = TOKEN | {"schema": attribute(SCHEMA - 1)}
    for record in (TOKEN, POINTER, {}, gate, lease, {"nudged_until": attribute(1)}, previous):
        assert read(record).corrupt == ()


def test_a_token_or_an_alias_without_an_attribute_is_corrupt() -> None:
    for name in TOKEN:
        item = read({key: value for key, value in TOKEN.items() if key != name})
        assert (item.token, item.corrupt) == (None, (name,))
    for name in OF_ALIAS - {"target"}:
        item = read({key: value for key, value in POINTER.items() if key != name})
        assert (item.token, item.target, item.corrupt) == (None, None, (name,))
    item = read({key: value for key, value in POINTER.items() if key != "target"})
    assert set(item.corrupt) == OF_TOKEN - OF_ALIAS, "it is read as a token"


NUMBERS = ("generation", "fence", "issued_at", "expires_at", "refresh_at", "lease_until")
NO_NUMBERS: list[Any] = [
    *({"S": "1"}, {"N": "-1"}, {"N": "1.5"}, {"N": "1e9"}, {"N": str(LARGEST + 1)}, {"N": ""}),
    *({"N": 1}, {"NULL": True}, {"N": "\u0661"}, "1", 1, {}),
]
TEXTS = ("kind", "target", "fingerprint", "secret_version", "context", "lease_owner", "renewal")
NO_TEXTS: list[Any] = [{"N": "1"}, {"S": 1}, {"SS": ["a"]}, {"B": b"a"}, {"NULL": True}, "x"]
OTHERS: dict[str, list[Any]] = {
    "token": [{"S": "x"}, {"B": "x"}, {"NULL": True}],
    "schema": [attribute(SCHEMA + 1), {"S": "1"}, {"N": "99"}],
    "report_times": [{"L": [{"N": "1"}, {"S": "x"}]}, {"L": "x"}, {"M": {}}, {"N": "1"}],
    "rejected_versions": [{"L": [{"N": "1"}]}, {"SS": ["v"]}],
    "failure": [
        *({"S": "x"}, {"M": []}, {"M": {"code": {"N": "1"}}}, {"M": {"since": {"S": "1"}}}),
        {"M": {"code": {"S": "x"}, "retry_at": {"S": "1"}}},
    ],
}
WRONG = [
    *((name, value) for name in NUMBERS for value in NO_NUMBERS),
    *((name, value) for name in TEXTS for value in NO_TEXTS),
    *((name, value) for name, values in OTHERS.items() for value in values),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_an_attribute_of_a_wrong_type_makes_the_item_corrupt(name: str, value: Any) -> None:
    """The attribute is named without its value."""
    item = read(TOKEN | {name: value})
    assert (item.token, item.target, item.failure) == (None, None, None)
    assert name in item.corrupt


def test_a_hold_is_read_unchanged_and_an_unreadable_one_still_counts() -> None:
    hold = Hold(1_800_000_000, "arn:caller", "laptop stolen")
    assert read({"held": attribute(vars(hold))}).held == hold
    assert hold.to_dict() == {"since": "2027-01-15T08:00:00Z", "by": hold.by, "reason": hold.reason}
    odd: list[Any] = [{"S": "x"}, {"M": []}, {"M": {"since": {"S": "1"}}}, {"M": {}}]
    for value in odd:
        assert read(TOKEN | {"held": value}).held == Hold(0, "unknown", "unknown")


def test_a_failure_is_read_unchanged() -> None:
    least = Failure("upstream_refused", "login: no", 7, 2, 9)
    of_upstream: dict[str, Any] = {"upstream_code": "BLOCKED", "upstream_message": "no"}
    of_upstream |= {"upstream_status": 403, "secret_version": "v1", "is_login": True}
    for failure in (least, replace(least, **of_upstream)):
        assert read(TOKEN | {"failure": attribute(failure_of(failure))}).failure == failure
    assert read({"failure": attribute({"code": "x"})}).failure == Failure("x", "", 0, 1, 0)
    assert read({"failure": attribute({"count": 2})}).failure is None


def test_every_attribute_of_an_item_is_read() -> None:
    values: dict[str, Any] = {
        **{name: number for number, name in enumerate(ALL_NUMBERS, 1)},
        **{name: f"of {name}" for name in ALL_TEXTS},
        "report_times": [5, 6],
        "rejected_versions": ["v1", "v2"],
        "suspect_variants": ["a", "b"],
    }
    record = {name: attribute(value) for name, value in values.items()}
    verdicts = ("rejected_versions", "accepted_version", "suspect_version", "latched_version")
    compared = {name: record[name] for name in ("generation", "fence", "lease_owner", *verdicts)}
    tuples = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    whole = record | {"token": attribute(b"sealed"), "schema": attribute(SCHEMA)}
    assert read(whole) == Item(
        "flow#connection", "-", token=b"sealed", raw=compared, **values | tuples
    )


ALL_NUMBERS = (*NUMBERS, "forced_at", "nudged_until", "suspect_at", "latched_at")
VERSIONS = ("accepted_version", "latched_version", "noticed_version", "suspect_version")
ALL_TEXTS = (*TEXTS, "rejected", *VERSIONS)


def test_an_unsupported_type_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="no attribute for float"):
        attribute(1.5)
