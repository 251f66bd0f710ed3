"""Vendorlink's users, their access tokens and their renewal tokens."""

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

from token_broker_fakes.opaque import opaque, unpadded
from token_broker_fakes.vendorlink.modes import VendorlinkModes

RENEWAL_BYTES = 48
LINE = 32
"""The number of characters before a blank in the documentation's samples."""
HEADER = unpadded(b'{"typ":"JWT","alg":"HS256"}')


@dataclass(slots=True)
class User:
    """A user with name and password."""

    username: str = "demo"
    password: str = field(default='demo "pass\\word" é', repr=False)
    user_id: int = 4711
    display_name: str = "Demo User"
    failures: int = 0
    """Wrong passwords in a row, which the mode ``lockout`` limits."""

    def accepts(self, password: object, lockout: int) -> bool:
        """Say whether *password* is right and the user not locked; count a wrong one."""
        if 0 < lockout <= self.failures:
            return False
        self.failures = 0 if password == self.password else self.failures + 1
        return password == self.password


@dataclass(slots=True)
class Access:
    """An access token and its session."""

    token: str
    user: User
    sid: str
    host: str
    expires_at: float
    is_killed: bool = False

    def is_dead(self, now: float) -> bool:
        """Say whether this token has expired or been revoked; it may still be extended."""
        return self.is_killed or now >= self.expires_at

    def members(self) -> dict[str, Any]:
        """Return the members of a response with this token."""
        return {
            "userId": self.user.user_id,
            "displayName": self.user.display_name,
            "accessToken": self.token,
        }


@dataclass(slots=True)
class Renewal:
    """A renewal token, its access token, and whether it was used."""

    token: str
    access: Access
    expires_at: float
    is_spent: bool = False


class Tokens:
    """All issued tokens."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.access: dict[str, Access] = {}
        self.renewals: dict[str, Renewal] = {}

    def open(self, modes: VendorlinkModes, user: User, host: str, sid: str, now: float) -> Access:
        """Make an access token for *user* at *host*."""
        expires_at = int(now) + modes.lifetime
        token = written(modes, self.rng, sid, expires_at)
        access = self.access[token] = Access(token, user, sid, host, expires_at)
        return access

    def renewal(self, modes: VendorlinkModes, access: Access, now: float) -> Renewal:
        """Make the renewal token of *access*."""
        token = opaque(self.rng, RENEWAL_BYTES)
        renewal = Renewal(token, access, now + modes.renewal_lifetime)
        self.renewals[token] = renewal
        return renewal

    def live(self, now: float) -> list[Access]:
        """Return the live access tokens, oldest first."""
        return [access for access in self.access.values() if not access.is_dead(now)]

    def live_renewals(self, now: float) -> list[Renewal]:
        """Return the valid renewal tokens, oldest first."""
        return [one for one in self.renewals.values() if not one.is_spent and one.expires_at > now]

    def end_sessions(self, user: User) -> None:
        """End the sessions of *user*."""
        for access in self.access.values():
            access.is_killed |= access.user is user


def written(modes: VendorlinkModes, rng: Random, sid: str, expires_at: int) -> str:
    """Return an access token in the form of *modes*: an unsigned JWT, or an opaque text."""
    signature = unpadded(rng.randbytes(32))
    claims = {"sid": sid, "iss": "vdlnk-master.fake", "exp": expires_at}
    claims["nbf"] = expires_at - modes.lifetime - modes.early
    match modes.access_token:
        case "opaque":
            return opaque(rng, RENEWAL_BYTES)
        case "garbled":
            return f"{HEADER}.{sid[:9]}.{signature}"
        case "no_exp":
            del claims["exp"]
    payload = unpadded(json.dumps(claims, separators=(",", ":")).encode())
    token = f"{HEADER}.{payload}.{signature}"
    if modes.access_token == "wrapped":
        return " ".join(token[start : start + LINE] for start in range(0, len(token), LINE))
    return token
