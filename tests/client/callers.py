"""Sends requests to a vendor through requests, httpx or httpx's async client."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import httpx
import requests

from tests.waiting import PATIENCE_SECONDS
from token_broker_client import Access

Library: TypeAlias = Literal["requests", "httpx", "async httpx"]
LIBRARIES: tuple[Library, ...] = ("requests", "httpx", "async httpx")

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without any authorities, which take a tenth of a second to load for each client."""


@dataclass(frozen=True, slots=True)
class Response:
    """The final response of a vendor."""

    status: int
    text: str


class Caller:
    """Signs its requests with *access*; follows redirects."""

    def __init__(self, library: Library, access: Access) -> None:
        self.library = library
        self._auth: Any = access.auth() if library == "requests" else access.httpx_auth()

    def send(self, method: str, url: str, body: Any = None, **options: Any) -> Response:
        """Return the final response."""
        if self.library == "requests":
            with requests.Session() as session:
                session.auth = self._auth
                answer = session.request(
                    method, url, data=body, timeout=PATIENCE_SECONDS, **options
                )
                return Response(answer.status_code, answer.text)
        if self.library == "httpx":
            with httpx.Client(
                auth=self._auth, follow_redirects=True, verify=NO_TLS, timeout=PATIENCE_SECONDS
            ) as client:
                reply = client.request(method, url, **body_argument(body), **options)
                return Response(reply.status_code, reply.text)
        return asyncio.run(self._sent(method, url, body, options))

    async def _sent(self, method: str, url: str, body: Any, options: dict[str, Any]) -> Response:
        content = async_chunks(body) if isinstance(body, Iterator) else body
        async with httpx.AsyncClient(
            auth=self._auth, follow_redirects=True, verify=NO_TLS, timeout=PATIENCE_SECONDS
        ) as client:
            reply = await client.request(method, url, **body_argument(content), **options)
            return Response(reply.status_code, reply.text)


def body_argument(body: Any) -> dict[str, Any]:
    """Return *body* under httpx's name for it: a form's fields, or the content itself."""
    return {"data" if isinstance(body, dict) else "content": body}


async def async_chunks(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield *chunks* as an async client wants them."""
    for chunk in chunks:
        yield chunk
