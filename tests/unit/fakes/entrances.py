"""The two entrances of a fake: a call, and HTTP over loopback."""

import http.client
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from tests.waiting import PATIENCE_SECONDS
from token_broker.errors import UpstreamUnavailable
from token_broker.exchange import Request, Response
from token_broker_fakes.fake import Fake
from token_broker_fakes.serving import Server

Ask: TypeAlias = Callable[[Fake[Any], Request], Response]
"""Sends a request to a fake and returns its answer."""


def by_call(fake: Fake[Any], request: Request) -> Response:
    """Call the fake."""
    return fake(request)


@dataclass
class ByHttp:
    """Serves each fake it meets, keeps one connection to it, and sends the URL's host along."""

    servers: dict[int, Server] = field(default_factory=dict)
    connections: dict[int, http.client.HTTPConnection] = field(default_factory=dict)

    def __call__(self, fake: Fake[Any], request: Request) -> Response:
        try:
            return self.send(self.connection(fake), request)
        except (OSError, http.client.HTTPException) as error:
            self.connections.pop(id(fake)).close()
            raise UpstreamUnavailable(type(error).__name__) from error

    def connection(self, fake: Fake[Any]) -> http.client.HTTPConnection:
        if id(fake) not in self.servers:
            self.servers[id(fake)] = fake.serve()
        if id(fake) not in self.connections:
            address = self.servers[id(fake)].address
            self.connections[id(fake)] = http.client.HTTPConnection(
                address, timeout=PATIENCE_SECONDS
            )
        return self.connections[id(fake)]

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
        for connection in self.connections.values():
            connection.close()
        for server in self.servers.values():
            server.close()
