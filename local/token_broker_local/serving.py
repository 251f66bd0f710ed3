"""HTTP/1.1 for the gateway: connections are kept alive, and each has a thread."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

from token_broker_fakes.request_handler import Unreadable, body_of
from token_broker_fakes.serving import LingeringServer
from token_broker_local import messages
from token_broker_local.addresses import HOST
from token_broker_local.gateway import Gateway
from token_broker_local.messages import BODY_LIMIT, GatewayError, HttpRequest, HttpResponse
from token_broker_local.proxy_events import Ids
from token_broker_local.proxy_responses import refused

TICK = 0.05
"""Seconds between two checks of the server whether it is to end."""

IDLE = 60.0
"""Seconds after which an idle connection is closed."""

BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class GatewayServer(LingeringServer):
    """The gateway on a port of this machine."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, gateway: Gateway, port: int) -> None:
        super().__init__((HOST, port), Exchange)
        self.gateway = gateway


@contextmanager
def serving(gateway: Gateway, port: int) -> Iterator[int]:
    """Serve *gateway* within this context on *port*, or on the free one that is yielded."""
    with GatewayServer(gateway, port) as server, in_thread(server) as served:
        yield served


@contextmanager
def in_thread(server: HTTPServer) -> Iterator[int]:
    """Run *server* in a thread within this context; yield its port."""
    thread = threading.Thread(target=server.serve_forever, args=(TICK,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()


class Exchange(BaseHTTPRequestHandler):
    """Reads requests from a connection, and writes the gateway's answers."""

    server: GatewayServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE
    disable_nagle_algorithm = True
    wbufsize = -1  # a response is sent in one piece, without waiting for an acknowledgement

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Answer every method: the gateway decides whether there is a route for it."""
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        """Answer one request."""
        try:
            body = body_of(self.headers, self.rfile, BODY_LIMIT)
        except Unreadable as error:
            self.close_connection = True
            is_large = error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            refusal = messages.too_large() if is_large else messages.bad_request()
            self.send(refused(refusal, Ids()))
            return
        path, _, query = self.path.partition("?")
        headers, client = [*self.headers.items()], self.client_address[0]
        request = HttpRequest(self.command, path, query, headers, body, client)
        self.send(self.server.gateway.answer(request))

    def send(self, answer: HttpResponse) -> None:
        """Write *answer*."""
        self.send_response_only(answer.status)
        self.send_header("Date", self.date_time_string())
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status not in BODILESS:
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and answer.status not in BODILESS:
            self.wfile.write(answer.body)

    def send_error(
        self,
        code: int,
        message: str | None = None,  # noqa: ARG002 (http.server's form)
        explain: str | None = None,  # noqa: ARG002 (same)
    ) -> None:
        """Refuse malformed HTTP as the gateway does, not with an HTML page."""
        self.close_connection = True
        phrase = HTTPStatus(code).phrase
        self.send(refused(GatewayError(code, "BadRequestException", phrase), Ids()))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name)
        """Write nothing: the functions write their own log."""
