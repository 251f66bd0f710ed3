"""The body of an answer, read whole but never beyond a bound."""

import zlib
from contextlib import suppress

from urllib3.response import BaseHTTPResponse

LARGEST_BODY = 1 << 20
"""Bytes of an answer, compressed or not: a login's has some hundred."""

_COMPRESSED = {"gzip", "x-gzip", "deflate"}


class Unreadable(Exception):
    """A body that is too large, or wrapped in what nobody asked for. The text is our own."""


def content(raw: BaseHTTPResponse) -> bytes:
    """Return the body of *raw*. Raises `Unreadable`."""
    body = b""
    while chunk := raw.read(LARGEST_BODY + 1 - len(body), decode_content=False):
        body = _bounded(body + chunk)
    return _decompressed(body, raw.headers.get("content-encoding", "identity").lower())


def _decompressed(body: bytes, encoding: str) -> bytes:
    """Undo the compression of a server that does not heed ``accept-encoding``."""
    if encoding == "identity" or not body:
        return body
    if encoding not in _COMPRESSED:
        raise Unreadable("the answer is in an encoding that was not asked for")
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip and zlib alike
    with suppress(zlib.error):
        plain = _bounded(inflate.decompress(body, LARGEST_BODY + 1))
        if inflate.eof:
            return plain
    raise Unreadable("the answer cannot be decompressed")


def _bounded(body: bytes) -> bytes:
    if len(body) > LARGEST_BODY:
        raise Unreadable("the answer is too large")
    return body
