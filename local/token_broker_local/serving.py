"""HTTP/1.1 for the gateway: connections are kept alive, and each has a thread."""

import string
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

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

LENGTH_DIGITS = len(str(BODY_LIMIT))
"""The most digits of a length: `int` refuses very long numbers."""

HEX_DIGITS = string.hexdigits.encode()

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
            answer = self.server.gateway.answer(self.incoming())
        except GatewayError as refusal:
            self.close_connection = True
            answer = refused(refusal, Ids())
        self.send(answer)

    def incoming(self) -> HttpRequest:
        """Return the request, its body read."""
        path, _, query = self.path.partition("?")
        headers = [*self.headers.items()]
        return HttpRequest(self.command, path, query, headers, self.body(), self.client_address[0])

    def body(self) -> bytes:
        """Read the body, if it is not too large."""
        if self.headers.get("Transfer-Encoding"):
            return self.chunks()
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            raise messages.bad_request()
        if len(length) > LENGTH_DIGITS or int(length) > BODY_LIMIT:
            raise messages.too_large()
        return self.rfile.read(int(length))

    def chunks(self) -> bytes:
        """Read a chunked body."""
        body = b""
        while size := self.chunk_size():
            if len(body) + size > BODY_LIMIT:
                raise messages.too_large()
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def chunk_size(self) -> int:
        """Read how long the next part of the body is."""
        size = self.rfile.readline(100).partition(b";")[0].strip()
        if not size or size.strip(HEX_DIGITS):
            raise messages.bad_request()
        return int(size, 16)

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
