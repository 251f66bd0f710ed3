"""A fake behind a real HTTP/1.1 server on loopback."""

import socket
import socketserver
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from token_broker_fakes.request_handler import RequestHandler

if TYPE_CHECKING:
    from token_broker_fakes.fake import Fake

PATIENCE = 0.5
"""Seconds after which a server checks whether it is to end, if its shutdown does not wake it."""

LINGER_SECONDS = 2.0
"""How long further bytes of a client are read and ignored."""

PIECE_BYTES = 1 << 16


class PortTaken(OSError):
    """Another process listens on this port."""


class LingeringServer(ThreadingHTTPServer):
    """A threading HTTP server whose clients can read the last response of a connection."""

    request_queue_size = 128

    def server_bind(self) -> None:
        """Bind without a reverse DNS lookup of the address."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def shutdown_request(self, request: Any) -> None:
        """Close the connection after its client has read the response."""
        linger(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that disconnected; print any other exception."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Server(LingeringServer):
    """A fake that is served over HTTP until `close`, which ends its connections at once."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, fake: "Fake[Any]", host: str, port: int) -> None:
        try:
            super().__init__((host, port), RequestHandler)
        except OSError as error:
            raise PortTaken(f"port {port} on {host}: {error.strerror}") from error
        self.fake = fake
        self.address = f"{host}:{self.server_port}"
        self.url = f"http://{self.address}"
        self.is_closing = threading.Event()
        self.connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept_connections, daemon=True)
        self._thread.start()
        fake.servers.append(self)

    def __exit__(self, *args: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving at once."""
        self.fake.servers.remove(self)
        self.is_closing.set()
        shut_down(self.socket)
        self._thread.join()
        for connection in tuple(self.connections):
            shut_down(connection)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Keep the connection, and handle it in a separate thread."""
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection, and drop it."""
        super().shutdown_request(request)
        self.connections.discard(request)

    def _accept_connections(self) -> None:
        """Accept connections until `is_closing`, without the polling of `serve_forever`."""
        self.socket.settimeout(PATIENCE)
        while not self.is_closing.is_set():
            try:
                request, address = self.get_request()
            except OSError:
                continue
            self.process_request(request, address)


def shut_down(connection: socket.socket) -> None:
    """Shut down a connection; a thread that reads from it wakes up."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def linger(connection: socket.socket) -> None:
    """Shut down writing, then read until the client has finished, at most `LINGER_SECONDS`.

    A socket that is closed with something unread resets the connection, and the reset overtakes
    the answer: a client that is still sending a refused body would not see why it was refused.
    See https://www.rfc-editor.org/rfc/rfc9112#section-9.6.
    """
    until = time.monotonic() + LINGER_SECONDS
    try:
        connection.shutdown(socket.SHUT_WR)
        while (left := until - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(PIECE_BYTES):
                return
    except OSError:
        return  # the client is gone, is silent for too long, or was cut off by a fault
