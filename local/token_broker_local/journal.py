"""What happens, for whoever watches: a line for each call, made of what its function wrote.

In Lambda, a function's stdout goes to a log. Here `Ear` stands in its place: what a thread writes
while it `listens` is kept, and `told` makes one readable line of it.
"""

import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

UNSAID = {
    "_aws",
    "event",
    "flow",
    "service",
    "connection",
    "request_id",
    "caller",
    "entrance",
    "message",
    "level",
    "location",
    "timestamp",
    "variant",
    "token_age",
}
"""Members of a function's line that the reader knows already, or does not need here."""

PLAIN = {
    "code": "{}",
    "detail": "({})",
    "milliseconds": "{} ms",
    "outcome": "{}",
    "source": "{}",
    "status": "{}",
    "step": "{}",
}
"""How a fact is said whose name would say nothing."""

_hearers = threading.local()


class Ear(io.TextIOBase):
    """A stdout that keeps what is written by a thread that listens, and passes on the rest."""

    def __init__(self, rest: TextIO) -> None:
        self.rest = rest

    def write(self, text: str) -> int:
        """Take what somebody prints."""
        heard = getattr(_hearers, "heard", None)
        return self.rest.write(text) if heard is None else heard.write(text)

    def flush(self) -> None:
        """Pass on what is waiting."""
        self.rest.flush()


@contextmanager
def listening() -> Iterator[io.StringIO]:
    """Keep what this thread writes to an `Ear`, for as long as this lasts."""
    _hearers.heard = io.StringIO()
    try:
        yield _hearers.heard
    finally:
        _hearers.heard = None


def told(heard: str) -> Iterator[str]:
    """Yield what a function wrote as phrases of one line."""
    return (f"| {phrase(line)}" for line in heard.splitlines() if line.strip())


def phrase(line: str) -> str:
    """Return one line of a function's as a phrase: JSON by its event and facts, the rest as is."""
    try:
        facts = json.loads(line)
    except (ValueError, RecursionError):
        return printable(line)
    if not isinstance(facts, dict):
        return printable(line)
    event = facts.get("event", facts.get("message", ""))
    return printable(" ".join([f"{event}:", *said(facts)]).removesuffix(":"))


def said(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the facts that are worth their room: metrics repeat others, under capital letters."""
    for name, value in facts.items():
        if name in UNSAID or name[:1].isupper() or value in (None, False):
            continue
        yield PLAIN.get(name, f"{name} {{}}").format(value)


def called(payload: bytes, name: str) -> str:
    """Return what a function was called for: a request, a direct call, or a secret's change."""
    try:
        event = json.loads(payload)
    except (ValueError, RecursionError):
        event = None
    match event:
        case {"requestContext": {}, "httpMethod": str(method), "path": str(path)}:
            return printable(f"{method} {path}")
        case {"detail": {"eventName": str(operation)}}:
            return printable(f"{name} told of {operation}")
        case {"detail": {"labelUpdated": str(label)}}:
            return printable(f"{name} told of {label}")
        case {"connection": str(connection)}:
            return printable(f"{name} {event.get('action', 'token')} {connection}"[:200])
    return f"{name} called"


def printable(text: str) -> str:
    """Return *text* without anything that could move a terminal's cursor or forge a line."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
