"""One invocation's work on a connection: its deadline, its secret and its leases.

The refresher, the attempts and the gate share it. It imports none of them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from token_broker.aliases import Look, look
from token_broker.decisions import SECRET_RECHECK_SECONDS, lease_end
from token_broker.dependencies import Dependencies
from token_broker.errors import RefreshInProgress
from token_broker.exchange import Request
from token_broker.item import GATE, Item
from token_broker.secrets_manager import Secret

COMMIT_SECONDS = 4.0
"""Seconds at the end of an invocation that are reserved for the commit and the answer.

::

    begin                                                      the platform ends it
      |---- requests: `seconds_for_requests` ----|------- COMMIT_SECONDS -------|
      |---- waiting for a lease: `seconds_to_wait` ------------|----- half -----|
"""

LEAST_EXCHANGE_SECONDS = 2.0
"""An exchange with less time than this is not begun."""

FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.05, 0.25
"""Pauses between two reads while another caller has the lease: half to one and a half of this."""


class Invocation:
    """One invocation's work on *connection*, until *deadline* by the monotonic clock.

    *noticed_version* is the version of the secret that an event named. A replica of Secrets
    Manager may not have it yet.
    """

    gate_read_at: int = 0
    """When `gate` was read, or a moment before. Cached tokens expire by it: docs/protocol.md."""

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
        self.uses_previous = False
        """Whether the secret's previous version is used, because the current one was rejected."""
        self.has_sent_any = False
        """Whether any request was sent to the vendor, by any exchange of this invocation."""
        self.was_login = False
        """Whether the last request that was sent showed the credentials."""
        self.has_waited = False
        self.gate = Item(self.partition, GATE)
        """The connection's gate, as it was read last."""
        self.pending_events: list[tuple[str, Mapping[str, Any]]] = []
        """Events with their facts, never a token, that `outage.send_events` sends at the end."""
        self.is_available: bool | None = None
        """Whether the last exchange found the upstream available. None if it does not show that."""
        self._deadline = deadline
        self._noticed_version = noticed_version
        self._secret: Secret | None = None
        self._parsed: tuple[str, Any] | None = None
        """A version of the secret, and the vendor's credentials in it."""
        self._depth = 0
        """How many exchanges wait for the token that is obtained now."""

    @property
    def seconds_left(self) -> float:
        """Seconds until the platform ends this invocation."""
        return self._deadline - self.deps.clock.monotonic()

    @property
    def seconds_for_requests(self) -> float:
        """Seconds in which requests may still be sent and answered, before the commit."""
        return self.seconds_left - COMMIT_SECONDS

    @property
    def seconds_to_commit(self) -> float:
        """Seconds in which a failed write may be repeated.

        Each outer exchange, which waits for this token, still has to send requests and to commit.
        """
        return self.seconds_left - self._depth * (COMMIT_SECONDS + LEAST_EXCHANGE_SECONDS)

    @property
    def seconds_to_wait(self) -> float:
        """Seconds in which this caller may still wait for another one's lease."""
        return self.seconds_left - COMMIT_SECONDS / 2

    @property
    def is_nested(self) -> bool:
        """Say whether an outer exchange waits for the token that is obtained now."""
        return self._depth > 0

    @contextmanager
    def nested(self) -> Iterator[None]:
        """While this is open, tokens are obtained for an outer exchange."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def look(self, key: str) -> Look:
        """Read the item of *key*, its target and the gate. Raises `ConnectionHeld`."""
        return self.take(look(self.deps, self.partition, key))

    def take(self, seen: Look) -> Look:
        """Remember the gate of *seen*; return *seen*."""
        self.gate, self.gate_read_at = seen.gate, seen.read_at
        return seen

    def read_gate(self) -> Item:
        """Read the gate again, held or not."""
        self.gate_read_at = self.deps.clock.now()
        self.gate = self.deps.store.read(self.partition, GATE)
        return self.gate

    def secret(self) -> Secret:
        """Return the version of the secret in use; it is read once."""
        if self._secret is None:
            self._secret = self.deps.secrets.current(self.connection, self._noticed_version)
            self.deps.versions_seen[self.connection] = self.deps.clock.now(), self._secret.version
        return self._secret

    def reread_secret(self) -> Secret:
        """Read the secret again: it may have another version now."""
        self._secret = None
        return self.secret()

    def use_previous(self, secret: Secret) -> None:
        """Use this version of the secret from now on: the current one was rejected."""
        self._secret = secret
        self.uses_previous = True

    def credentials(self) -> Any:
        """Return the vendor's credentials in the secret, parsed once for each version.

        Raises `NotConfigured`, which names the key that is wrong.
        """
        secret = self.secret()
        if self._parsed is None or self._parsed[0] != secret.version:
            parsed = self.deps.flow.vendor.parse(secret.content)
            self._parsed = secret.version, parsed
        return self._parsed[1]

    def is_shared(self) -> bool:
        """Say whether callers share tokens. In some flows an option of the secret decides."""
        is_shared = self.deps.flow.vendor.is_shared
        return is_shared is None or is_shared(self.credentials())

    def recent_version(self) -> str:
        """Return the version of the secret in use, as of `SECRET_RECHECK_SECONDS` ago at most.

        That is new enough for a latch, and saves a read of the secret.
        """
        if self.uses_previous:
            return self.secret().version
        seen_at, version = self.deps.versions_seen.get(self.connection, (0, ""))
        if 0 <= self.deps.clock.now() - seen_at < SECRET_RECHECK_SECONDS:
            return version
        return self.secret().version

    def record_sent(self, request: Request) -> None:
        """Remember that *request* was sent, before its answer is known."""
        self.has_sent_any = True
        self.was_login = request.proves_credentials

    def acquire(self, item: Item, *, forced: bool = False) -> Item | None:
        """Acquire the lease of *item*; None if *item* has changed since it was read.

        Raises `RefreshInProgress` if there is too little time for an exchange and its commit.
        """
        if self.seconds_left < COMMIT_SECONDS + LEAST_EXCHANGE_SECONDS:
            raise RefreshInProgress("too little time is left for an exchange", retry_after=1)
        now = self.deps.clock.now()
        until = lease_end(now, self.seconds_left, self.deps.skew)
        forced_at = now if forced else None
        return self.deps.store.acquire(item, self.deps.owner(), until, forced_at=forced_at)

    def wait_for_lease(self, item: Item, polls: int) -> None:
        """Pause before the next read, while another caller has the lease of *item*.

        *polls* is the number of pauses before this one. Raises `RefreshInProgress` if no time is
        left.
        """
        self.has_waited = True
        left = self.seconds_to_wait
        if left <= 0:
            ends = item.lease_until - self.deps.clock.now()
            raise RefreshInProgress(
                "another caller is renewing this token", retry_after=max(1, min(ends, 30))
            )
        pause = min(FIRST_POLL_SECONDS * 2 ** min(polls, 8), LAST_POLL_SECONDS)
        self.deps.clock.sleep(min(left, pause * (0.5 + self.deps.random())))

    def announce(self, what: str, version: str | None = None, **facts: Any) -> bool:
        """Send the event *what* of this connection; say whether the bus took it. Never a secret."""
        detail = {"flow": self.deps.flow.name, "connection": self.connection}
        of_version = {"secret_version": version} if version else {}
        return self.deps.announce(what, detail | of_version | facts)
