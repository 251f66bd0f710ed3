"""The two ways to the broker have one form: an order goes in, an answer or an error comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from token_broker_client.errors import BrokerError

Action = Literal["token", "status", "forget", "verify"]


@dataclass(frozen=True, slots=True)
class Order:
    """What to do with which connection."""

    flow: str
    connection: str
    action: Action
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Entrance(Protocol):
    """A way to the broker. Two that are equal lead the same caller to the same broker."""

    def call(self, order: Order, seconds: float) -> Mapping[str, Any]:
        """Return the broker's answer within *seconds*; raise a `BrokerError` if there is none."""


def problem(document: object) -> BrokerError | None:
    """Return the error that *document* tells of, if the broker wrote it."""
    if isinstance(document, Mapping) and isinstance(document.get("code"), str):
        return BrokerError.of(document)
    return None
