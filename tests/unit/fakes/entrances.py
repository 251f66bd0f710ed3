"""The two entrances of a fake: a call, and HTTP over loopback."""

import http.client
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from tests.waiting import PATIENCE_SECONDS
from token_broker.errors import UpstreamUnavailable
from token_broker.exchange import Request, Response
from token_broker_fakes.fake import Fake

Ask: TypeAlias = Callable[[Fake[Any], Request], Response]
"""Sends a request to a fake and returns its answer."""


def by_call(fake: Fake[Any], request: Request) -> Response:
    """Call the fake."""
    return fake(request)


class ByHttp:
    """Serves each fake it meets, keeps one connection to it, and sends the URL's host along."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._connections: dict[int, http.client.HTTPConnection] = {}

    def __call__(self, fake: Fake[Any], request: Request) -> Response:
        try:
            return self.send(self.connection(fake), request)
        except (OSError, http.client.HTTPException) as error:
            self.connection(fake).close()
            raise UpstreamUnavailable(type(error).__name__) from error

    def connection(self, fake: Fake[Any]) -> http.client.HTTPConnection:
        if id(fake) not in self._connections:
            address = self._open.enter_context(fake.serve()).address
            connection = http.client.HTTPConnection(address, timeout=PATIENCE_SECONDS)
            self._connections[id(fake)] = self._open.enter_context(closing(connection))
        return self._connections[id(fake)]

    def send(self, connection: http.client.HTTPConnection, request: Request) -> Response:
        url = urlsplit(request.url)
        headers = {"Host": url.netloc, **request.headers}
        if request.body:
            headers.setdefault("content-type", "application/json")
        path = f"{url.path}?{url.query}" if url.query else url.path
        connection.request(request.method, path, request.body, headers)
        answer = connection.getresponse()
        content = answer.read()
        names = {name.lower(): value for name, value in answer.getheaders()}
        names.pop("content-length", None)
        return Response(answer.status, names, content)

    def close(self) -> None:
        self._open.close()
