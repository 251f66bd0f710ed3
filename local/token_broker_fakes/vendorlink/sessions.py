"""Vendorlink's users, their access tokens and their renewal tokens."""

import json
from dataclasses import dataclass, field
from random import Random

from token_broker_fakes.opaque import opaque, unpadded
from token_broker_fakes.vendorlink.modes import VendorlinkModes

RENEWAL_BYTES = 48
HEADER = unpadded(b'{"typ":"JWT","alg":"HS256"}')


@dataclass(slots=True)
class User:
    """Who can log in."""

    username: str = "demo"
    password: str = field(default='demo "pass\\word" é', repr=False)
    user_id: int = 4711
    display_name: str = "Demo User"


@dataclass(slots=True)
class Access:
    """An access token and its session."""

    token: str
    user: User
    sid: str
    host: str
    expires_at: float
    is_killed: bool = False


@dataclass(slots=True)
class Renewal:
    """A renewal token, the access token it was given with, and whether it was used."""

    token: str
    access: Access
    expires_at: float
    is_spent: bool = False


class Tokens:
    """All tokens that were ever handed out."""

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
        """Make the renewal token that goes with *access*."""
        token = opaque(self.rng, RENEWAL_BYTES)
        renewal = Renewal(token, access, now + modes.renewal_lifetime)
        self.renewals[token] = renewal
        return renewal

    def kill(self, user: User) -> None:
        """End the sessions of *user*."""
        for access in self.access.values():
            access.is_killed |= access.user is user


def written(modes: VendorlinkModes, rng: Random, sid: str, expires_at: int) -> str:
    """Return an access token in the form that *modes* say: a JWT, signed by nobody."""
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
    return (
        " ".join(token[i : i + 32] for i in range(0, len(token), 32))
        if (modes.access_token == "wrapped")
        else token
    )
