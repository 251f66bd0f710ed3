"""The latest events of the functions, described in sentences, in bounded memory.

Each event of the bus is also a line of the functions' log (docs/events.md). Only the members in
`SENTENCES` are shown; none of them is a token.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from token_broker_local.log_capture import members_of

MAX_EVENTS = 200
"""Events that are kept at most."""

MAX_CHARACTERS = 300
"""The most characters of a sentence."""

SENTENCES: Mapping[str, str] = {
    "held": "{by} holds it: {reason}",
    "lifted": "{by} lifted the hold",
    "latched": "the vendor refused the credentials; version {secret_version} is not tried again",
    "recovered": "the latch is over: a login worked, or somebody lifted it",
    "down": "the vendor has not answered since {since}",
    "up": "the vendor answers again; it did not since {since}",
    "replaced": "new token {fingerprint}, generation {generation}; it replaces {replaces}",
    "unkept": "the token {fingerprint} could not be kept: {code}; one caller has it",
    "unannounced": "the bus did not take an event ({what}): {reason}",
}
"""The sentence for each event, with the event's members. An absent member is shown as none."""


@dataclass(slots=True)
class EventLog:
    """Keeps the latest events in the functions' output."""

    clock: Callable[[], float] = time.time
    _events: deque[Mapping[str, Any]] = field(
        default_factory=lambda: deque(maxlen=MAX_EVENTS), init=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def record(self, output: str) -> None:
        """Read the output of a function in one call."""
        found = [{"at": self.clock(), **event} for event in events(output)]
        with self._lock:
            self._events.extend(found)

    def latest(self, flow: str | None = None) -> list[Mapping[str, Any]]:
        """Return the events of *flow*, or of all flows: the newest first."""
        with self._lock:
            return [event for event in reversed(self._events) if flow in (None, event["flow"])]


def events(output: str) -> Iterator[Mapping[str, Any]]:
    """Yield the events in a function's output, in order. Other lines are skipped."""
    for members in members_of(output):
        if members.get("event") in SENTENCES:
            yield {
                "flow": str(members.get("flow", "")),
                "connection": str(members.get("connection", "")),
                "event": members["event"],
                "text": sentence(members),
            }


def sentence(members: Mapping[str, Any]) -> str:
    """Return the sentence for a line of the log."""
    return SENTENCES[members["event"]].format_map(TextMembers(members))[:MAX_CHARACTERS]


class TextMembers(dict[str, Any]):
    """Members of a line as text."""

    def __getitem__(self, name: str) -> str:
        """Return a member as text."""
        value = self.get(name)
        return "none" if value is None else str(value)
