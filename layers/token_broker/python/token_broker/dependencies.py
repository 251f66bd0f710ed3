"""What the broker works with: a vendor's flow, the time, and everything it may touch."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from token_broker.cache import SingleFlight, TokenCache
from token_broker.flows import Flow
from token_broker.records import Record, field
from token_broker.sealing import Sealer
from token_broker.secrets_manager import Secrets
from token_broker.store import Store

if TYPE_CHECKING:
    from token_broker.exchange import Request, Response


class Clock(Record):
    """The time: the second since the epoch, a monotonic count of seconds, and a way to wait."""

    now: Callable[[], int]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]

    def milliseconds_since(self, began: float) -> float:
        """Return the milliseconds since *began*, a time of `monotonic`, to a tenth."""
        return round((self.monotonic() - began) * 1000, 1)


class Dependencies(Record):
    """Everything that a call may touch, named and replaceable."""

    flow: Flow
    clock: Clock
    cache: TokenCache
    store: Store
    sealer: Sealer
    secrets: Secrets
    send: "Callable[[Request, float], Response]"
    """Sends a request and waits that many seconds at most, in all."""
    invoke: Callable[[Mapping[str, Any]], None]
    """Invokes this very function with a payload, not waiting for it."""
    announce: Callable[[str, Mapping[str, Any]], bool]
    """Puts an event on the bus, and says whether it is there. docs/events.md lists them."""
    emit: Callable[..., None]
    """Writes an event to log and metrics: its name and its facts. Never a secret."""
    random: Callable[[], float]
    """Returns a number from 0 to 1, not the same after a snapshot is restored."""
    owner: Callable[[], str]
    """Returns a name for a lease's owner that is used once."""
    skew: int
    """Seconds that the clocks of two Lambdas may differ by."""
    single_flight: SingleFlight = field(default_factory=SingleFlight)
    versions_seen: dict[str, tuple[int, str]] = field(default_factory=dict)
    """When this process last saw the secret of a connection, and its version then."""

    def partition(self, connection: str) -> str:
        """Return the table's partition key of a connection."""
        return f"{self.flow.name}#{connection}"
