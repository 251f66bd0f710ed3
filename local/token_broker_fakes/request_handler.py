"""The HTTP request handler of a served fake: one for each connection."""

import re
import socket
import struct
from email.message import Message
from http.server import BaseHTTPRequestHandler
from io import BufferedIOBase
from typing import TYPE_CHECKING, Any

from token_broker_fakes.control import CONTROL, control
from token_broker_fakes.wire import Answer, Call, Delivery

if TYPE_CHECKING:
    from token_broker_fakes.serving import Server

LARGEST_BODY = 10 << 20
"""Bytes of a request's body; no request to a vendor is as large."""

LONGEST_LINE = 8192

CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(;[^\r\n]*)?\r\n")
"""A line with the length of a chunk. The part after the semicolon is ignored."""


class Unreadable(Exception):
    """A request's body cannot be read: *status* is that of the response."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class RequestHandler(BaseHTTPRequestHandler):
    """Reads the requests of one connection, passes them to the fake, and writes its responses."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Server"

    def answer(self) -> None:
        """Answer one request of any method."""
        try:
            content = body_of(self.headers, self.rfile, LARGEST_BODY)
        except Unreadable as error:
            self._write(Answer(error.status, {}, b"", str(error)))
            self.close_connection = True
            return
        if self.path.startswith(CONTROL):
            self._write(control(self.server.fake, self.command, self.path, content))
        else:
            self._deliver(self.server.fake.deliver(self._call(content), self._sleep))

    # The base class calls a method by its name.
    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer  # noqa: N815 (see above)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Print nothing: the fake has a log."""

    def _call(self, content: bytes) -> Call:
        path, _, query = self.path.partition("?")
        raw = tuple((name, str(value)) for name, value in self.headers.raw_items())
        headers = {name.lower(): value for name, value in raw}
        return Call(self.command, headers.get("host", ""), path, query, headers, raw, content)

    def _sleep(self, seconds: float) -> None:
        self.server.is_closing.wait(seconds)

    def _deliver(self, delivery: Delivery) -> None:
        match delivery.lost:
            case "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.server.connections.discard(self.connection)
                self.connection.close()
                self.close_connection = True
            case "drop":
                self.close_connection = True
            case "cut":
                self.wfile.write(self._bytes(delivery.answer)[:-1])
                self.close_connection = True
            case _:
                self._write(delivery.answer, delivery.drip)

    def _write(self, answer: Answer, drip: float = 0.0) -> None:
        content = self._bytes(answer)
        if not drip:
            self.wfile.write(content)
            return
        for index in range(len(content)):
            self.wfile.write(content[index : index + 1])
            if self.server.is_closing.wait(drip):
                return

    def _bytes(self, answer: Answer) -> bytes:
        reason = self.responses.get(answer.status, ("",))[0]
        lines = [f"HTTP/1.1 {answer.status} {reason}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines += [f"Content-Length: {len(answer.content)}", "", ""]
        return "\r\n".join(lines).encode("latin-1") + answer.body(self.command)


def body_of(headers: Message, stream: BufferedIOBase, largest: int) -> bytes:
    """Return the body that follows *headers* in *stream*. Raises `Unreadable`."""
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise Unreadable(501, "a transfer encoding other than chunked")
        if "content-length" in headers:
            raise Unreadable(400, "a length and chunks")
        return chunks(stream, largest)
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise Unreadable(411, "no length")
    # `int` refuses very long numbers.
    if len(length) > len(str(largest)) or int(length) > largest:
        raise Unreadable(413, "too long")
    return stream.read(int(length))


def chunks(stream: BufferedIOBase, largest: int) -> bytes:
    """Return a chunked body."""
    body = b""
    while True:
        size = CHUNK_SIZE.match(stream.readline(LONGEST_LINE))
        if not size:
            raise Unreadable(400, "no chunk size")
        length = int(size[1], 16)
        if len(body) + length > largest:
            raise Unreadable(413, "too long")
        body += stream.read(length)
        if not length:
            break
        if stream.readline(3) != b"\r\n":
            raise Unreadable(400, "a chunk longer than its size")
    while stream.readline(LONGEST_LINE) not in (b"\r\n", b""):
        pass  # trailers are ignored
    return body
