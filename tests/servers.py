"""Raw servers on loopback, for what no well-behaved server does."""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from tests.waiting import PATIENCE_SECONDS

DRIPPING_SECONDS = 120
"""How long a server sends single bytes: a client that waits for the end fails the test."""

Behaviour: TypeAlias = Callable[[socket.socket], None]


@dataclass
class Server:
    """Takes connections on loopback, keeps what it is sent, and answers as it is told."""

    behaviour: Behaviour
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                taken = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._serve, args=(taken,), daemon=True).start()

    def _serve(self, taken: socket.socket) -> None:
        self.connections += 1
        try:
            if self.tls:
                taken = self.tls.wrap_socket(taken, server_side=True)
            while request := self._read(taken):
                self.requests.append(request)
                self.behaviour(taken)
        except OSError:
            pass
        finally:
            taken.close()

    def _read(self, taken: socket.socket) -> bytes:
        """Return one whole request, or nothing at the end."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (chunk := taken.recv(65536)):
                return b""
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                while len(body) < int(line.partition(b":")[2]):
                    if not (chunk := taken.recv(65536)):
                        return b""
                    body += chunk
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE_SECONDS)


def sends(*parts: bytes, pause: float = 0.0, end: bool = False) -> Behaviour:
    """Answer with *parts*, a *pause* before each, and close at the *end*."""

    def behave(taken: socket.socket) -> None:
        for part in parts:
            time.sleep(pause)
            taken.sendall(part)
        if end:
            taken.shutdown(socket.SHUT_RDWR)

    return behave


def in_turn(*answers: bytes) -> Behaviour:
    """Answer the first request with the first of *answers*, and so on."""
    left = list(answers)
    return lambda taken: taken.sendall(left.pop(0))


def drips(head: bytes, drop: bytes, pause: float = 0.05) -> Behaviour:
    """Answer with *head*, then with one *drop* after another until nobody listens any more."""
    return sends(head, *[drop] * round(DRIPPING_SECONDS / pause), pause=pause)


def tunnels(port: int) -> Behaviour:
    """Answer a CONNECT as a proxy does, by a way to *port* of this machine."""

    def behave(taken: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as far:
            taken.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            other = {taken: far, far: taken}
            while ready := select.select([taken, far], [], [], PATIENCE_SECONDS)[0]:
                for end in ready:
                    if not (data := end.recv(65536)):
                        return
                    other[end].sendall(data)

    return behave


def answer(body: bytes = b"{}", *lines: str, status: str = "200 OK") -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines])
    return head.encode("latin-1") + b"\r\n\r\n" + body
