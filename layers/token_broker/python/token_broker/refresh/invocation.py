"""What the refresher, the attempts and the gate of one invocation share."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from token_broker.decisions import lease_end
from token_broker.dependencies import Dependencies
from token_broker.errors import BrokerError, RefreshInProgress, StoreUnavailable
from token_broker.item import GATE, Item
from token_broker.look import Look, look
from token_broker.refresh.announcements import Announcements
from token_broker.refresh.deadline import (
    COMMIT_PAUSE_SECONDS,
    COMMIT_SECONDS,
    LAST_COMMIT_SECONDS,
    LEAST_EXCHANGE_SECONDS,
    Deadline,
)
from token_broker.refresh.secret_in_use import SecretInUse

if TYPE_CHECKING:
    from token_broker.exchange import Request

FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.05, 0.25
"""Pauses between two reads while another caller has the lease: half to one and a half of this."""


class Invocation:
    """One invocation's work on *connection*: its secret, its gate, and the leases that it acquires.

    The platform ends it soon after *deadline*, by the monotonic clock.
    *noticed_version* is the version of the secret that an event named.
    """

    def __init__(
        self,
        deps: Dependencies,
        connection: str,
        deadline: float,
        noticed_version: str | None = None,
    ) -> None:
        self.deps = deps
        self.connection = connection
        self.partition = deps.partition(connection)
        self.sealer = deps.sealer.opening_once()
        """Caches what it opened: a renewal opens its item for the variant and for its token."""
        self.deadline = Deadline(deps.clock, deadline)
        self.secret = SecretInUse(deps, connection, noticed_version)
        self.announcements = Announcements(deps, connection)
        self.gate = Item(self.partition, GATE)
        """The connection's gate, as it was read last."""
        self.gate_read_at = 0
        """When that read began. A new token's age in the cache counts from here: a hold that was
        set later must end it within `MEMORY_SECONDS`."""
        self.last_request: Request | None = None
        """The last request that any exchange of this invocation began to send."""
        self._delayed_by: StoreUnavailable | None = None
        """The error for which a write was repeated last: that took time."""
        self._waited_seconds = 0.0
        """Seconds of waiting for others' leases. Pauses grow with it; `finish` emits it."""

    def look(self, key: str, seen: Look | None = None) -> Look:
        """Read the item of *key*, its target and the gate, unless *seen* shows them; keep the gate.

        Raises `ConnectionHeld`.
        """
        seen = seen or look(self.deps, self.partition, key)
        self.gate, self.gate_read_at = seen.gate, seen.read_at
        return seen

    def read_gate(self) -> Item:
        """Read the gate again, held or not."""
        self.gate_read_at = self.deps.clock.now()
        self.gate = self.deps.store.read(self.partition, GATE)
        return self.gate

    def record_sent(self, request: "Request") -> None:
        """Remember *request*, which is sent next."""
        self.last_request = request

    def record_delay(self, error: StoreUnavailable) -> None:
        """Remember that a write is repeated because of *error*."""
        self._delayed_by = error

    def acquire(self, item: Item, *, forced: bool = False) -> Item | None:
        """Acquire the lease of *item*; None if *item* has changed since it was read.

        Raises `RefreshInProgress` if there is too little time for an exchange and its commit, or
        the error that has taken the time.
        """
        seconds_left = self.deadline.seconds_left
        if seconds_left < COMMIT_SECONDS + LEAST_EXCHANGE_SECONDS:
            late = RefreshInProgress("too little time is left for an exchange", retry_after=1)
            raise self._delayed_by or late
        now = self.deps.clock.now()
        until = lease_end(now, seconds_left, self.deps.skew)
        forced_at = now if forced else None
        return self.deps.store.acquire(item, self.deps.owner(), until, forced_at=forced_at)

    def wait_for_lease(self, item: Item) -> None:
        """Pause while another caller has the lease of *item*; `RefreshInProgress` without time."""
        left = self.deadline.seconds_to_wait
        if left <= 0:
            ends = item.lease_until - self.deps.clock.now()
            raise RefreshInProgress(
                "another caller is renewing this token", retry_after=max(1, min(ends, 30))
            )
        pause = min(FIRST_POLL_SECONDS + self._waited_seconds, LAST_POLL_SECONDS)
        began = self.deps.clock.monotonic()
        self.deps.clock.sleep(min(left, pause * (0.5 + self.deps.random())))
        self._waited_seconds += self.deps.clock.monotonic() - began

    def try_write(self, item: Item, write: Callable[[], object]) -> None:
        """Try a write to *item* at the end of an exchange, twice if the table cannot be reached.

        An error is emitted, not raised. A lease that was not ended expires.
        """
        try:
            try:
                write()
            except StoreUnavailable:
                if self.deadline.seconds_to_commit < LAST_COMMIT_SECONDS:
                    raise
                self.deps.clock.sleep(COMMIT_PAUSE_SECONDS)
                write()
        except BrokerError as error:
            self.deps.emit("unreleased", code=error.code, variant=item.variant)

    def finish(self) -> None:
        """Emit how long this invocation has waited for leases, if it has, and send its events."""
        waited, self._waited_seconds = self._waited_seconds, 0.0
        if waited:
            self.deps.emit("wait", milliseconds=round(waited * 1000))
        self.announcements.finish(self.gate)
