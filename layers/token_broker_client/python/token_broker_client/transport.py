"""The only module that sends HTTP to AWS. A request has one deadline, an answer a maximum size.

A timeout of `requests` begins again with every byte, so a slow peer never exceeds it. Here each
operation on a socket gets the time that is left until the deadline.
"""

import http.client
import os
import socket
import ssl
from collections import defaultdict
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache, partial
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from time import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests import exceptions
from requests.adapters import HTTPAdapter
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

TRANSIENT = (
    exceptions.ConnectionError,
    exceptions.Timeout,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.TimeoutError,
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
        return _sent(_sessions(os.getpid())[authorities], request, authorities)
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


def _sent(session: requests.Session, request: Request, authorities: str | None) -> Reply:
    seconds = seconds_left()
    with session.request(
        request.method,
        request.url,
        data=request.body or None,
        auth=partial(set_headers, request.headers),
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


def set_headers(
    headers: Mapping[str, str], request: requests.PreparedRequest
) -> requests.PreparedRequest:
    """Set the signed *headers* last, so that nothing replaces one.

    It is the `auth` of a request, because without one requests reads ~/.netrc.
    """
    request.headers.update(headers)
    return request


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


class _Adapter(HTTPAdapter):
    """Uses the sockets of this module, to proxies as well."""

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


class _Session(requests.Session):
    """The connections of a process with the same certificate authorities.

    One TLS context has them. With a shared context, one caller would trust another one's.
    """

    def __init__(self) -> None:
        super().__init__()
        self.headers = requests.structures.CaseInsensitiveDict(
            {"accept": "*/*", "accept-encoding": "identity", "user-agent": "token-broker-client"}
        )
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter())


@lru_cache(maxsize=1)
def _sessions(process: int) -> defaultdict[str | None, _Session]:  # noqa: ARG001 (a fork must not share its parent's)
    return defaultdict(_Session)
