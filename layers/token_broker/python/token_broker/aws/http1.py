"""POST requests and their answers over HTTP/1.1, as AWS's JSON services use it.

`http.client` loads the e-mail parser of Python's library, which is a tenth of a function's start.
This module reads less: all other forms of an answer raise `FallBack`: they are for boto3.
"""

import re
import socket
import ssl
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import NamedTuple

from token_broker.aws.endpoints import FallBack

NAMES = (b"Amazon Root CA ", b"Starfield Services Root Certificate Authority")
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


def amazons(bundle: bytes) -> bytes:
    """Return, as DER, those certificates of a PEM *bundle* that are Amazon's authorities."""
    encoded = [part.partition(_END)[0] for part in bundle.split(_BEGIN)[1:]]
    certificates = [a2b_base64(part) for part in encoded]
    return b"".join(each for each in certificates if any(name in each for name in NAMES))


def context() -> ssl.SSLContext:
    """Return a context that verifies AWS's endpoints. Without Amazon's authorities, it has all."""
    try:
        with open(ssl.get_default_verify_paths().cafile or "", "rb") as bundle:  # noqa: PTH123 (pathlib is slow to load)
            found = amazons(bundle.read())
    except (OSError, ValueError):
        found = b""
    return ssl.create_default_context(cadata=found or None)


LARGEST_HEAD = 16_384
LARGEST_BODY = 4 << 20
"""Bytes. Larger answers are left to boto3."""

_STATUS = re.compile(r"HTTP/1\.([01]) (20[02]|4\d\d)(?: |$)")
"""The first line of a success, or of an error with a reason. Others are left to boto3."""

_ENCODINGS = {"transfer-encoding", "content-encoding"}


class AwsAnswer(NamedTuple):
    """An answer with its whole body. Its headers have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """A connection to one host. After an exception it must be closed.

    To connect, TLS included, may take *seconds*, and so may each answer as a whole.
    """

    def __init__(self, host: str, port: int, seconds: float, tls: ssl.SSLContext | None) -> None:
        self._seconds = seconds
        self._ends_at = monotonic() + seconds
        plain = _connected(host, port, self._left)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(self._left())
            self._socket = tls.wrap_socket(plain, server_hostname=host) if tls else plain
        except BaseException:
            plain.close()
            raise
        self.is_over = False
        """Whether the other side announced that it closes the connection."""

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> AwsAnswer:
        """Send *body* to *path* and return the answer."""
        self._ends_at = monotonic() + self._seconds
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if any("\n" in line or "\r" in line for line in lines):
            raise FallBack("a header of two lines")
        head = "\r\n".join(
            [f"POST {path} HTTP/1.1", *lines, f"content-length: {len(body)}", "", ""]
        )
        self._socket.settimeout(self._seconds)
        self._socket.sendall(head.encode("latin-1") + body)
        return self._answer()

    def _answer(self) -> AwsAnswer:
        head, content = self._head()
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = _headers(lines)
        status = _STATUS.match(first)
        if not status or not _ENCODINGS.isdisjoint(headers):
            raise FallBack(first[:12])
        option = headers.get("connection", "").lower()
        self.is_over = option == "close" or (status[1] == "0" and option != "keep-alive")
        return AwsAnswer(int(status[2]), headers, self._body(content, _length(headers)))

    def _head(self) -> tuple[bytes, bytes]:
        """Return the head, and the part of the body that was read with it."""
        read = self._received(LARGEST_HEAD)
        if not read:
            raise ConnectionResetError("closed without an answer")
        while b"\r\n\r\n" not in read:
            read += self._more(LARGEST_HEAD - len(read))
        head, _, content = read.partition(b"\r\n\r\n")
        return head, content

    def _body(self, content: bytes, length: int) -> bytes:
        parts, missing = [content], length - len(content)
        while missing > 0:
            parts.append(self._more(65_536))
            missing -= len(parts[-1])
        if missing:
            raise FallBack("more than content-length")
        return b"".join(parts)

    def _more(self, most: int) -> bytes:
        read = self._received(most)
        if not read:
            raise FallBack("an answer that is cut off, or has too large a head")
        return read

    def _received(self, most: int) -> bytes:
        # A socket's own timeout begins again with each part of an answer.
        self._socket.settimeout(self._left())
        return self._socket.recv(most)

    def _left(self) -> float:
        left = self._ends_at - monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _connected(host: str, port: int, left: Callable[[], float]) -> socket.socket:
    """Connect to the first of the host's addresses that accepts. The time is for all of them."""
    for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        seconds = left()
        with suppress(OSError):
            return socket.create_connection((str(address[0]), int(address[1])), seconds)
    raise ConnectionError("no address accepts")


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or name != name.strip() or (name == "content-length" and name in headers):
            raise FallBack("a header that is not valid")
        headers[name] = value.strip()
    return headers


def _length(headers: Mapping[str, str]) -> int:
    digits = headers["content-length"]
    if not digits.isascii() or not digits.isdigit() or int(digits) > LARGEST_BODY:
        raise FallBack("a length that is no number, or too large")
    return int(digits)
