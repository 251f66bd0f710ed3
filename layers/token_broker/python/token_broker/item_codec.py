"""An `Item` as the table's typed attributes, and back.

An item that is corrupt, or of an unknown schema, counts as absent: an exchange follows, and writes
it again. No function that reads raises an error.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias, TypeVar

from token_broker.item import Failure, Hold, Item
from token_broker.records import replace

SCHEMA = 1
"""Readers accept this schema and the one before, so two versions can share the table."""

Attribute = Mapping[str, Any]
"""A typed value as DynamoDB has it: ``{"S": "text"}``."""

Attributes: TypeAlias = Mapping[str, Attribute]
AsRead: TypeAlias = Mapping[str, Attribute | None]
"""Attributes as they were read, to compare with. None for one that was absent."""

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
    "latched_at",
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
FAILURE_NUMBERS = ("since", "count", "retry_at", "upstream_status", "login")
FAILURE_TEXTS = ("code", "detail", "secret_version", "upstream_code", "upstream_message")
SWAPPED = ("fence", "generation")
COMPARED = (*SWAPPED, "rejected_versions", "held")
"""Attributes that a write may compare with what was read."""

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
    item = Item(
        connection,
        variant,
        **read.known(NUMBERS, TEXTS),
        token=read.blob("token"),
        failure=read.failure(),
        held=read.hold() if "held" in record else None,
        report_times=read.members("report_times", AttributeReader.number),
        rejected_versions=read.members("rejected_versions", AttributeReader.text),
        suspect_variants=read.members("suspect_variants", AttributeReader.text),
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
    values = vars(failure) | {"is_login": None, "login": 1 if failure.is_login else None}
    return {name: value for name, value in values.items() if value is not None}


Member = TypeVar("Member")


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

    def members(
        self, name: str, read: "Callable[[AttributeReader, str], Member | None]"
    ) -> tuple[Member, ...]:
        """Return the members of a list, each as *read* returns it, without the corrupt ones."""
        alone = [AttributeReader({name: m}, self.corrupt) for m in self._typed(name, "L") or []]
        found = [read(member, name) for member in alone]
        return tuple(member for member in found if member is not None)

    def known(self, numbers: Iterable[str], texts: Iterable[str]) -> dict[str, Any]:
        """Return these attributes by name, without those that are absent or corrupt."""
        found: dict[str, Any] = {
            name: self.number(name) for name in numbers if name in self._record
        }
        found |= {name: self.text(name) for name in texts if name in self._record}
        return {name: value for name, value in found.items() if value is not None}

    def hold(self) -> Hold:
        """Return the hold. A corrupt one is still a hold."""
        members = AttributeReader(self._typed("held", "M") or {})
        since, by, reason = members.number("since"), members.text("by"), members.text("reason")
        return Hold(since or 0, by or "unknown", reason or "unknown")

    def failure(self) -> Failure | None:
        """Return the failure, None if it is absent or corrupt."""
        members = AttributeReader(self._typed("failure", "M") or {})
        known = members.known(FAILURE_NUMBERS, FAILURE_TEXTS)
        if members.corrupt:
            self.corrupt.append("failure")
        if members.corrupt or not known.get("code"):
            return None
        is_login = known.pop("login", 0) == 1
        least: dict[str, Any] = {"detail": "", "since": 0, "count": 1, "retry_at": 0}
        return Failure(**least | known, is_login=is_login)
