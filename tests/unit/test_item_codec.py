"""The codec of items: an item with a missing or invalid attribute has no token."""

from typing import Any

import pytest

from token_broker.item import Failure, Hold, Item
from token_broker.item_codec import (
    LARGEST,
    OF_POINTER,
    OF_TOKEN,
    SCHEMA,
    attribute,
    failure_of,
    item_of,
)

TOKEN: dict[str, Any] = {
    **{name: attribute(1) for name in ("generation", "fence", "issued_at", "refresh_at")},
    **{name: attribute("x") for name in ("kind", "fingerprint", "secret_version", "context")},
    "schema": attribute(SCHEMA),
    "token": attribute(b"sealed"),
    "expires_at": attribute(1_900_000_000),
}
POINTER: dict[str, Any] = {name: TOKEN[name] for name in OF_POINTER - {"target"}} | {
    "target": attribute("0" * 64)
}


def read(record: dict[str, Any]) -> Item:
    return item_of("flow#connection", "-", record)


def test_a_complete_item_is_read() -> None:
    assert read(TOKEN).token == b"sealed"
    assert read(POINTER).target == "0" * 64
    assert read(TOKEN).corrupt == read(POINTER).corrupt == read({}).corrupt == ()


@pytest.mark.parametrize("name", sorted(TOKEN.keys() - {"renewal"}))
def test_a_token_without_an_attribute_is_corrupt(name: str) -> None:
    item = read({key: value for key, value in TOKEN.items() if key != name})
    assert (item.token, item.corrupt) == (None, (name,))


@pytest.mark.parametrize("name", sorted(OF_POINTER - {"target"}))
def test_an_alias_without_an_attribute_is_corrupt(name: str) -> None:
    item = read({key: value for key, value in POINTER.items() if key != name})
    assert (item.token, item.target, item.corrupt) == (None, None, (name,))


def test_an_alias_without_its_target_is_an_incomplete_token() -> None:
    item = read({key: value for key, value in POINTER.items() if key != "target"})
    assert set(item.corrupt) == OF_TOKEN - OF_POINTER


@pytest.mark.parametrize(
    "gate",
    [
        {"schema": attribute(SCHEMA), "accepted_version": attribute("v1")},
        {"nudged_until": attribute(1)},
        {"schema": attribute(SCHEMA), "fence": attribute(3), "lease_owner": attribute("a")},
    ],
)
def test_an_item_without_a_token_is_not_corrupt(gate: dict[str, Any]) -> None:
    assert read(gate).corrupt == ()


NUMBERS = ("generation", "fence", "issued_at", "expires_at", "refresh_at", "lease_until")
NO_NUMBERS: list[Any] = [
    *({"S": "1"}, {"N": "-1"}, {"N": "1.5"}, {"N": "1e9"}, {"N": "9" * 38}, {"N": ""}),
    *({"N": 1}, {"NULL": True}, {"N": "\u0661"}, "1", 1, {}),
]
TEXTS = ("kind", "target", "fingerprint", "secret_version", "context", "lease_owner", "renewal")
NO_TEXTS: list[Any] = [{"N": "1"}, {"S": 1}, {"SS": ["a"]}, {"B": b"a"}, {"NULL": True}, "x"]
OTHERS: dict[str, list[Any]] = {
    "token": [{"S": "x"}, {"B": "x"}, {"NULL": True}],
    "schema": [attribute(SCHEMA + 1), {"S": "1"}, {"N": "99"}],
    "report_times": [{"L": [{"S": "x"}]}, {"L": "x"}, {"M": {}}, {"N": "1"}],
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


@pytest.mark.parametrize("value", [{"S": "x"}, {"M": []}, {"M": {"since": {"S": "1"}}}, {"M": {}}])
def test_an_unreadable_hold_still_counts_as_a_hold(value: Any) -> None:
    assert read(TOKEN | {"held": value}).held == Hold(0, "unknown", "unknown")


def test_a_hold_is_read_unchanged() -> None:
    hold = Hold(1_800_000_000, "arn:caller", "laptop stolen")
    assert read({"held": attribute(vars(hold))}).held == hold
    assert hold.to_dict() == {"since": "2027-01-15T08:00:00Z", "by": hold.by, "reason": hold.reason}


def test_the_previous_schema_is_read() -> None:
    assert read(TOKEN | {"schema": attribute(SCHEMA - 1)}).corrupt == ()


def test_the_largest_number_is_read() -> None:
    assert read(TOKEN | {"expires_at": attribute(LARGEST)}).expires_at == LARGEST


@pytest.mark.parametrize(
    "failure",
    [
        Failure("upstream_refused", "login: no", 7, 2, 9),
        Failure(
            "upstream_refused", "login: no", 7, 2, 9, "v1", 403, "BLOCKED", "no", is_login=True
        ),
    ],
)
def test_a_failure_is_read_unchanged(failure: Failure) -> None:
    assert read(TOKEN | {"failure": attribute(failure_of(failure))}).failure == failure


def test_every_attribute_of_an_item_is_read() -> None:
    values: dict[str, Any] = {
        **{name: number for number, name in enumerate(ALL_NUMBERS, 1)},
        **{name: f"of {name}" for name in ALL_TEXTS},
        "report_times": [5, 6],
        "rejected_versions": ["v1", "v2"],
        "suspect_variants": ["a", "b"],
    }
    record = {name: attribute(value) for name, value in values.items()}
    compared = {name: record[name] for name in ("generation", "fence", "rejected_versions")}
    tuples = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    whole = record | {"token": attribute(b"sealed"), "schema": attribute(SCHEMA)}
    assert read(whole) == Item(
        "flow#connection", "-", token=b"sealed", raw=compared, **values | tuples
    )
    assert read({"failure": attribute({"code": "x"})}).failure == Failure("x", "", 0, 1, 0)


ALL_NUMBERS = (*NUMBERS, "forced_at", "nudged_until", "suspect_at", "latched_at")
VERSIONS = ("accepted_version", "latched_version", "noticed_version", "suspect_version")
ALL_TEXTS = (*TEXTS, "rejected", *VERSIONS)


def test_an_unsupported_type_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="no attribute for float"):
        attribute(1.5)
