"""Items that lead to another: "the only organization" to its uuid, given parameters to all."""

import json
from collections.abc import Mapping
from typing import Any

from token_broker.item import Item
from token_broker.tokens import Variant

CLOCKS_DIFFER = 60
"""Seconds by which the clocks of two Lambdas differ for certain less."""

LIFETIME = 30 * 86_400
"""Seconds after which the table may drop an alias. It is bound to the secret's version anyway."""


def alias_values(
    sealed: bytes,
    target: Variant,
    version: str,
    now: int,
    expected: Mapping[str, Any] | None = None,
) -> dict[str, object]:
    """Return what the table keeps of an alias of *target*, made with this *version* of the secret.

    *expected* is what the target's context says as long as it leads there: a role.
    """
    context = {"context": json.dumps(dict(expected))} if expected else {}
    return context | {
        "kind": "pointer",
        "token": sealed,
        "target": target.key,
        "secret_version": version,
        "issued_at": now,
        "expires_at": now + LIFETIME,
    }


def is_outdated(alias: Item, item: Item) -> bool:
    """Say whether *alias*, which leads to *item*, may lead to another item by now.

    *item* was made later with another version of the secret, which may have other defaults, or
    the vendor says another role.
    """
    is_other = alias.secret_version != item.secret_version
    return (is_other and not is_newer(alias, item)) or expects_another(alias, item)


def expects_another(alias: Item, item: Item) -> bool:
    """Say whether *item*, made after *alias*, is not what that was to lead to.

    Its context says otherwise, or it leads on itself.
    """
    if is_newer(alias, item):
        return False
    if item.target or not alias.context:
        return item.target is not None
    expected, found = alias.decoded_context(), item.decoded_context()
    if not isinstance(expected, dict) or not isinstance(found, dict):
        return False
    return any(found.get(name) != value for name, value in expected.items())


def is_newer(alias: Item, item: Item) -> bool:
    """Say whether *alias* was certainly made after *item*, by any clock."""
    return alias.issued_at > item.issued_at + CLOCKS_DIFFER
