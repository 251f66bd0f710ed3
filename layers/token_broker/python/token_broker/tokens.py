"""What an exchange earns: a token, ready to use."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def fingerprint(value: str) -> str:
    """Return the name by which a token may be spoken of: 16 hex digits of its SHA-256."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Token:
    """A live token, what to send with it and where, and the second at which it ends."""

    value: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    base_url: str
    issued_at: int
    """Second, since the epoch, *before* the request that earned it was sent."""
    expires_at: int
    context: Mapping[str, Any] = field(default_factory=dict)
    """What callers are told of it: organization, user, role. Never a secret."""
    url: str | None = field(default=None, repr=False)
    """The editor's address with the token in it; None elsewhere."""
    renewal: str | None = field(default=None, repr=False)
    """A single-use token that earns the next one, where the vendor has such."""
    seed: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What else the exchange earned that another one, right after it, can use. Never kept."""

    @property
    def fingerprint(self) -> str:
        """The token's name in logs and reports."""
        return fingerprint(self.value)
