"""Members of the broker's status answer, for a fixed time."""

from typing import Any

from token_broker.item import rfc3339

NOW = 1_790_000_000


def at(offset: int) -> str:
    """Return the moment *offset* seconds from now."""
    return rfc3339(NOW + offset) or ""


def variant(state: str = "fresh", **changes: Any) -> dict[str, Any]:
    """Return the status of a token that lives for an hour."""
    told = {
        "variant": "-",
        "state": state,
        "generation": 3,
        "fingerprint": "0123456789abcdef",
        "issued_at": at(-1800),
        "expires_at": at(1800),
        "refresh_after": at(1300),
        "context": None,
        "failure": None,
        "latched": False,
        "renewing": False,
        "next": "hand_out",
        "because": "It lives, and its renewal is not due.",
    }
    return told | changes


def failure(code: str = "upstream_unavailable", count: int = 2, retry: int = 40) -> dict[str, Any]:
    return {"code": code, "since": at(-90), "count": count, "retry_at": at(retry)}
