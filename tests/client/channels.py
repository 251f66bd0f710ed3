"""Channels that simulate a broker without a store, and record the calls."""

import hashlib
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.client.systems import tries
from tests.waiting import PATIENCE_SECONDS
from token_broker_client import Access, Answer, Broker, BrokerError
from token_broker_client.cache import Cache
from token_broker_client.deadline import Deadline, Patience
from token_broker_client.request import Command, Flow

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def document(generation: int = 1, **members: Any) -> dict[str, Any]:
    """Return an answer as the broker writes it; *members* replace the defaults."""
    value = f"token-{generation}"
    return {
        "flow": "vntana",
        "connection": "acme",
        "headers": {"X-AUTH-TOKEN": f"Bearer {value}"},
        "base_url": "https://api-platform.vntana.com",
        "expires_at": "2026-11-22T11:00:00Z",
        "refresh_after": "2026-11-22T10:55:00Z",
        "fingerprint": hashlib.sha256(value.encode()).hexdigest()[:16],
        "generation": generation,
        "source": "table",
        "stale": False,
        "context": {"organization": "uuid"},
    } | members


class IssuingChannel:
    """A channel that calls *issue* if there is no token, or if the current one was rejected."""

    def __init__(self, issue: Callable[[], Mapping[str, Any]], flow: str = "vntana") -> None:
        self.issue = issue
        self.flow = flow
        self.commands: list[Command] = []
        self.errors: list[BrokerError] = []
        """Raised one by one before the first answer."""
        self.current: dict[str, Any] = {}
        self.lock = threading.Lock()

    def call(self, command: Command, deadline: Deadline) -> Mapping[str, Any]:
        """Answer as the broker does."""
        assert deadline.left > 0
        with self.lock:
            self.commands.append(command)
            if self.errors:
                raise self.errors.pop(0)
            if not self.current or command.body.get("rejected") == self.current["fingerprint"]:
                self.current = self.made(command)
            return self.current

    def made(self, command: Command) -> dict[str, Any]:
        """Make a token that lives for an hour from now."""
        issued = self.issue()
        now = datetime.now(UTC)
        return document(
            self.current.get("generation", 0) + 1,
            flow=self.flow,
            connection=command.connection,
            headers=issued["headers"],
            base_url=issued["base_url"],
            expires_at=(now + timedelta(hours=1)).isoformat(),
            refresh_after=(now + timedelta(minutes=50)).isoformat(),
            fingerprint=hashlib.sha256(repr(issued).encode()).hexdigest()[:16],
        )

    @property
    def bodies(self) -> list[Mapping[str, Any]]:
        """The bodies of the commands, in order."""
        return [command.body for command in self.commands]

    def access(self) -> Access:
        """Return access through this channel, with a cache of its own and two attempts."""
        broker = Broker(self, tries(2), Cache())
        return broker.access(self.flow, "acme")  # type: ignore[arg-type]  # one of the flows


class RecordingChannel:
    """A channel that records its commands, and answers each with a new token."""

    def __init__(self, **members: Any) -> None:
        self.members = members
        self.calls: list[tuple[Command, int]] = []
        self.error: Exception | None = None
        """Raised by each call, if it is set."""

    def call(self, command: Command, deadline: Deadline) -> dict[str, Any]:
        """Answer."""
        self.calls.append((command, round(deadline.left)))
        if self.error:
            raise self.error
        named = {"flow": command.flow, "connection": command.connection}
        return document(len(self.calls), **named | self.members)

    def access(self, flow: Flow) -> Access:
        """Return access through this channel, with a cache of its own whose clock stands."""
        return Broker(self, cache=Cache(clock=NOW.timestamp)).access(flow, "acme")


class Answering:
    """A channel that answers by a function."""

    def __init__(self, call: Callable[[Command, Deadline], Any]) -> None:
        self._call = call

    def call(self, command: Command, deadline: Deadline) -> Any:
        """Answer."""
        return self._call(command, deadline)


class HangingChannel:
    """A channel whose calls block until `go` is set."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def call(self, command: Command, deadline: Deadline) -> dict[str, Any]:
        """Answer once `go` is set."""
        assert deadline
        assert self.go.wait(PATIENCE_SECONDS)
        return document(flow=command.flow)


class UnusedChannel:
    """A channel that fails the test if it is called."""

    def call(self, command: Command, deadline: Deadline) -> Mapping[str, Any]:
        """Fail."""
        raise AssertionError(command, deadline)


def access(clock: Callable[[], float] = NOW.timestamp) -> Access:
    """Return access through a channel that must not be called."""
    return Broker(UnusedChannel(), Patience(0.5), Cache(clock=clock)).access("vntana", "acme")


def answer(generation: int = 1, **members: Any) -> Answer:
    """Return an answer."""
    return Answer.of(access(), document(generation, **members))
