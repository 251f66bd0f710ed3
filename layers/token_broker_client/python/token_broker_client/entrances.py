"""The two ways to the broker have one form: an order goes in, an answer or an error comes out.

What is small here and elsewhere is no dataclass: making each of those takes half a hundredth of
what `requests` takes to import, and the client may take ten hundredths.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

from token_broker_client.errors import BrokerError

Action = Literal["token", "status", "forget", "verify"]


class Wish(NamedTuple):
    """What a caller may want of a token beyond that it lives; names as in a request's body."""

    min_ttl: int | None = None
    rejected: str | None = None
    force: bool = False


PLAIN = Wish()


class Order(NamedTuple):
    """What to do with which connection."""

    flow: str
    connection: str
    action: Action
    body: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Order({self.flow}, {self.connection}, {self.action})"


class Entrance(Protocol):
    """A way to the broker. Two that are equal lead the same caller to the same broker."""

    def call(self, order: Order, seconds: float) -> Mapping[str, Any]:
        """Return the broker's answer within *seconds*; raise a `BrokerError` if there is none."""


def problem(document: object) -> BrokerError | None:
    """Return the error that *document* tells of, if the broker wrote it."""
    if isinstance(document, Mapping) and isinstance(document.get("code"), str):
        return BrokerError.of(document)
    return None
