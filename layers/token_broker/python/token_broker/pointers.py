"""Items that lead to another: "the only organization" to its uuid, given parameters to all."""

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
