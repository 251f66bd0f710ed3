"""Requests to the broker, checked before they are sent; and the protocol of a channel to it.

Small values are named tuples: a dataclass takes longer to import.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

from token_broker_client.deadline import Deadline
from token_broker_client.errors import BrokerError, InvalidRequest

# --- made by `make operations`: flows_by_name
Flow = Literal[
    "vntana",
    "vendorlink",
    "editor",
]
FLOWS: tuple[Flow, ...] = (
    "vntana",
    "vendorlink",
    "editor",
)
VERIFYING: tuple[Flow, ...] = ("editor",)
PER_CALL: tuple[Flow, ...] = ("editor",)
# --- end of what is made
Action = Literal["token", "status", "forget", "check", "verify", "probe", "hold", "lift"]
CONNECTION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class TokenRequest(NamedTuple):
    """A caller's conditions on a token. The names are those of the request's body."""

    min_ttl: int | None = None
    rejected: str | None = None
    force: bool = False

    @classmethod
    def of(cls, min_ttl: object, rejected: object, force: object) -> "TokenRequest":
        """Return the request. Raises `InvalidRequest` for a value of the wrong type."""
        if min_ttl is not None and (isinstance(min_ttl, bool) or not isinstance(min_ttl, int)):
            raise InvalidRequest("min_ttl: must be a whole number of seconds")
        if rejected is not None and not isinstance(rejected, str):
            raise InvalidRequest("rejected: must be a fingerprint")
        if not isinstance(force, bool):
            raise InvalidRequest("force: must be True or False")
        return cls(min_ttl, rejected, force)

    def body(self) -> dict[str, Any]:
        """Return the members of the body: those that are set, even a `min_ttl` of zero."""
        given = {"min_ttl": self.min_ttl, "rejected": self.rejected, "force": self.force or None}
        return {name: value for name, value in given.items() if value is not None}


PLAIN = TokenRequest()


class Command(NamedTuple):
    """An action on a connection."""

    flow: str
    connection: str
    action: Action
    body: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Command({self.flow}, {self.connection}, {self.action})"


class Channel(Protocol):
    """A way to call the broker. Equal channels have the same caller and the same broker."""

    def call(self, command: Command, deadline: Deadline) -> Mapping[str, Any]:
        """Return the broker's answer before *deadline*. Raises a `BrokerError` if there is none."""


class Key(NamedTuple):
    """The key of a token in the cache: callers with equal keys may share it."""

    channel: Channel
    flow: str
    connection: str
    variant: str
    """The flow's fields of the request, as canonical JSON. Never shown: they may be private."""


def checked(flow: object, connection: object) -> tuple[str, str]:
    """Return *flow* and *connection*. Raises `InvalidRequest` for what cannot be in a path."""
    if flow not in FLOWS:
        raise InvalidRequest(f"flow: must be one of {', '.join(FLOWS)}")
    if not isinstance(connection, str) or not CONNECTION.fullmatch(connection):
        raise InvalidRequest(f"connection: must match {CONNECTION.pattern}")
    return str(flow), connection


def canonical(variant: Mapping[str, Any]) -> str:
    """Return *variant* as canonical JSON, without members that are None."""
    named = {name: value for name, value in variant.items() if value is not None}
    try:
        return json.dumps(
            named, sort_keys=True, separators=(",", ":"), allow_nan=False, default=plain
        )
    except (TypeError, ValueError, RecursionError):
        raise InvalidRequest(f"{', '.join(named)}: cannot be written as JSON") from None


def plain(value: object) -> dict[Any, Any]:
    """Return a mapping as a dict, for JSON's encoder."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def problem(document: object) -> BrokerError | None:
    """Return the error in *document*; None if it is not a problem of the broker."""
    if isinstance(document, Mapping) and isinstance(document.get("code"), str):
        return BrokerError.of(document)
    return None
