"""The AWS services, by moto: Secrets Manager, DynamoDB, KMS and EventBridge on one port."""

import threading
from typing import TYPE_CHECKING, Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from token_broker_local.atomic import Atomic
from token_broker_local.places import HOST
from token_broker_local.rotations import Deliver, Watched

if TYPE_CHECKING:
    from werkzeug.serving import BaseWSGIServer

TICK = 0.05
"""Seconds within which the server notices that it is to end."""


class Quiet(MotoRequestHandler):
    """A request handler that logs nothing, and sends an answer in one piece."""

    disable_nagle_algorithm = True
    wbufsize = -1

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (werkzeug's name)
        """Say nothing."""


def serve(port: int, deliver: Deliver) -> "BaseWSGIServer":
    """Serve the services from now on; *deliver* is told of each secret that changes."""
    moto = DomainDispatcherApplication(create_backend_app)
    application = Atomic(Watched(moto, deliver))
    server = make_server(HOST, port, application, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, args=(TICK,), daemon=True).start()
    return server
