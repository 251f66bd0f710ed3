"""An `Item` as the table's typed attributes, and back.

An item that is corrupt, or of an unknown schema, counts as absent: an exchange follows, and writes
it again. No function that reads raises an error.
"""

from collections.abc import Mapping
from typing import Any, Literal

from token_broker.item import Failure, Hold, Item
from token_broker.records import replace

SCHEMA = 1
"""Readers accept this schema and the one before, so two versions can share the table."""

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
    "outage_since",
    "outage_claim",
)
TEXTS = (
    "kind",
    "target",
    "fingerprint",
    "secret_version",
    "accepted_version",
    "latched_version",
    "outage_phase",
    "noticed_version",
    "suspect_version",
    "context",
    "lease_owner",
    "renewal",
    "rejected",
)
SWAPPED = ("fence", "generation")
COMPARED = (*SWAPPED, "rejected_versions", "held")
"""Attributes that a write may compare with what was read."""

OUTAGE = ("outage_since", "outage_phase", "outage_claim")
LEASE = ("lease_owner", "lease_until")
FAILURE = ("failure",)
VERSIONS = ("rejected_versions", "accepted_version", "latched_version")
"""What the gate knows of the versions of the secret."""

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
"""Attributes of a token, removed with it."""

_ALWAYS = {"schema", "generation", "fence", "token", "kind", "issued_at", "expires_at"}
OF_POINTER = frozenset(_ALWAYS | {"target", "secret_version"})
OF_TOKEN = frozenset(_ALWAYS | {"fingerprint", "refresh_at", "secret_version", "context"})
"""Attributes that an item with an alias, or with a token, must have: one write sets them all."""

LARGEST = 253_402_300_799
"""The last second of the year 9999. No number in an item is larger."""

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
    """Return the item of *record*, empty if there is none."""
    if not record:
        return Item(connection, variant)
    read = AttributeReader(record)
    plain: dict[str, Any] = {name: read.number(name) or 0 for name in NUMBERS if name in record}
    plain |= {name: read.text(name) for name in TEXTS if name in record}
    item = Item(
        connection,
        variant,
        **plain,
        token=read.blob("token"),
        failure=read.failure(),
        held=read.hold() if "held" in record else None,
        report_times=read.times("report_times"),
        rejected_versions=read.versions("rejected_versions"),
        suspect_variants=read.versions("suspect_variants"),
        raw={name: record[name] for name in COMPARED if name in record},
    )
    if read.number("schema") not in (None, SCHEMA, SCHEMA - 1):
        read.corrupt.append("schema")
    read.corrupt += sorted(_whole(record) - record.keys())
    if read.corrupt:
        return replace(item.without_token(), corrupt=tuple(dict.fromkeys(read.corrupt)))
    return item


def _whole(record: Mapping[str, Any]) -> frozenset[str]:
    """Return the attributes that *record* must have, because it has one of them."""
    if "target" in record:
        return OF_POINTER
    return OF_TOKEN if "token" in record or "fingerprint" in record else frozenset()


def failure_of(failure: Failure) -> dict[str, Any]:
    """Return the plain values of *failure*, for a map attribute."""
    values = {
        name: getattr(failure, name) for name in Failure.__annotations__ if name != "is_login"
    }
    known = {name: value for name, value in values.items() if value is not None}
    return known | ({"login": 1} if failure.is_login else {})


def hold_of(hold: Hold) -> dict[str, Any]:
    """Return the plain values of *hold*, for a map attribute."""
    return {"since": hold.since, "by": hold.by, "reason": hold.reason}


class AttributeReader:
    """Reads typed attributes one by one, and lists the *corrupt* ones."""

    def __init__(self, record: Mapping[str, Any], corrupt: list[str] | None = None) -> None:
        self._record = record
        self.corrupt: list[str] = [] if corrupt is None else corrupt

    def _typed(self, name: str, kind: Literal["S", "N", "B", "L", "M"]) -> Any:
        attribute = self._record.get(name)
        if attribute is None:
            return None
        value = attribute.get(kind) if isinstance(attribute, dict) else None
        if not isinstance(value, _KINDS[kind]):
            self.corrupt.append(name)
            return None
        return value

    def text(self, name: str) -> str | None:
        """Return a text, None if it is absent or corrupt."""
        text: str | None = self._typed(name, "S")
        return text

    def number(self, name: str) -> int | None:
        """Return a whole number, None if it is absent or corrupt."""
        digits = self._typed(name, "N")
        if digits is None:
            return None
        if digits.isascii() and digits.isdigit() and len(digits) <= len(str(LARGEST)):
            return int(digits)
        self.corrupt.append(name)
        return None

    def blob(self, name: str) -> bytes | None:
        """Return bytes, None if they are absent or corrupt."""
        value = self._typed(name, "B")
        return None if value is None else bytes(value)

    def times(self, name: str) -> tuple[int, ...]:
        """Return a list of numbers, without the corrupt ones."""
        found = [member.number(name) for member in self._members(name)]
        return tuple(number for number in found if number is not None)

    def versions(self, name: str) -> tuple[str, ...]:
        """Return a list of texts, without the corrupt ones."""
        found = [member.text(name) for member in self._members(name)]
        return tuple(text for text in found if text is not None)

    def _members(self, name: str) -> "list[AttributeReader]":
        """Return the members of a list, each wrapped in a record of one attribute."""
        members = self._typed(name, "L")
        return [AttributeReader({name: m}, self.corrupt) for m in members or []]

    def hold(self) -> Hold:
        """Return the hold. A corrupt one is still a hold."""
        members = AttributeReader(self._typed("held", "M") or {})
        since, by, reason = members.number("since"), members.text("by"), members.text("reason")
        return Hold(since or 0, by or "unknown", reason or "unknown")

    def failure(self) -> Failure | None:
        """Return the failure, None if it is absent or corrupt."""
        found = self._typed("failure", "M")
        if not found:
            return None
        members = AttributeReader(found)
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
        if members.corrupt:
            self.corrupt.append("failure")
        return failure if failure.code and not members.corrupt else None
