"""The AWS services, by moto: Secrets Manager, DynamoDB, KMS and EventBridge on one port.

moto's conditional writes are not atomic between threads: `UpdateItem` reads, decides and writes in
steps, so several threads may succeed. `Atomic` processes one request at a time.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from token_broker_local.addresses import HOST
from token_broker_local.messages import LOOPBACK
from token_broker_local.secret_events import Deliver, watched
from token_broker_local.serving import in_thread

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LOCK = threading.RLock()
"""Held while moto processes one request."""


class Dispatcher(DomainDispatcherApplication):
    """moto's services, found once for each host.

    moto lists its own folder for each request. That takes as long as to answer one.
    """

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._backend = lru_cache(maxsize=100)(super().get_backend_for_host)

    def get_backend_for_host(self, host: str | None) -> Any:
        """Return the name of the service that *host* is of."""
        return self._backend(host)


class Atomic:
    """A WSGI application that processes one request at a time.

    The body is read before the lock is taken, so that a slow client delays no other.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self.application = application

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request, alone."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(length))
        with LOCK:
            return list(self.application(environ, start_response))


def without_pages(application: "WSGIApplication") -> "WSGIApplication":
    """Return *application*, refusing what a page of a browser sends.

    moto asks for no signature, and lets the pages of every site read its answers.
    """

    def guarded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if "HTTP_ORIGIN" in environ or not LOOPBACK.fullmatch(environ.get("HTTP_HOST", "")):
            start_response("403 Forbidden", [("Content-Length", "0")])
            return []
        return application(environ, start_response)

    return guarded


class Quiet(MotoRequestHandler):
    """A request handler that logs nothing, and sends an answer in one piece."""

    disable_nagle_algorithm = True
    wbufsize = -1

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (werkzeug's name)
        """Print nothing."""


@contextmanager
def serving(port: int, deliver: Deliver) -> Iterator[int]:
    """Serve the services within this context on *port*, or on the free one that is yielded.

    *deliver* is called with each event of a changed secret.
    """
    application = without_pages(Atomic(watched(Dispatcher(), deliver)))
    with (
        make_server(HOST, port, application, threaded=True, request_handler=Quiet) as server,
        in_thread(server) as served,
    ):
        yield served
