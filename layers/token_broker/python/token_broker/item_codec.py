"""An `Item` as the table's typed attributes, and back.

An item that is corrupt, or of an unknown schema, counts as absent: an exchange follows, and writes
it again. No function that reads raises an error.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from token_broker.item import Failure, Hold, Item
from token_broker.records import Record, replace

SCHEMA = 1
"""Readers accept this schema and the one before, so two versions can share the table."""

Attribute = Mapping[str, Any]
"""A typed value as DynamoDB has it: ``{"S": "text"}``."""

Attributes: TypeAlias = Mapping[str, Attribute]
AsRead: TypeAlias = Mapping[str, Attribute | None]
"""Attributes as they were read, to compare with. None for one that was absent."""

SWAPPED = ("fence", "generation")
COMPARED = (*SWAPPED, "rejected_versions", "accepted_version", "suspect_version", "held")
"""Attributes that the lease of a variant depends on: a write compares them with what was read."""

AS_READ = frozenset({*COMPARED, "lease_owner", "latched_version"})
"""Attributes that an item has as they were read: all that a write with a `ttl` compares."""

OUTAGE = ("outage_since", "outage_phase", "outage_claim")
LEASE = ("lease_owner", "lease_until")
VERSIONS = ("rejected_versions", "accepted_version", "latched_version", "latched_at")
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
OF_ALIAS = frozenset(_ALWAYS | {"target", "secret_version"})
OF_TOKEN = frozenset(_ALWAYS | {"fingerprint", "refresh_at", "secret_version", "context"})
"""Attributes that an item with an alias, or with a token, must have: one write sets them all."""

MOST_DIGITS = 12
"""Digits of a number in an item, at most. The seconds until the year 9999 have as many."""

_TYPES: Mapping[str, Any] = {"S": str, "N": str, "B": (bytes, bytearray), "L": list, "M": dict}
_KINDS = {int: "N", int | None: "N", str: "S", str | None: "S", bytes | None: "B"}


def _kinds_of(record: type[Record]) -> dict[str, str]:
    """Return DynamoDB's type for each plain field of a class."""
    fields = record.__annotations__.items()
    return {name: _KINDS[annotation] for name, annotation in fields if annotation in _KINDS}


LISTS = {"report_times": "N", "rejected_versions": "S", "suspect_variants": "S"}
"""Attributes that are lists, and the type of their members."""

OF_ITEM = {
    **_kinds_of(Item),
    **dict.fromkeys(LISTS, "L"),
    "schema": "N",
    "failure": "M",
    "held": "M",
}
del OF_ITEM["partition"], OF_ITEM["variant"]  # the key, which every reader knows
OF_FAILURE = {**_kinds_of(Failure), "login": "N"}
OF_HOLD = _kinds_of(Hold)
LEAST_FAILURE: dict[str, Any] = {"detail": "", "since": 0, "count": 1, "retry_at": 0}
LEAST_HOLD: dict[str, Any] = {"since": 0, "by": "unknown", "reason": "unknown"}
"""The values of members that are absent or corrupt."""


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


def key_of(partition: str, variant: str) -> Attributes:
    """Return the key of an item."""
    return {"connection": attribute(partition), "variant": attribute(variant)}


def as_leased(lease: Item) -> AsRead:
    """Return the condition that a lease still belongs to its holder: fence *and* owner."""
    return {"fence": attribute(lease.fence), "lease_owner": attribute(lease.lease_owner or "")}


def item_of(partition: str, variant: str, record: Mapping[str, Any] | None) -> Item:
    """Return the item of *record*, empty if there is none."""
    if not record:
        return Item(partition, variant)
    values, corrupt = decoded_members(record, OF_ITEM)
    for name, kind in LISTS.items():
        members = [decoded(member, kind) for member in values.get(name, ())]
        values[name] = tuple(member for member in members if member is not None)
        if None in members:
            corrupt.append(name)
    failure, wrong = decoded_members(values.pop("failure", {}), OF_FAILURE)
    if wrong:
        corrupt.append("failure")
    elif failure.get("code"):
        is_login = failure.pop("login", 0) == 1
        values["failure"] = Failure(**LEAST_FAILURE | failure, is_login=is_login)
    if "held" in record:  # even if it cannot be read
        hold, _ = decoded_members(values.get("held", {}), OF_HOLD)
        values["held"] = Hold(**LEAST_HOLD | hold)
    if values.pop("schema", SCHEMA) not in (SCHEMA, SCHEMA - 1):
        corrupt.append("schema")
    corrupt += sorted(_whole(record) - record.keys())
    raw = {name: record[name] for name in AS_READ if name in record}
    item = Item(partition, variant, **values, raw=raw)
    return replace(item.without_token(), corrupt=tuple(corrupt)) if corrupt else item


def decoded_members(
    record: Mapping[str, Any], kinds: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the attributes that *kinds* names, and the names of those that are corrupt."""
    found = {name: decoded(record[name], kind) for name, kind in kinds.items() if name in record}
    corrupt = [name for name, value in found.items() if value is None]
    return {name: value for name, value in found.items() if value is not None}, corrupt


def decoded(value: object, kind: str) -> Any:
    """Return the value of an attribute of type *kind*, None if it is corrupt."""
    inner = value.get(kind) if isinstance(value, dict) else None
    if not isinstance(inner, _TYPES[kind]):
        return None
    if kind == "B":
        return bytes(inner)
    if kind != "N":
        return inner
    is_number = inner.isascii() and inner.isdigit() and len(inner) <= MOST_DIGITS
    return int(inner) if is_number else None


def _whole(record: Mapping[str, Any]) -> frozenset[str]:
    """Return the attributes that *record* must have, because it has one of them."""
    if "target" in record:
        return OF_ALIAS
    return OF_TOKEN if "token" in record or "fingerprint" in record else frozenset()


def failure_of(failure: Failure) -> dict[str, Any]:
    """Return the plain values of *failure*, for a map attribute."""
    values = vars(failure) | {"is_login": None, "login": 1 if failure.is_login else None}
    return {name: value for name, value in values.items() if value is not None}
