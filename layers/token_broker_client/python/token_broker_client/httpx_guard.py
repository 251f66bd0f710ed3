"""Adds the token to one request of `httpx`, and removes it if a redirect leads to another host.

httpx follows redirects below its authentication, and removes only `Authorization`. Its `trace`
extension is called with each request right before that is written to the connection.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx

from token_broker_client import origins

if TYPE_CHECKING:
    from token_broker_client.answers import Answer

Trace: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[None] | None]

WRITING = "send_request_headers.started"
"""The end of the event's name, for every version of HTTP."""


class Guard:
    """Guards one request, with its redirects and its second attempt."""

    answer: "Answer"
    """The token that was added last."""

    def __init__(self, request: httpx.Request) -> None:
        self.body = Body(request)
        trace = request.extensions.get("trace")
        before = getattr(trace, "__self__", None)
        # A request that is sent again has the guard of its last time, which this one replaces.
        self.callers_trace: Trace | None = (
            before.callers_trace if isinstance(before, Guard) else trace
        )

    def sign(self, request: httpx.Request, answer: "Answer") -> None:
        """Add the token to a *request*. Raises `WrongDestination` if that goes to another host."""
        origins.check(str(request.url), answer.base_url)
        request.headers.update(answer.headers)
        self.answer = answer

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Remove the token if the request goes to another host."""
        self._remove_abroad(event, info)
        if self.callers_trace:
            self.callers_trace(event, info)

    async def trace_async(self, event: str, info: Mapping[str, Any]) -> None:
        """Remove the token if the request goes to another host."""
        self._remove_abroad(event, info)
        if self.callers_trace and (awaitable := self.callers_trace(event, info)):
            await awaitable

    def _remove_abroad(self, event: str, info: Mapping[str, Any]) -> None:
        if not event.endswith(WRITING):
            return
        leaving = info["request"]
        if origins.destination(leaving.url) != origins.origin(self.answer.base_url):
            ours = {name.lower().encode() for name in self.answer.headers}
            leaving.headers = [pair for pair in leaving.headers if pair[0].lower() not in ours]


class Body:
    """A request's body, as it was before the first attempt.

    httpx can send a body or a list in memory again, and the seekable files of a form. It reads a
    plain file from the current position, so this must be restored. An iterator or an asynchronous
    file cannot be sent again.
    """

    def __init__(self, request: httpx.Request) -> None:
        stream = request.stream
        self._file: Any = getattr(stream, "_stream", None)
        self._fields = getattr(stream, "fields", None)
        self._start = start_of(self._file)

    def rewound(self, refused: httpx.Request) -> bool:
        """Prepare the body of *refused* to be sent again; say whether that is possible.

        After a redirect to a page, that request has no body.
        """
        if isinstance(refused.stream, httpx.ByteStream) or isinstance(self._file, list | tuple):
            return True
        if self._fields is not None:
            return all(is_seekable(getattr(one, "file", b"")) for one in self._fields)
        if self._start is None:
            return False
        try:
            self._file.seek(self._start)
        except Exception:  # noqa: BLE001 (a caller's file may raise anything)
            return False
        return True


def start_of(file: Any) -> int | None:
    """Return the position of a file; None for any other body, and for an asynchronous file."""
    try:
        position = file.tell()
    except Exception:  # noqa: BLE001 (same)
        return None
    if inspect.iscoroutine(position):
        position.close()  # Python warns of one that is neither awaited nor closed
    return position if isinstance(position, int) else None


def is_seekable(file: Any) -> bool:
    """Say whether a body, or a part of a form, can be read again."""
    if isinstance(file, bytes | str):
        return True
    try:
        return bool(file.seekable())
    except Exception:  # noqa: BLE001 (same)
        return False
