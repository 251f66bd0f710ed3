"""The only module that sends HTTP to AWS. A request has one deadline, an answer a maximum size.

A timeout of `requests` begins again with every byte, so a slow peer never exceeds it. Here each
operation on a socket gets the time that is left until the deadline.
"""

import http.client
import os
import socket
import ssl
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from time import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from certifi import where
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, prepend_scheme_if_needed, select_proxy
from urllib3 import PoolManager, Timeout, exceptions, proxy_from_url
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
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


class Request(NamedTuple):
    """A signed request."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Request({self.method})"


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def __repr__(self) -> str:
        return f"Reply({self.status})"

    @property
    def is_ok(self) -> bool:
        """Say whether the call succeeded."""
        return self.status == HTTPStatus.OK


def send(request: Request, deadline: Deadline, authorities: str | None) -> Reply:
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
        failure = Unreachable(f"{urlsplit(request.url).netloc}: {why}")
        failure.retryable = isinstance(error, TRANSIENT) and not is_untrusted
    raise failure


def hint(is_untrusted: bool, authorities: str | None) -> str:
    """Return a hint if the certificate authorities explain a failure; else an empty text."""
    if authorities and not os.access(authorities, os.R_OK):
        return ", as AWS_CA_BUNDLE or ca_bundle names a file that cannot be read"
    if is_untrusted:
        return ", as its certificate is not trusted: see AWS_CA_BUNDLE and ca_bundle"
    return ""


def _sent(request: Request, authorities: str | None) -> Reply:
    seconds = seconds_left()
    pool = _pools(os.getpid())(proxy_to(request.url), authorities)
    with pool.urlopen(
        request.method,
        request.url,
        body=request.body or None,
        headers={**HEADERS, **request.headers},
        timeout=Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds),
        redirect=False,
        retries=False,
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
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return None
    whole: str = prepend_scheme_if_needed(proxy, "http")  # type: ignore[no-untyped-call]  # in the stubs
    return whole


class _Socket(socket.socket):
    """A socket whose operations end at the deadline. `http.client` uses only these two."""

    read_at = 0.0
    """When it was read last, by the wall clock: the other may stand still in a frozen function."""

    def recv_into(self, *args: Any) -> int:
        self.settimeout(seconds_left())
        count = super().recv_into(*args)
        self.read_at = time()
        return count

    def sendall(self, *args: Any) -> None:
        self.settimeout(seconds_left())
        super().sendall(*args)


class _TlsSocket(_Socket, ssl.SSLSocket):
    """The same with TLS, where `sendall` calls `send`, and a handshake comes first."""

    def send(self, *args: Any) -> int:
        self.settimeout(seconds_left())
        return super().send(*args)

    def do_handshake(self, *args: Any) -> None:
        self.settimeout(min(CONNECT_SECONDS, seconds_left()))
        super().do_handshake(*args)


def seconds_left() -> float:
    """Return the seconds until this thread's deadline. Raises `TimeoutError` if there are none."""
    if seconds := _deadline.get().left:
        return seconds
    raise TimeoutError("timed out")


class _Answer(http.client.HTTPResponse):
    """Skips interim answers (1xx): `http.client` skips 100 only, and takes others for the last.

    The last one would then be read as the answer to the next request.
    """

    def begin(self) -> None:
        super().begin()
        while self.status < HTTPStatus.OK:
            self.headers = None  # type: ignore[assignment]  # as before the first
            super().begin()


class _Connection(HTTPConnection):
    response_class = _Answer

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        return _Socket(made.family, made.type, made.proto, made.detach())

    @property
    def is_connected(self) -> bool:
        """Say whether the connection may be used for another request: urllib3 asks before one."""
        read_at = getattr(self.sock, "read_at", 0.0)
        return super().is_connected and 0 <= time() - read_at <= IDLE_SECONDS


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


@lru_cache(maxsize=1)
def _pools(process: int) -> Callable[[str | None, str | None], PoolManager]:  # noqa: ARG001 (a fork must not share its parent's)
    return lru_cache(_pool)


def _pool(proxy: str | None, authorities: str | None) -> PoolManager:
    """Return the connections through a *proxy*, or direct ones, that trust the same *authorities*.

    One TLS context has them. With a shared context, one caller would trust another one's.
    """
    tls = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
    tls.sslsocket_class = _TlsSocket
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    path = authorities or named or where()
    tls.load_verify_locations(**{"capath" if Path(path).is_dir() else "cafile": path})
    pool = PoolManager(ssl_context=tls)
    if proxy:
        headers = HTTPAdapter().proxy_headers(proxy)
        pool = proxy_from_url(proxy, proxy_headers=headers, ssl_context=tls, proxy_ssl_context=tls)
    pool.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return pool
