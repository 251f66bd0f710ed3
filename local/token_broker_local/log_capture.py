"""The log of the local system: one line for each call, made of its function's output.

In Lambda, a function's stdout goes to a log. Here `CapturedStdout` replaces it: within `capturing`
it stores the output of a thread, and `phrases` makes one readable line of that.
"""

import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TextIO

REPEATED = {"action", "check", "check failed", "unanswered"}
"""Events that repeat the beginning of the line, or the failure after it."""

TITLES = {"replaced": "new token"}
"""Events that are shown under another name: the first token replaces none."""

OMITTED = {
    "_aws",
    "action",
    "alias",
    "caller",
    "connection",
    "entrance",
    "event",
    "flow",
    "level",
    "location",
    "message",
    "request_id",
    "secret_version",
    "service",
    "since",
    "timestamp",
    "token_age",
    "variant",
}
"""Members of a function's line that are shown elsewhere in the line, or are not useful."""

OMITTED_OF = {
    "exchange": {"kind"},
    "hand-out": {"milliseconds"},
    "replaced": {"kind"},
    "unkept": {"kind"},
}
"""More of them, by the event: the line begins with the whole call's milliseconds."""

UNNAMED = {
    "code": "{}",
    "detail": "({})",
    "milliseconds": "{} ms",
    "outcome": "{}",
    "source": "from {}",
    "status": "{}",
    "step": "{}",
}
"""Formats of members that are shown without their name."""

ADJOINING = {"status", "detail"}
"""Members that follow the previous one without a comma."""

_threads = threading.local()


class CapturedStdout(io.TextIOBase):
    """A stdout that keeps the output of capturing threads, and passes on the rest.

    If the other side is closed, the rest is lost: no call fails for it.
    """

    def __init__(self, rest: TextIO) -> None:
        self.rest = rest

    def write(self, text: str) -> int:
        """Keep *text*, or pass it on."""
        captured = getattr(_threads, "captured", None)
        with suppress(OSError):
            (self.rest if captured is None else captured).write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stdout that gets the rest."""
        with suppress(OSError):
            self.rest.flush()


@contextmanager
def capturing() -> Iterator[io.StringIO]:
    """Keep what this thread writes to a `CapturedStdout` within this context."""
    _threads.captured = io.StringIO()
    try:
        yield _threads.captured
    finally:
        _threads.captured = None


def members_of(output: str) -> Iterator[Mapping[str, Any]]:
    """Yield the JSON objects in a function's output, a line each. Other lines are skipped."""
    for line in output.splitlines():
        with suppress(ValueError, RecursionError):
            members = json.loads(line)
            if isinstance(members, dict):
                yield members


def phrases(written: str) -> Iterator[str]:
    """Yield a function's output as phrases of one line."""
    return (f"| {text}" for line in written.splitlines() if (text := phrase(line)))


def phrase(line: str) -> str:
    """Return one line of a function's as a phrase: JSON by its event and members, the rest as is.

    It is empty for an event that only repeats the beginning of the line.
    """
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        return printable(line.strip())
    if not isinstance(members, dict):
        return printable(line)
    event = str(members.get("event", members.get("message", "")))
    if event in REPEATED or (event == "exchange" and members.get("outcome") == "success"):
        return ""
    return printable(f"{TITLES.get(event, event)}{shown(event, members)}")


def shown(event: str, members: Mapping[str, Any]) -> str:
    """Return the members that are shown. Metrics, in capitals, repeat others, so they are not."""
    omitted = OMITTED | OMITTED_OF.get(event, set())
    text = ""
    for name, value in members.items():
        if name in omitted or name[:1].isupper() or value is None or value is False:
            continue
        separator = ("" if name in ADJOINING else ",") if text else ":"
        member = name if value is True else UNNAMED.get(name, f"{name} {{}}").format(value)
        text += f"{separator} {member}"
    return text


def called(payload: bytes, name: str) -> str:
    """Return the cause of a call: a request, an invocation, or a changed secret."""
    try:
        event = json.loads(payload)
    except (ValueError, RecursionError):
        event = None
    match event:
        case {"requestContext": {}, "httpMethod": str(method), "path": str(path)}:
            return printable(f"{method} {path}")
        case {"detail": {"eventName": str(operation)}}:
            return printable(f"{name} received {operation}")
        case {"detail": {"labelUpdated": str(label)}}:
            return printable(f"{name} received {label}")
        case {"connection": str(connection)}:
            return printable(f"{name} {event.get('action', 'token')} {connection}")[:200]
    return f"{name} called"


def printable(text: str) -> str:
    """Return *text* without control characters, which could move the cursor or forge a line."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
