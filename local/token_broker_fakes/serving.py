"""A fake behind a real HTTP/1.1 server on loopback."""

import socket
import socketserver
import threading
import time
from http.server import HTTPServer, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from token_broker_fakes.visits import Visit

if TYPE_CHECKING:
    from token_broker_fakes.fake import Fake

PATIENCE = 0.5
"""Seconds after which a server looks whether it is to end, where hanging up does not wake it."""

LINGER_SECONDS = 2.0
"""How long further bytes of a client are read and ignored."""

PIECE_BYTES = 1 << 16


class PortTaken(OSError):
    """Something else listens on this port already."""


class Door(ThreadingHTTPServer):
    """A threading server that knows its connections, so that it can end at once."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], fake: "Fake[Any]") -> None:
        self.fake = fake
        self.is_closing = threading.Event()
        self.connections: set[socket.socket] = set()
        super().__init__(address, Visit)

    def server_bind(self) -> None:
        """Bind without a reverse look-up of the address."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, and answer it in a separate thread."""
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection, once its client has read the answer, and forget it."""
        linger(request)
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away; everything else is a defect."""
        import sys  # noqa: PLC0415 (only where something went wrong)

        if not isinstance(sys.exception(), ConnectionError):
            HTTPServer.handle_error(self, request, client_address)

    def take_visits(self) -> None:
        """Take connections until `is_closing`: without the polling of `serve_forever`."""
        self.socket.settimeout(PATIENCE)
        while not self.is_closing.is_set():
            try:
                request, address = self.get_request()
            except OSError:
                continue
            self.process_request(request, address)

    def hang_up(self) -> None:
        """Close the connections and the socket, after the server has stopped accepting."""
        for connection in tuple(self.connections):
            hang_up(connection)
        self.server_close()


class Server:
    """A fake that is being served, until `close`."""

    def __init__(self, fake: "Fake[Any]", host: str, port: int) -> None:
        try:
            self._door = Door((host, port), fake)
        except OSError as error:
            raise PortTaken(f"port {port} on {host}: {error.strerror}") from error
        self.address = f"{host}:{self._door.server_port}"
        self.url = f"http://{self.address}"
        self._thread = threading.Thread(target=self._door.take_visits, daemon=True)
        self._thread.start()
        self._fake = fake
        fake.servers.append(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End serving, at once."""
        self._fake.servers.remove(self)
        self._door.is_closing.set()
        hang_up(self._door.socket)
        self._thread.join()
        self._door.hang_up()


def hang_up(connection: socket.socket) -> None:
    """Shut down a connection, which wakes a thread that reads from it."""
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
