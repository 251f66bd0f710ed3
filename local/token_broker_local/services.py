"""The AWS services, by moto: Secrets Manager, DynamoDB, KMS and EventBridge on one port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from token_broker_local.addresses import HOST
from token_broker_local.atomic import Atomic
from token_broker_local.secret_events import Deliver, Watched

TICK = 0.05
"""Seconds within which the server notices that it is to end."""


class Quiet(MotoRequestHandler):
    """A request handler that logs nothing, and sends an answer in one piece."""

    disable_nagle_algorithm = True
    wbufsize = -1

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (werkzeug's name)
        """Say nothing."""


@contextmanager
def serving(port: int, deliver: Deliver) -> Iterator[int]:
    """Serve the services for as long as this lasts, on *port*, or on the free one that is yielded.

    *deliver* is told of each secret that changes.
    """
    moto = DomainDispatcherApplication(create_backend_app)
    application = Atomic(Watched(moto, deliver))
    with make_server(HOST, port, application, threaded=True, request_handler=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(TICK,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
