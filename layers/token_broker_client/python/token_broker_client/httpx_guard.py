"""The token of one request of `httpx`: put on it, and taken off where a redirect leads elsewhere.

httpx follows redirects beneath its authentication, and drops no header but `Authorization`. Its
`trace` extension sees each request right before it is written to the connection.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx

from token_broker_client import origins

if TYPE_CHECKING:
    from token_broker_client.answers import Answer

Trace: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[None] | None]

WRITING = "send_request_headers.started"
"""How the event's name ends, whatever the version of HTTP."""


class Guard:
    """Goes with one request on its way, redirects and second try included."""

    answer: "Answer"
    """The token that was put on last."""

    def __init__(self, request: httpx.Request) -> None:
        self._request = request
        self._body = Body(request)
        self._callers: Trace | None = request.extensions.get("trace")

    def sign(self, answer: "Answer") -> None:
        """Put a token on the request, if that goes to the token's vendor."""
        origins.check(str(self._request.url), answer.base_url)
        self._request.headers.update(answer.headers)
        self.answer = answer

    def rewound(self) -> bool:
        """Say whether the request can be sent again, and make it ready for that."""
        return self._body.rewound()

    def is_signed(self, request: httpx.Request) -> bool:
        """Say whether *request*, which may be the last hop of a redirect, went out with it."""
        return origins.is_home(str(request.url), self.answer.base_url) and all(
            request.headers.get(name) == value for name, value in self.answer.headers.items()
        )

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Take the token off what goes elsewhere."""
        self._see(event, info)
        if self._callers:
            self._callers(event, info)

    async def trace_async(self, event: str, info: Mapping[str, Any]) -> None:
        """Take the token off what goes elsewhere."""
        self._see(event, info)
        if self._callers and (waits := self._callers(event, info)):
            await waits

    def _see(self, event: str, info: Mapping[str, Any]) -> None:
        if not event.endswith(WRITING):
            return
        leaving = info["request"]
        if origins.destination(leaving.url) != origins.origin(self.answer.base_url):
            ours = {name.lower().encode() for name in self.answer.headers}
            leaving.headers = [pair for pair in leaving.headers if pair[0].lower() not in ours]


class Body:
    """A request's body, as it was before it was sent the first time.

    httpx keeps what is in memory. Of a file it reads on from where it is, so that place has to be
    known; the files of a form it begins anew by itself, where they can be. An iterator is gone.
    """

    def __init__(self, request: httpx.Request) -> None:
        self._is_kept = is_kept(request)
        stream = request.stream
        self._file = getattr(stream, "_stream", None)
        self._fields = getattr(stream, "fields", None)
        self._start = None if self._is_kept else start_of(self._file)

    def rewound(self) -> bool:
        """Say whether the body can be sent again, and make it ready for that."""
        if self._is_kept:
            return True
        if self._fields is not None:
            return all(is_seekable(getattr(one, "file", b"")) for one in self._fields)
        if self._file is None or self._start is None:
            return False
        try:
            self._file.seek(self._start)
        except Exception:  # noqa: BLE001 (a file of the caller's, of any kind, may raise anything)
            return False
        return True


def is_kept(request: httpx.Request) -> bool:
    """Say whether the body is all in memory."""
    try:
        request.content  # noqa: B018 (that it can be had is the question)
    except httpx.RequestNotRead:
        return False
    return True


def start_of(file: Any) -> int | None:
    """Return where a file is; None for what is no file that can be read again."""
    if not is_seekable(file) or isinstance(file, bytes | str):
        return None
    try:
        place: int = file.tell()
    except Exception:  # noqa: BLE001 (same)
        return None
    return place


def is_seekable(file: Any) -> bool:
    """Say whether what is to be sent can be read again."""
    if isinstance(file, bytes | str):
        return True
    try:
        return bool(file.seekable())
    except Exception:  # noqa: BLE001 (same)
        return False
