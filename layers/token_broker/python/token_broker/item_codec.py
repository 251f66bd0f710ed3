"""An `Item` as the table's typed attributes, and back.

What cannot be read, be it damaged or of an unknown schema, counts as absent: an exchange follows,
and writes it anew. Nothing here raises.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from token_broker.item import Failure, Item

SCHEMA = 1
"""Readers accept this and the one before, so that two versions can share the table."""

Attribute = Mapping[str, Any]
"""A typed value as DynamoDB has it: ``{"S": "text"}``."""

NUMBERS = (
    "generation",
    "fence",
    "issued_at",
    "expires_at",
    "refresh_at",
    "lease_until",
    "forced_at",
    "nudged_until",
    "suspect_at",
)
TEXTS = (
    "kind",
    "target",
    "fingerprint",
    "secret_version",
    "accepted_version",
    "latched_version",
    "noticed_version",
    "suspect_version",
    "context",
    "lease_owner",
    "renewal",
    "rejected",
)
SWAPPED = ("fence", "generation")
COMPARED = (*SWAPPED, "rejected_versions")
"""What a write may be conditional on, as it was read."""

SUSPICION = ("suspect_version", "suspect_at", "suspect_variants")
TOKEN = (
    "token",
    "kind",
    "target",
    "fingerprint",
    "issued_at",
    "expires_at",
    "refresh_at",
    "secret_version",
    "context",
    "renewal",
    "rejected",
)
"""What belongs to a token, and goes with it."""

_ALWAYS = {"schema", "generation", "fence", "token", "kind", "issued_at", "expires_at"}
OF_POINTER = frozenset(_ALWAYS | {"target", "secret_version"})
OF_TOKEN = frozenset(_ALWAYS | {"fingerprint", "refresh_at", "secret_version", "context"})
"""What an item has that keeps a way to another, or a token: all of it, for it is one write."""

LARGEST = 253_402_300_799
"""The last second of the year 9999: no number in an item is larger."""

_KINDS: Mapping[str, Any] = {"S": str, "N": str, "B": (bytes, bytearray), "L": list, "M": dict}


def attribute(value: object) -> dict[str, Any]:
    """Return *value* as a typed attribute."""
    match value:
        case bytes():
            return {"B": value}
        case int():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case tuple() | list():
            return {"L": [attribute(member) for member in value]}
        case Mapping():
            return {"M": {name: attribute(member) for name, member in value.items()}}
    raise TypeError(f"no attribute for {type(value).__name__}")


def item_of(connection: str, variant: str, record: Mapping[str, Any] | None) -> Item:
    """Return what *record* says of a variant; an empty item where there is none."""
    if not record:
        return Item(connection, variant)
    read = _Reading(record)
    plain: dict[str, Any] = {name: read.number(name) or 0 for name in NUMBERS if name in record}
    plain |= {name: read.text(name) for name in TEXTS if name in record}
    item = Item(
        connection,
        variant,
        **plain,
        token=read.blob("token"),
        failure=read.failure(),
        report_times=read.times("report_times"),
        rejected_versions=read.versions("rejected_versions"),
        suspect_variants=read.versions("suspect_variants"),
        raw={name: record[name] for name in COMPARED if name in record},
    )
    if read.number("schema") not in (None, SCHEMA, SCHEMA - 1):
        read.damaged.append("schema")
    read.damaged += sorted(_whole(record) - record.keys())
    if read.damaged:
        return replace(item.without_token(), damaged=tuple(dict.fromkeys(read.damaged)))
    return item


def _whole(record: Mapping[str, Any]) -> frozenset[str]:
    """Return the attributes that *record* has to have, as it has one of them."""
    if "target" in record:
        return OF_POINTER
    return OF_TOKEN if "token" in record or "fingerprint" in record else frozenset()


def failure_of(failure: Failure) -> dict[str, Any]:
    """Return *failure* as the plain values of a map attribute."""
    values = {name: getattr(failure, name) for name in failure.__slots__ if name != "is_login"}
    known = {name: value for name, value in values.items() if value is not None}
    return known | ({"login": 1} if failure.is_login else {})


class _Reading:
    """Typed attributes, read one by one; remembers which were not what they should be."""

    def __init__(self, record: Mapping[str, Any], damaged: list[str] | None = None) -> None:
        self._record = record
        self.damaged: list[str] = [] if damaged is None else damaged

    def _typed(self, name: str, kind: Literal["S", "N", "B", "L", "M"]) -> Any:
        attribute = self._record.get(name)
        if attribute is None:
            return None
        value = attribute.get(kind) if isinstance(attribute, dict) else None
        if not isinstance(value, _KINDS[kind]):
            self.damaged.append(name)
            return None
        return value

    def text(self, name: str) -> str | None:
        text: str | None = self._typed(name, "S")
        return text

    def number(self, name: str) -> int | None:
        digits = self._typed(name, "N")
        if digits is None:
            return None
        if digits.isascii() and digits.isdigit() and len(digits) <= len(str(LARGEST)):
            return int(digits)
        self.damaged.append(name)
        return None

    def blob(self, name: str) -> bytes | None:
        value = self._typed(name, "B")
        return None if value is None else bytes(value)

    def times(self, name: str) -> tuple[int, ...]:
        found = [member.number(name) for member in self._members(name)]
        return tuple(number for number in found if number is not None)

    def versions(self, name: str) -> tuple[str, ...]:
        found = [member.text(name) for member in self._members(name)]
        return tuple(text for text in found if text is not None)

    def _members(self, name: str) -> "list[_Reading]":
        """Return the members of a list, each as a record of one attribute."""
        members = self._typed(name, "L")
        return [_Reading({name: m}, self.damaged) for m in members or []]

    def failure(self) -> Failure | None:
        found = self._typed("failure", "M")
        if not found:
            return None
        members = _Reading(found)
        failure = Failure(
            code=members.text("code") or "",
            detail=members.text("detail") or "",
            since=members.number("since") or 0,
            count=members.number("count") or 1,
            retry_at=members.number("retry_at") or 0,
            secret_version=members.text("secret_version"),
            upstream_status=members.number("upstream_status"),
            upstream_code=members.text("upstream_code"),
            upstream_message=members.text("upstream_message"),
            is_login=members.number("login") == 1,
        )
        if members.damaged:
            self.damaged.append("failure")
        return failure if failure.code and not members.damaged else None
