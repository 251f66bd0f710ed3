"""Signs requests of `httpx`, sync and async, with the live token, as `requests_auth` does."""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx

from token_broker_client import origins, refusals
from token_broker_client.refusals import Call, Steps, advanced

if TYPE_CHECKING:
    from token_broker_client.answers import Answer, TokenSource

Trace: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[None] | None]

WRITING = "send_request_headers.started"
"""The end of the event's name, for every version of HTTP."""


class HttpxBrokerAuth(httpx.Auth):
    """``auth=`` of a client or of one request. Threads and tasks may share it.

    Raises `WrongDestination`, before anything is sent, if the request goes to another host than the
    vendor's, and another `BrokerError` if there is no token. If redirects are followed, the `trace`
    extension removes the token. So a custom transport must support that extension, as httpx's do.
    """

    def __init__(self, access: "TokenSource") -> None:
        self._access = access

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Do the steps."""
        guard, done = Guard(request), None
        request.extensions = {**request.extensions, "trace": guard.trace}
        steps = guard.steps(request, self._access)
        while step := advanced(steps, done):
            done = step.sync() if isinstance(step, Call) else (yield step)

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Do the steps without blocking other tasks."""
        guard, done = Guard(request), None
        request.extensions = {**request.extensions, "trace": guard.trace_async}
        steps = guard.steps(request, self._access)
        while step := advanced(steps, done):
            done = await step.for_task() if isinstance(step, Call) else (yield step)


class Guard:
    """Adds the token to one request, and removes it if a redirect leads to another host.

    httpx follows redirects below its authentication, and removes only `Authorization`. Its `trace`
    extension is called with each request right before that is written to the connection.
    """

    answer: "Answer"
    """The token that was added last."""

    def __init__(self, request: httpx.Request) -> None:
        self._files = [(file, start_of(file)) for file in files(request.stream)]
        trace = request.extensions.get("trace")
        before = getattr(trace, "__self__", None)
        # A request that is sent again has the guard of its last time, which this one replaces.
        self.callers_trace: Trace | None = (
            before.callers_trace if isinstance(before, Guard) else trace
        )

    def steps(self, request: httpx.Request, access: "TokenSource") -> Steps:
        """Yield the steps of the request. This does no I/O."""
        answer = yield Call(access.answer, access.answer_async)
        response = yield self.signed(request, answer)
        yield from refusals.steps(response, answer, self._signed_again)

    def signed(self, request: httpx.Request, answer: "Answer") -> httpx.Request:
        """Add the token to a *request*. Raises `WrongDestination` if that goes to another host."""
        origins.check(str(request.url), answer.base_url)
        request.headers.update(answer.headers)
        self.answer = answer
        return request

    def _signed_again(self, refused: httpx.Request, answer: "Answer") -> httpx.Request | None:
        """After a redirect to a page, the *refused* request has no body."""
        is_whole = isinstance(refused.stream, httpx.ByteStream)
        if is_whole or all(is_rewound(file, start) for file, start in self._files):
            return self.signed(refused, answer)
        return None

    def trace(self, event: str, info: Mapping[str, Any]) -> Awaitable[None] | None:
        """Remove the token if the request goes to another host."""
        if event.endswith(WRITING):
            leaving = info["request"]
            if origins.destination(leaving.url) != origins.origin(self.answer.base_url):
                ours = {name.lower().encode() for name in self.answer.headers}
                leaving.headers = [pair for pair in leaving.headers if pair[0].lower() not in ours]
        return self.callers_trace(event, info) if self.callers_trace else None

    async def trace_async(self, event: str, info: Mapping[str, Any]) -> None:
        """Do the same for a task."""
        if awaitable := self.trace(event, info):
            await awaitable


def files(stream: Any) -> list[Any]:
    """Return what the body in *stream* is read from: the values of a form, or one source.

    httpx can send bytes and lists again. It reads a file from where that stands, so each attempt
    must begin where the first one did. Any other source cannot be sent again.
    """
    if (fields := getattr(stream, "fields", None)) is not None:
        return [getattr(field, "file", b"") for field in fields]
    return [getattr(stream, "_stream", None)]


def start_of(file: Any) -> int | None:
    """Return the position of a file; None for any other body, and for an asynchronous file."""
    try:
        position = file.tell()
    except Exception:  # noqa: BLE001 (a caller's file may raise anything)
        return None
    if inspect.iscoroutine(position):
        position.close()  # Python warns of one that is neither awaited nor closed
    return position if isinstance(position, int) else None


def is_rewound(file: Any, start: int | None) -> bool:
    """Rewind a *file* to its *start*; say whether it can be sent again."""
    if start is None:
        return isinstance(file, bytes | str | list | tuple)
    try:
        file.seek(start)
    except Exception:  # noqa: BLE001 (same)
        return False
    return True
