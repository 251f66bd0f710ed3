"""The parameters of a write to the table, and what a rejection of credentials changes.

Pure functions. Only a write loads this module.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from token_broker.decisions import MAX_VERSIONS, Verdict, suspects
from token_broker.item import SUSPECT_RETRY_SECONDS, Failure, Item
from token_broker.item_codec import (
    SCHEMA,
    SUSPICION,
    AsRead,
    Attribute,
    as_leased,
    attribute,
    failure_of,
)
from token_broker.records import replace


class Rejection(NamedTuple):
    """The upstream rejected *version* of the secret in an exchange of *variant*."""

    version: str
    failure: Failure
    """The failure to keep."""
    variant: str


def update_parameters(changes: Mapping[str, object], unchanged: AsRead) -> dict[str, Any]:
    """Return the parameters of an UpdateItem. All names are placeholders: some are reserved.

    In *changes*, None removes an attribute; in *unchanged*, it was absent when it was read.
    """
    values: dict[str, Attribute] = {
        f":{name}": attribute(value) for name, value in changes.items() if value is not None
    }
    parts = {
        "SET": [f"#{name[1:]} = {name}" for name in values],
        "REMOVE": [f"#{name}" for name, value in changes.items() if value is None],
    }
    # DynamoDB refuses a part without members, and an empty parameter.
    update = " ".join(f"{part} {', '.join(members)}" for part, members in parts.items() if members)
    clauses = [
        f"attribute_not_exists(#{name})" if seen is None else f"#{name} = :seen_{name}"
        for name, seen in unchanged.items()
    ]
    values |= {f":seen_{name}": seen for name, seen in unchanged.items() if seen is not None}
    optional = {
        "ExpressionAttributeValues": values,
        "ConditionExpression": " AND ".join(clauses),
    }
    return {
        "UpdateExpression": update,
        "ExpressionAttributeNames": {f"#{name}": name for name in (*changes, *unchanged)},
    } | {name: value for name, value in optional.items() if value}


def judged(
    verdict: Verdict, item: Item, rejection: Rejection, now: int, *, has_lease: bool
) -> tuple[dict[str, object], AsRead]:
    """Return what *verdict* changes of *item*, and the condition of that write."""
    accepted = item.accepted_version
    without_lease: AsRead = {
        "accepted_version": attribute(accepted) if accepted else None,
        "fence": item.raw.get("fence"),
    }
    as_read = as_leased(item) if has_lease else without_lease
    unchanged = {**as_read, "rejected_versions": item.raw.get("rejected_versions")}
    return changes_by(verdict, item, rejection, now) | {"schema": SCHEMA, "ttl": None}, unchanged


def changes_by(verdict: Verdict, item: Item, rejection: Rejection, now: int) -> dict[str, object]:
    """Return the attributes of *item* that *verdict* changes; None removes one."""
    version = rejection.version
    match verdict:
        case Verdict.LATCH:
            changes: dict[str, object] = {
                # Another version may be suspect, too.
                **dict.fromkeys(SUSPICION if item.suspect_version == version else ()),
                "failure": failure_of(rejection.failure),
                "rejected_versions": add_version(item.rejected_versions, version),
                "latched_at": rejection.failure.since,
            }
            if item.is_gate:
                changes["latched_version"] = version
            if item.accepted_version == version:
                changes["accepted_version"] = None
            return changes
        case Verdict.SUSPECT:
            since = min(item.suspect_at, now) if item.is_suspect(version) else now
            retry_at = since + SUSPECT_RETRY_SECONDS
            return {
                "failure": failure_of(replace(rejection.failure, retry_at=retry_at)),
                "suspect_version": version,
                "suspect_at": since,
                "suspect_variants": None,
            }
        case _:
            return {
                "suspect_version": version,
                "suspect_variants": suspects(item, version, rejection.variant),
                "suspect_at": None,
            }


def is_kept(verdict: Verdict, found: Item, rejection: Rejection) -> bool:
    """Say whether *found* has the attributes that *verdict* sets."""
    if verdict is Verdict.LATCH:
        return rejection.version in found.rejected_versions
    is_suspect = found.suspect_version == rejection.version
    if verdict is Verdict.SUSPECT:
        return is_suspect and found.suspect_at > 0 and not found.suspect_variants
    return is_suspect and rejection.variant in found.suspect_variants


def add_version(versions: tuple[str, ...], version: str) -> tuple[str, ...]:
    """Return *versions* with *version* as the last; the oldest are dropped."""
    return (*(v for v in versions if v != version), version)[-MAX_VERSIONS:]
