"""The log of a fake: the requests, and their answers."""

import re
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from token_broker_fakes.faults import LOST
from token_broker_fakes.wire import Answer, Call

KEPT = 10_000
"""Entries that a log keeps: a fake may be served for days."""


BASIC = re.compile(r"(?i)(basic\s+)\S+")
MASK = "…"


class Masks:
    """Masks the values of the headers and members *names*, so that no log shows credentials."""

    def __init__(self, names: Collection[str]) -> None:
        listed = "|".join(re.escape(name) for name in sorted(names)) or "(?!)"
        self._headers = {name.lower() for name in names}
        self._json = re.compile(rf'("(?:{listed})"\s*:\s*)"(?:[^"\\]|\\.)*"')
        self._form = re.compile(rf"((?:^|&)(?:{listed})=)[^&]*")

    def header(self, name: str, value: str) -> str:
        """Return a header's value, unless it holds credentials."""
        return MASK if name.lower() in self._headers else BASIC.sub(rf"\1{MASK}", value)

    def body(self, text: str) -> str:
        """Return *text*, JSON or a form, without the values of credentials."""
        return self._form.sub(rf"\1{MASK}", self._json.sub(rf'\1"{MASK}"', text))


@dataclass(slots=True)
class Entry:
    """One request, and its effects."""

    sequence: int
    """Place among all requests of this fake, from 1."""
    at: float
    step: str
    method: str
    host: str
    path: str
    query: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    """Names as they were sent."""
    body: bytes = field(repr=False)
    status: int
    """The answer, even if it was *lost*."""
    led_to: str
    faults: tuple[str, ...]
    masks: Masks = field(repr=False)

    @property
    def is_lost(self) -> bool:
        """Say whether no answer reached the caller."""
        return not LOST.isdisjoint(self.faults)

    def header(self, name: str) -> str | None:
        """Return a header's value. The case of the name is ignored."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def describe(self) -> dict[str, Any]:
        """Return this entry as JSON has it, with credentials masked; tokens are shown."""
        return {
            "sequence": self.sequence,
            "at": self.at,
            "step": self.step,
            "method": self.method,
            "host": self.host,
            "path": self.path,
            "query": self.query,
            "headers": [(name, self.masks.header(name, value)) for name, value in self.headers],
            "body": self.masks.body(self.body.decode(errors="replace")),
            "status": self.status,
            "led_to": self.led_to,
            "faults": self.faults,
            "is_lost": self.is_lost,
        }


class Log:
    """The latest requests, and how many there were of each step."""

    def __init__(self, secrets: Collection[str]) -> None:
        self._masks = Masks(secrets)
        self.entries: deque[Entry] = deque(maxlen=KEPT)
        self.counts: Counter[str] = Counter()
        self.unknown: list[str] = []
        """Requests without a route: a test can assert that there were none."""
        self.breaches: list[str] = []
        """Requests that leak credentials: a test can assert that there were none."""
        self.sequence = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self.entries))

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Entry:
        return self.entries[index]

    def of(self, step: str) -> list[Entry]:
        """Return the requests of *step*, oldest first."""
        return [entry for entry in self if entry.step == step]

    @property
    def steps(self) -> list[str]:
        """The step of each request, oldest first."""
        return [entry.step for entry in self]

    def add(
        self, at: float, step: str, call: Call, answer: Answer, faults: tuple[str, ...] = ()
    ) -> None:
        """Add an entry for one request."""
        self.sequence += 1
        self.counts[step] += 1
        entry = Entry(
            self.sequence,
            at,
            step,
            call.method,
            call.host,
            call.path,
            call.query,
            call.raw,
            call.content,
            answer.status,
            answer.led_to,
            faults,
            self._masks,
        )
        self.entries.append(entry)

    def clear(self) -> None:
        """Remove all entries; the sequence numbers continue."""
        self.entries.clear()
        self.counts.clear()
        self.unknown.clear()
        self.breaches.clear()
