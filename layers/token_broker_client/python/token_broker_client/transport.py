"""The one place that talks HTTP to AWS: each request has one deadline, and its answer a bound.

A timeout of `requests` begins again with every byte, so a slow peer never exceeds it. Here each
operation on a socket gets the time that is left until the deadline.
"""

import os
import socket
import ssl
from collections import defaultdict
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from time import monotonic
from typing import Any, NamedTuple

import requests
import urllib3.exceptions
from requests import exceptions
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from token_broker_client.deadline import Deadline
from token_broker_client.errors import Unreachable

CONNECT_SECONDS = 5.0

IDLE_SECONDS = 3.0
"""For how long a connection is kept. An older one may be dead, and only a timeout would tell."""

LARGEST_BYTES = 8 << 20
"""Of an answer: more than Lambda lets a function return."""

PIECE_BYTES = 1 << 16

TRANSIENT = (
    exceptions.ConnectionError,
    exceptions.Timeout,
    exceptions.ChunkedEncodingError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.TimeoutError,
    TimeoutError,
)
"""Errors that another try may not meet. All others come from the request itself."""

_deadline: ContextVar[Deadline] = ContextVar("deadline")
"""Of this thread's request: urllib3 has no way to hand it to a socket."""


class Request(NamedTuple):
    """What is sent, its signature among its headers."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Request({self.method})"


class Reply(NamedTuple):
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def __repr__(self) -> str:
        return f"Reply({self.status})"


def send(where: str, request: Request, deadline: Deadline, authorities: str | None) -> Reply:
    """Send *request*, once, and return what comes back before *deadline*, good or bad.

    The other side is checked by the certificates in the file *authorities*, or by the usual ones.
    Raises `Unreachable`, which says *where*, and no text of a library's: that may hold what was
    sent.
    """
    back = _deadline.set(deadline)
    connections = _connections(os.getpid())[authorities]
    try:
        return _sent(connections.session(), request, deadline, authorities)
    except Exception as error:  # noqa: BLE001 (whatever it is, its text is not ours)
        is_untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
        failure = Unreachable(f"{where}: {type(error).__name__}{hint(is_untrusted, authorities)}")
        failure.retryable = isinstance(error, TRANSIENT) and not is_untrusted
    finally:
        connections.used_at = monotonic()
        _deadline.reset(back)
    raise failure


def hint(is_untrusted: bool, authorities: str | None) -> str:
    """Return what a failure has to do with *authorities*, if it has."""
    if authorities and not os.access(authorities, os.R_OK):
        return ", as AWS_CA_BUNDLE or ca_bundle names a file that cannot be read"
    if is_untrusted:
        return ", as its certificate is not trusted: see AWS_CA_BUNDLE and ca_bundle"
    return ""


def _sent(
    session: requests.Session, request: Request, deadline: Deadline, authorities: str | None
) -> Reply:
    seconds = left(deadline)
    with session.request(
        request.method,
        request.url,
        data=request.body or None,
        headers=dict(request.headers),
        auth=Signed(request.headers),
        timeout=(min(CONNECT_SECONDS, seconds), seconds),
        verify=authorities,
        allow_redirects=False,
        stream=True,
    ) as answer:
        content, has_length = b"", answer.raw.chunked or answer.raw.length_remaining is not None
        for piece in answer.raw.stream(PIECE_BYTES):
            content += piece
            if len(content) > LARGEST_BYTES:
                raise exceptions.ContentDecodingError("the answer is too large")
        if not content and not has_length:  # a head that broke off, which is no error of urllib3's
            raise exceptions.ConnectionError
        return Reply(answer.status_code, answer.headers, content)


def left(deadline: Deadline) -> float:
    """Return the seconds until *deadline*; raise `Timeout` if there are none."""
    if seconds := deadline.left:
        return seconds
    raise exceptions.Timeout


class Signed(AuthBase):
    """Leaves a request as it is signed: given to each, so that no ~/.netrc takes its place."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the headers that were signed."""
        request.headers.update(self._headers)
        return request


class _Socket(socket.socket):
    """A socket whose operations end at the deadline. `http.client` uses only these two."""

    def recv_into(self, *args: Any) -> int:
        self.settimeout(seconds_left())
        return super().recv_into(*args)

    def sendall(self, *args: Any) -> None:
        self.settimeout(seconds_left())
        super().sendall(*args)


class _TlsSocket(ssl.SSLSocket):
    """The same with TLS, where `sendall` calls `send`, and a handshake comes first."""

    def recv_into(self, *args: Any) -> int:
        self.settimeout(seconds_left())
        return super().recv_into(*args)

    def send(self, *args: Any) -> int:
        self.settimeout(seconds_left())
        return super().send(*args)

    def do_handshake(self, *args: Any) -> None:
        self.settimeout(min(CONNECT_SECONDS, seconds_left()))
        super().do_handshake(*args)


def seconds_left() -> float:
    """Return what a socket may still take; raise `TimeoutError` if there is nothing left."""
    if seconds := _deadline.get().left:
        return seconds
    raise TimeoutError("timed out")


def _bounded(made: socket.socket) -> socket.socket:
    return _Socket(made.family, made.type, made.proto, made.detach())


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _bounded(super()._new_conn())


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _bounded(super()._new_conn())


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Adapter(HTTPAdapter):
    """Makes connections of our own sockets, to proxies as well."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, ssl_context=_tls(), **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **more, ssl_context=_tls())
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager


def _tls() -> ssl.SSLContext:
    context = create_urllib3_context()
    context.sslsocket_class = _TlsSocket
    return context


class _Connections:
    """The connections of a process, to what is checked by the same authorities.

    Those are added to one context of TLS, so that one caller's would be believed for another's.
    """

    def __init__(self) -> None:
        self.used_at = monotonic()
        self._session = requests.Session()
        self._session.headers = requests.structures.CaseInsensitiveDict(
            {"accept": "*/*", "accept-encoding": "identity", "user-agent": "token-broker-client"}
        )
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter())

    def session(self) -> requests.Session:
        """Return what sends, without a connection that may have died while it was not used."""
        if monotonic() - self.used_at > IDLE_SECONDS:
            self._session.close()
        return self._session


@lru_cache(maxsize=1)
def _connections(process: int) -> defaultdict[str | None, _Connections]:  # noqa: ARG001 (a fork must not use its parent's)
    return defaultdict(_Connections)
