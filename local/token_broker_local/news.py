"""What the functions told the event bus, in words for a person: the newest of it, in memory.

Each event is a line of the functions' log, too (docs/events.md), so the lines are enough. Only the
members that are named here are told; none of them is a token.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST = 200
"""Events that are kept."""

LONGEST = 300
"""Characters of a sentence that are shown."""

WORDS: Mapping[str, str] = {
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
"""The text for each event, with the event's members. An absent member is shown as none."""


@dataclass(slots=True)
class News:
    """Keeps the events in the functions' output."""

    clock: Callable[[], float] = time.time
    _kept: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=MOST), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def hear(self, heard: str) -> None:
        """Read the output of a function in one call."""
        found = [{"at": self.clock(), **each} for each in events(heard)]
        with self._lock:
            self._kept.extend(found)

    def told(self, flow: str | None = None) -> list[Mapping[str, Any]]:
        """Return the events of *flow*, or of all flows: the newest first."""
        with self._lock:
            return [one for one in reversed(self._kept) if flow in (None, one["flow"])]


def events(heard: str) -> Iterator[Mapping[str, Any]]:
    """Yield the events in a function's output, in order. Other lines are skipped."""
    for line in heard.splitlines():
        try:
            facts = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(facts, dict) or facts.get("event") not in WORDS:
            continue
        yield {
            "flow": str(facts.get("flow", "")),
            "connection": str(facts.get("connection", "")),
            "event": facts["event"],
            "words": words(facts),
        }


def words(facts: Mapping[str, Any]) -> str:
    """Return the sentence for a line of the log."""
    return WORDS[facts["event"]].format_map(Shown(facts))[:LONGEST]


class Shown(dict[str, Any]):
    """Members of a line as they are shown."""

    def __getitem__(self, name: str) -> str:
        """Return a member in words."""
        value = self.get(name)
        return "none" if value is None else str(value)
