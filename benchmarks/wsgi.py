"""A WSGI server that keeps connections alive, as AWS does and werkzeug's does not."""

import io
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """Answers one request after another by the server's application."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: "Server"

    def do_POST(self) -> None:
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("content-length") or 0)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server.server_port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(length),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(self.rfile.read(length)),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        self.server.requests += 1
        body = b"".join(self.server.application(environ, self._start))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST  # noqa: N815 (the library's names)

    def _start(self, status: str, headers: list[tuple[str, str]], *_: object) -> Any:
        self.send_response_only(int(status.split(maxsplit=1)[0]))
        for name, value in headers:
            if name.lower() not in {"content-length", "connection"}:
                self.send_header(name, value)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
        """Log nothing."""


class Server(ThreadingHTTPServer):
    """Serves *application* on a port of loopback."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, application: Any, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.application = application
        self.requests = 0
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that closed its connection."""


class Remembering:
    """An application that caches the answers to reads.

    moto takes a varying number of milliseconds for each. Any request that is not a read clears the
    cache.
    """

    def __init__(self, application: Any) -> None:
        self._application = application
        self._known: dict[tuple[str, bytes], tuple[str, list[tuple[str, str]], bytes]] = {}
        self.calls: Counter[str] = Counter()
        self.seconds = 0.0
        """The total seconds of the application itself."""
        self.pause = 0.0
        """The seconds of a cached answer."""

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Answer one request."""
        operation = str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")[2]
        self.calls[operation] += 1
        began = time.perf_counter()
        try:
            return list(self._answered(operation, environ, start))
        finally:
            self.seconds += time.perf_counter() - began

    def _answered(self, operation: str, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if operation not in {"GetItem", "BatchGetItem", "Decrypt"}:
            self._known.clear()
            found: Iterable[bytes] = self._application(environ, start)
            return found
        body = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(body)
        known = self._known.get((operation, body)) or self._learn(operation, body, environ)
        time.sleep(self.pause)
        start(known[0], known[1])
        return [known[2]]

    def _learn(
        self, operation: str, body: bytes, environ: dict[str, Any]
    ) -> tuple[str, list[tuple[str, str]], bytes]:
        responses: list[Any] = []
        content = b"".join(self._application(environ, lambda *answer: responses.append(answer)))
        status, headers, *_ = responses[0]
        self._known[operation, body] = status, headers, content
        return self._known[operation, body]


@contextmanager
def serving(application: Any, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve *application* during the context."""
    with Server(application, context) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()
