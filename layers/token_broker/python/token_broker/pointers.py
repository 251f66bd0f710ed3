"""Items that lead to another: "the only organization" to its uuid, given parameters to all."""

from token_broker.item import Item
from token_broker.variants import Variant

LIFETIME = 30 * 86_400
"""Seconds after which the table may drop a pointer. It is bound to the secret's version anyway."""


def pointer_values(sealed: bytes, target: Variant, version: str, now: int) -> dict[str, object]:
    """Return what the table keeps of a way to *target*, made with this *version* of the secret."""
    return {
        "kind": "pointer",
        "token": sealed,
        "target": target.key,
        "secret_version": version,
        "issued_at": now,
        "expires_at": now + LIFETIME,
    }


def may_mislead(pointer: Item, item: Item) -> bool:
    """Say whether *item* was renewed with a newer version of the secret than *pointer* knows.

    That version may have other defaults, and so lead elsewhere.
    """
    is_other = pointer.secret_version != item.secret_version
    return is_other and pointer.issued_at < item.issued_at
