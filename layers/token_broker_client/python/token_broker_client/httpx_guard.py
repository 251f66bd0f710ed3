"""The token of one request of `httpx`: put on it, and taken off where a redirect leads elsewhere.

httpx follows redirects beneath its authentication, and drops no header but `Authorization`. Its
`trace` extension sees each request right before it is written to the connection.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import httpx

from token_broker_client import origins
from token_broker_client.origins import Origin, origin

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
        self._callers: Trace | None = request.extensions.get("trace")

    def sign(self, answer: "Answer") -> None:
        """Put a token on the request, if that goes to the token's vendor."""
        origins.check(str(self._request.url), answer.base_url)
        self._request.headers.update(answer.headers)
        self.answer = answer

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
        url = leaving.url
        port = url.port or origins.PORTS.get(url.scheme.decode())
        if Origin(url.scheme.decode(), url.host.decode(), port) != origin(self.answer.base_url):
            ours = {name.lower().encode() for name in self.answer.headers}
            leaving.headers = [pair for pair in leaving.headers if pair[0].lower() not in ours]
