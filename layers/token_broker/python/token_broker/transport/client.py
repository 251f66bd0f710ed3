"""The one place that talks HTTP to the vendors.

Each request has one total deadline and one attempt. Redirects are not followed. Cookies, proxies
and ``~/.netrc`` are ignored. An error has no text of a library, which may quote URL or headers.
"""

import re
import zlib
from contextlib import closing, suppress
from http.cookiejar import DefaultCookiePolicy
from time import monotonic

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import PoolManager
from urllib3.response import BaseHTTPResponse

from token_broker.errors import (
    UpstreamContractChanged,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
)
from token_broker.exchange import Request, Response
from token_broker.transport.deadline import (
    Deadline,
    Ended,
    Forbidden,
    Resolve,
    current_deadline,
    resolve,
)
from token_broker.transport.sockets import Pool, TlsPool, tls
from token_broker.transport.urls import split_url

LARGEST_BODY = 1 << 20
"""Bytes of an answer, compressed or not: a login's has some hundred."""

_COMPRESSED = {"gzip", "x-gzip", "deflate"}


class Unreadable(Exception):
    """A body that is too large, or in an encoding that was not requested. Its text is our own."""

    status: int | None = None


def hosts_in(names: str) -> frozenset[str]:
    """Return the hosts in *names*, which are separated by commas, in lower case."""
    return frozenset(host.strip().lower() for host in names.split(",") if host.strip())


def content(raw: BaseHTTPResponse) -> bytes:
    """Return the body of *raw*. Raises `Unreadable`."""
    body = b""
    while chunk := raw.read(LARGEST_BODY + 1 - len(body), decode_content=False):
        body = _bounded(body + chunk)
    return _decompressed(body, raw.headers.get("content-encoding", "identity").lower())


def _decompressed(body: bytes, encoding: str) -> bytes:
    """Undo the compression of a server that ignores ``accept-encoding``."""
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


_HEADERS = {
    "user-agent": "token-broker",
    "accept": "*/*",
    "accept-encoding": "identity",  # answers are small, and a compressed one may be a bomb
    "connection": "keep-alive",
}
_FOLD = re.compile(r"[\r\n\0]+[ \t]*")


class Transport:
    """Sends requests over connections that are kept alive between the steps of an exchange.

    A host of *internal_hosts* may lead to private addresses. *ca_file* holds the authorities to
    trust instead of the public ones.
    """

    def __init__(
        self,
        internal_hosts: frozenset[str] = frozenset(),
        *,
        connect_seconds: float = 3.0,
        resolve: Resolve = resolve,
        ca_file: str | None = None,
    ) -> None:
        self._internal_hosts = internal_hosts
        self._connect_seconds = connect_seconds
        self._resolve = resolve
        self._session = _Session(ca_file or DEFAULT_CA_BUNDLE_PATH)

    def send(self, request: Request, seconds: float) -> Response:
        """Send *request* once, and return the answer of any status that comes within *seconds*.

        Raises `UpstreamUnavailable` if there is none, `UpstreamContractChanged` if it cannot be
        read, and `UpstreamRefused` if the URL is not allowed or its host has an internal address.
        A 429 or 5xx has no body if it cannot be read: its status says enough.
        """
        deadline = Deadline(
            monotonic() + seconds, self._connect_seconds, self._resolve, self._internal_hosts
        )
        body, back = request.body, current_deadline.set(deadline)
        try:
            return self._sent(request, body, deadline)
        except Exception as error:  # noqa: BLE001 (of any kind: a library's text must not get out)
            failure = _failure(request.step, error, deadline)
        finally:
            current_deadline.reset(back)
        # Not within `except`: the context of this error would be the library's, with its text.
        raise failure

    def close(self) -> None:
        """Close the connections that are kept."""
        self._session.close()

    def _sent(self, request: Request, body: bytes, deadline: Deadline) -> Response:
        _check(request.url)
        headers = {"content-type": "application/json"} if body else {}
        answer = self._session.request(
            request.method,
            request.url,
            headers=headers | dict(request.headers),
            data=body,
            timeout=deadline.left,
            allow_redirects=False,
            stream=True,
        )
        with closing(answer):
            try:
                return Response(answer.status_code, _headers(answer), content(answer.raw))
            except Unreadable as error:
                unread = Response(answer.status_code, _headers(answer))
                if unread.is_unavailable:
                    return unread
                error.status = answer.status_code
                raise


class _Session(requests.Session):
    """Keeps no cookies and knows no redirects: requests reads a redirect's body in any case."""

    def __init__(self, ca_file: str) -> None:
        super().__init__()
        self.trust_env = False
        self.headers = CaseInsensitiveDict(_HEADERS)
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _Adapter(ca_file)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def get_redirect_target(self, _: requests.Response) -> None:
        return None


class _Adapter(HTTPAdapter):
    """Uses the sockets and pools of this package."""

    def __init__(self, ca_file: str) -> None:
        self._tls = tls(ca_file)
        super().__init__()

    def init_poolmanager(self, *_: object, **__: object) -> None:
        self.poolmanager = PoolManager(ssl_context=self._tls)
        self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": TlsPool}

    def cert_verify(self, *_: object) -> None:
        """Do nothing: the TLS context verifies. requests would load all authorities each time."""


def _check(url: str) -> None:
    try:
        split_url(url)
    except ValueError as error:
        raise Forbidden(f"its address {error}") from None


def _headers(answer: requests.Response) -> dict[str, str]:
    """Return the headers, a folded one in one line, so that its value can be sent on."""
    return {name.lower(): _FOLD.sub(" ", value) for name, value in answer.headers.items()}


def _failure(step: str, error: Exception, deadline: Deadline) -> UpstreamError:
    """Return the error for callers, without text of a library."""
    if isinstance(error, Forbidden):
        return UpstreamRefused(f"{step}: {error}")
    if isinstance(error, Unreadable):
        return UpstreamContractChanged(f"{step}: {error}", upstream_status=error.status)
    if deadline.is_over:
        return UpstreamUnavailable(f"{step}: timed out")
    words = error if isinstance(error, Ended) else "the connection broke off"
    return UpstreamUnavailable(f"{step}: {words}")
