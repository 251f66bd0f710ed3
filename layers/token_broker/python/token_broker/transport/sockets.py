"""Sockets that end at the deadline of a request, and urllib3's connections over them.

A timeout of `requests` restarts with every byte and with each line of a header, so a slow server
passes it. Here the timeout of each operation is the time that is left of the whole request.
"""

import http.client
import logging
import socket
import ssl
from contextlib import suppress
from http import HTTPStatus
from time import time
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import HTTPResponse

from token_broker.transport.deadline import Ended, current_deadline

# urllib3 logs a header that it cannot read, at every level: the header may have tokens.
logging.getLogger("urllib3.connection").addFilter(lambda _: False)

IDLE_SECONDS = 3.0
"""For how long a connection is kept for the next request.

Long enough for the steps of one exchange. A vendor closes idle connections, and a frozen function
does not notice. A request over a closed connection may have been processed or not, so it cannot be
repeated. So no old connection is used.
"""


class _Socket(socket.socket):
    """A socket whose operations end at the deadline. `http.client` uses only these two."""

    has_ended = False
    """Whether the other side has closed, and everything before was read."""
    read_at = 0.0
    """When it was read last, by the wall clock: the other one stands still in a frozen function."""

    def recv_into(self, *args: Any) -> int:
        self.settimeout(current_deadline.get().left)
        count = super().recv_into(*args)
        self.has_ended |= count == 0
        self.read_at = time()
        return count

    def sendall(self, *args: Any) -> None:
        self.settimeout(current_deadline.get().left)
        super().sendall(*args)


class _TlsSocket(_Socket, ssl.SSLSocket):
    """The same with TLS, where `sendall` calls `send`, and a handshake comes first."""

    def send(self, *args: Any) -> int:
        self.settimeout(current_deadline.get().left)
        return super().send(*args)

    def do_handshake(self, *args: Any) -> None:
        try:
            self.settimeout(current_deadline.get().left)
            return super().do_handshake(*args)
        except ssl.SSLCertVerificationError:
            words = "its TLS certificate is not accepted"
        except (ssl.SSLError, Ended):
            words = "TLS could not be agreed on"
        self.close()  # for anything but an OSError, the standard library would leave it open
        raise Ended(words)


def tls(ca_file: str) -> ssl.SSLContext:
    """Return a context that verifies servers by the authorities in *ca_file*."""
    context = ssl.create_default_context(cafile=ca_file)
    context.sslsocket_class = _TlsSocket
    return context


class _Response(http.client.HTTPResponse):
    """Skips interim responses (1xx): `http.client` skips 100 only, and takes others for the last.

    The last one would then be read as the response to the next request.
    """

    def begin(self) -> None:
        super().begin()
        while self.status < HTTPStatus.OK:
            self.headers = None  # type: ignore[assignment]  # as before the first
            super().begin()


class _Connection(HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connected(self.host, self.port)

    @property
    def is_connected(self) -> bool:
        """Say whether the connection may be used for another request: urllib3 asks before one."""
        sock: Any = self.sock  # None, after an answer that ends the connection
        return super().is_connected and 0 <= time() - sock.read_at <= IDLE_SECONDS

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3 itself returns its own
        """Refuse an answer that ends in its headers: the last of them may be half a token.

        `http.client` takes the end of the connection for the end of the head.
        """
        sock: Any = self.sock  # None, after an answer that ends the connection
        answer = super().getresponse()
        if sock.has_ended:
            answer.close()
            raise Ended("the connection broke off")
        return answer


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


def _connected(host: str, port: int) -> socket.socket:
    """Connect to the first of the host's addresses that accepts."""
    for address in current_deadline.get().addresses(host):
        sock = _Socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        with suppress(OSError):
            sock.settimeout(current_deadline.get().left_to_connect)
            sock.connect((address, port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        sock.close()
    raise Ended("could not connect")


class Pool(HTTPConnectionPool):
    """urllib3's connections to one host, over the sockets of this module."""

    ConnectionCls = _Connection


class TlsPool(HTTPSConnectionPool):
    """The same over TLS."""

    ConnectionCls = _TlsConnection
