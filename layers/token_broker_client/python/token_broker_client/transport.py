"""The only module that sends HTTP to AWS. A request has one deadline, an answer a maximum size.

A timeout of urllib3 begins again with every byte, so a slow peer never exceeds it. Here each read
of a socket gets the time that is left until the deadline.
"""

import http.client
import os
import socket
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from http import HTTPStatus
from time import time
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from botocore.awsrequest import AWSRequest
from certifi import where
from urllib3 import PoolManager, Timeout, exceptions, proxy_from_url
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import make_headers
from urllib3.util.ssl_ import create_urllib3_context

from token_broker_client.deadline import Deadline
from token_broker_client.errors import Unreachable

CONNECT_SECONDS = 5.0

IDLE_SECONDS = 3.0
"""How long an idle connection is kept. An older one may be dead, which only a timeout shows."""

LARGEST_BYTES = 8 << 20
"""The maximum size of an answer: more than a function may return."""

PIECE_BYTES = 1 << 16

HEADERS = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "token-broker-client"}

TRANSIENT = (
    exceptions.NewConnectionError,
    exceptions.ProtocolError,
    exceptions.ProxyError,
    exceptions.SSLError,
    exceptions.TimeoutError,
    TimeoutError,
)
"""Errors after which another attempt may succeed. All others come from the request itself."""

_deadline: ContextVar[Deadline] = ContextVar("deadline")
"""The deadline of this thread's request. urllib3 cannot pass it to a socket."""


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def __repr__(self) -> str:
        return f"Reply({self.status})"


def send(request: AWSRequest, deadline: Deadline, authorities: str | None) -> Reply:
    """Send *request* once, and return the answer of any status that comes before *deadline*.

    The file *authorities* has the certificate authorities; None stands for the usual ones. Raises
    `Unreachable` with the host, without the library's text, which may quote the request.
    """
    _deadline.set(deadline)
    try:
        return _sent(request, authorities)
    except Exception as error:  # noqa: BLE001 (a library may raise anything)
        is_untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
        why = f"{type(error).__name__}{hint(is_untrusted, authorities)}"
        failure = Unreachable(f"{urlsplit(str(request.url)).netloc}: {why}")
        failure.retryable = isinstance(error, TRANSIENT) and not is_untrusted
    raise failure


def hint(is_untrusted: bool, authorities: str | None) -> str:
    """Return a hint if the certificate authorities explain a failure; else an empty text."""
    if authorities and not os.access(authorities, os.R_OK):
        return ", as AWS_CA_BUNDLE or ca_bundle names a file that cannot be read"
    if is_untrusted:
        return ", as its certificate is not trusted: see AWS_CA_BUNDLE and ca_bundle"
    return ""


def _sent(request: AWSRequest, authorities: str | None) -> Reply:
    seconds, url = seconds_left(), str(request.url)
    trusted = authorities or os.environ.get("REQUESTS_CA_BUNDLE") or where()
    with _pools(os.getpid())(proxy_to(url), trusted).urlopen(
        str(request.method),
        url,
        body=request.data or None,
        headers={**HEADERS, **request.headers},
        timeout=Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds),
        retries=False,  # nor is a redirect followed
        preload_content=False,
        decode_content=False,
    ) as answer:
        content, has_length = b"", answer.chunked or answer.length_remaining is not None
        for piece in answer.stream(PIECE_BYTES):
            content += piece
            if len(content) > LARGEST_BYTES:
                raise exceptions.DecodeError("the answer is too large")
        if not content and not has_length:  # a head that broke off, which is no error of urllib3's
            raise exceptions.ProtocolError
        return Reply(answer.status, answer.headers, content)


def proxy_to(url: str) -> str | None:
    """Return the proxy that the environment names for *url*."""
    target, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(target.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(target.netloc):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def seconds_left() -> float:
    """Return the seconds until this thread's deadline. Raises `TimeoutError` if there are none."""
    if seconds := _deadline.get().left:
        return seconds
    raise TimeoutError("timed out")


class _Reader(socket.SocketIO):
    def readinto(self, buffer: Any) -> int | None:
        sock: socket.socket = vars(self)["_sock"]
        sock.settimeout(seconds_left())
        return super().readinto(buffer)


class _Answer(http.client.HTTPResponse):
    """Is read until the deadline. Skips interim answers (1xx): `http.client` skips 100 only.

    The answer after one would be read as the answer to the next request.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fp.raw.__class__ = _Reader

    def begin(self) -> None:
        super().begin()
        while self.status < HTTPStatus.OK:
            self.headers = None  # type: ignore[assignment]  # as before the first
            super().begin()


class _Connection(HTTPConnection):
    response_class = _Answer
    answered_at = 0.0
    """By the wall clock: the other may stand still in a frozen function."""

    def getresponse(self) -> Any:
        answer = super().getresponse()
        self.answered_at = time()
        return answer

    @property
    def is_connected(self) -> bool:
        """Say whether the connection may be used for another request: urllib3 asks before one."""
        return super().is_connected and 0 <= time() - self.answered_at <= IDLE_SECONDS


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


@lru_cache(maxsize=1)
def _pools(process: int) -> Callable[[str | None, str], PoolManager]:  # noqa: ARG001 (a fork must not share its parent's)
    return lru_cache(_pool)


def _pool(proxy: str | None, authorities: str) -> PoolManager:
    """Return the connections through a *proxy*, or direct ones, that trust the same *authorities*.

    One TLS context has them. With a shared context, one caller would trust another one's.
    """
    tls = create_urllib3_context()
    tls.load_verify_locations(authorities)
    pool = PoolManager(ssl_context=tls)
    if proxy:
        user = urlsplit(proxy).netloc.rpartition("@")[0]
        headers = make_headers(proxy_basic_auth=unquote(user) or None)
        pool = proxy_from_url(proxy, proxy_headers=headers, ssl_context=tls, proxy_ssl_context=tls)
    pool.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return pool
