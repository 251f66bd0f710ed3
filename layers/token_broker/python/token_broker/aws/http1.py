"""One POST after another and their answers over HTTP/1.1, just as AWS's JSON services speak it.

`http.client` reads whatever was ever called HTTP, by the parser of the library's e-mails: a tenth
of a function's start. Here what is not as it should be is `Odd`, and so for boto3 to read.
"""

import socket
import ssl
from binascii import a2b_base64
from collections.abc import Mapping
from typing import TypeAlias

NAMES = (b"Amazon Root CA ", b"Starfield Services Root Certificate Authority")
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


def amazons(bundle: bytes) -> bytes:
    """Return the certificates in *bundle*, in PEM, that are of Amazon's authorities, in DER."""
    encoded = [part.partition(_END)[0] for part in bundle.split(_BEGIN)[1:]]
    certificates = [a2b_base64(part) for part in encoded]
    return b"".join(each for each in certificates if any(name in each for name in NAMES))


def context() -> ssl.SSLContext:
    """Return what verifies AWS's endpoints; by all authorities, where Amazon's are not found."""
    try:
        with open(ssl.get_default_verify_paths().cafile or "", "rb") as bundle:  # noqa: PTH123 (pathlib takes a while to load)
            found = amazons(bundle.read())
    except (OSError, ValueError):
        found = b""
    return ssl.create_default_context(cadata=found or None)


LARGEST_HEAD = 16_384
LARGEST_BODY = 4 << 20
"""Bytes. Two items, the most that is asked for, have less than one MiB."""

_STATUSES = {"HTTP/1.0 200", "HTTP/1.1 200"}
_ENCODINGS = {"transfer-encoding", "content-encoding"}


class Odd(Exception):
    """An answer that is no plain success."""


Answer: TypeAlias = tuple[Mapping[str, str], bytes]
"""Headers, by their names in lower case, and the whole body of an answer with status 200."""


class Connection:
    """A connection to one host. Raises `OSError` besides `Odd`, and is of no use after either."""

    def __init__(
        self, host: str, port: int, seconds: float, tls: "ssl.SSLContext | None" = None
    ) -> None:
        plain = socket.create_connection((host, port), seconds)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = tls.wrap_socket(plain, server_hostname=host) if tls else plain
        except BaseException:
            plain.close()
            raise
        self.is_over = False
        """The other side has said that it closes."""

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send *body* to ``/`` and return the answer."""
        lines = [f"{name}: {value}" for name, value in headers.items()]
        if any("\n" in line or "\r" in line for line in lines):
            raise Odd("a header of two lines")
        head = "\r\n".join(["POST / HTTP/1.1", *lines, f"content-length: {len(body)}", "", ""])
        self._socket.sendall(head.encode("latin-1") + body)
        return self._answer()

    def _answer(self) -> Answer:
        head, content = self._head()
        status, *lines = head.decode("latin-1").split("\r\n")
        answered = _headers(lines)
        if status[:12] not in _STATUSES or not _ENCODINGS.isdisjoint(answered):
            raise Odd(status[:12])
        says = answered.get("connection", "").lower()
        self.is_over = says == "close" or (status[7] == "0" and says != "keep-alive")
        return answered, self._body(content, _length(answered))

    def _head(self) -> tuple[bytes, bytes]:
        """Return what comes before the blank line, and what was read of what comes after it."""
        read = self._socket.recv(65_536)
        if not read:
            raise ConnectionResetError("closed without an answer")
        while b"\r\n\r\n" not in read:
            read += self._more()
            if len(read) > LARGEST_HEAD:
                raise Odd("a head of another size")
        head, _, content = read.partition(b"\r\n\r\n")
        return head, content

    def _body(self, content: bytes, length: int) -> bytes:
        parts, missing = [content], length - len(content)
        while missing > 0:
            parts.append(self._more())
            missing -= len(parts[-1])
        if missing:
            raise Odd("more than was announced")
        return b"".join(parts)

    def _more(self) -> bytes:
        read = self._socket.recv(65_536)
        if not read:
            raise Odd("an answer that broke off")
        return read


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or name != name.strip() or (name == "content-length" and name in headers):
            raise Odd("a header of another form")
        headers[name] = value.strip()
    return headers


def _length(headers: Mapping[str, str]) -> int:
    digits = headers.get("content-length", "")
    if not digits.isascii() or not digits.isdigit() or int(digits) > LARGEST_BODY:
        raise Odd("an answer of another size")
    return int(digits)
