"""What is asked of the broker, checked before it is sent; and the form of each way to it.

Small values are named tuples, not dataclasses: to make one dataclass takes 0.5 % of the time that
the import of `requests` takes, and the client may add 10 % to that.
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
    """What a caller wants of a token besides that it lives; names as in a request's body."""

    min_ttl: int | None = None
    rejected: str | None = None
    force: bool = False

    @classmethod
    def of(cls, min_ttl: object, rejected: object, force: object) -> "TokenRequest":
        """Return the request; raise `InvalidRequest` where a value is of the wrong kind."""
        if min_ttl is not None and (isinstance(min_ttl, bool) or not isinstance(min_ttl, int)):
            raise InvalidRequest("min_ttl: must be a whole number of seconds")
        if rejected is not None and not isinstance(rejected, str):
            raise InvalidRequest("rejected: must be a fingerprint")
        if not isinstance(force, bool):
            raise InvalidRequest("force: must be True or False")
        return cls(min_ttl, rejected, force)

    def body(self) -> dict[str, Any]:
        """Return what is to be sent of it: what was said, a zero included."""
        said = {"min_ttl": self.min_ttl, "rejected": self.rejected, "force": self.force or None}
        return {name: value for name, value in said.items() if value is not None}


PLAIN = TokenRequest()


class Command(NamedTuple):
    """What to do with which connection."""

    flow: str
    connection: str
    action: Action
    body: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Command({self.flow}, {self.connection}, {self.action})"


class Channel(Protocol):
    """A way to the broker. Two that are equal lead the same caller to the same broker."""

    def call(self, command: Command, deadline: Deadline) -> Mapping[str, Any]:
        """Return the broker's answer before *deadline*; raise a `BrokerError` if there is none."""


class Key(NamedTuple):
    """What tells tokens apart: two callers with equal keys may share one."""

    channel: Channel
    flow: str
    connection: str
    variant: str
    """What else makes the token different, as canonical JSON: parameters may be private."""


def checked(flow: object, connection: object) -> tuple[str, str]:
    """Return *flow* and *connection*, which become part of a path."""
    if flow not in FLOWS:
        raise InvalidRequest(f"flow: must be one of {', '.join(FLOWS)}")
    if not isinstance(connection, str) or not CONNECTION.fullmatch(connection):
        raise InvalidRequest(f"connection: must match {CONNECTION.pattern}")
    return str(flow), connection


def canonical(variant: Mapping[str, Any]) -> str:
    """Return *variant* as the one JSON text that says it, without what was not named."""
    named = {name: value for name, value in variant.items() if value is not None}
    try:
        return json.dumps(
            named, sort_keys=True, separators=(",", ":"), allow_nan=False, default=plain
        )
    except (TypeError, ValueError, RecursionError):
        raise InvalidRequest(f"{', '.join(named)}: cannot be written as JSON") from None


def plain(value: object) -> dict[Any, Any]:
    """Return a mapping as the kind of it that JSON's encoder knows."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def problem(document: object) -> BrokerError | None:
    """Return the error that *document* tells of, if the broker wrote it."""
    if isinstance(document, Mapping) and isinstance(document.get("code"), str):
        return BrokerError.of(document)
    return None
