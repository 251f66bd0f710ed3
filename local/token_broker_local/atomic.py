"""One lock around moto, whose conditional writes are not atomic between threads.

A conditional `UpdateItem` of moto's reads, decides and writes in steps, so of several threads more
than one may win. What races through moto therefore passes one of these::

    server = make_server(host, port, Atomic(DomainDispatcherApplication(create_backend_app)))

    with mock_aws(), one_at_a_time():
        ...  # threads that write through boto3

Both take `LOCK`, so that they may be mixed.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LOCK = threading.RLock()
"""Held for as long as moto works on one request."""


class Atomic:
    """A WSGI application that works on one request at a time.

    The body is read before the lock is taken, so that a slow client keeps nobody waiting.
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


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let moto's mock in this process work on one request at a time, for as long as this lasts."""
    from moto.core.models import botocore_stubber  # noqa: PLC0415 (moto is slow to import)

    inner: Callable[[Any], Any] = botocore_stubber.process_request

    def locked(request: Any) -> Any:
        with LOCK:
            return inner(request)

    vars(botocore_stubber)["process_request"] = locked
    try:
        yield
    finally:
        del vars(botocore_stubber)["process_request"]
