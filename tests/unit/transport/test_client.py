"""The transport with real sockets on loopback, and servers that misbehave."""

import gzip
import logging
import select
import socket
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import Behaviour, Server, answer, drips, sends
from tests.waiting import PATIENCE_SECONDS, SOON_SECONDS
from token_broker.errors import (
    UpstreamContractChanged,
    UpstreamError,
    UpstreamUnavailable,
)
from token_broker.exchange import Request, Response
from token_broker.transport import sockets
from token_broker.transport.client import Transport

CANARY = "c4nary-p4ss/word"
NOW = 1_440_938_160.0
LARGEST_BODY = 1 << 20


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(behaviour: Behaviour | None = None) -> Server:
        servers.append(Server(behaviour or sends(answer())))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transport]:
    """Return one for which no time passes between two requests."""
    monkeypatch.setattr("token_broker.transport.sockets.time", lambda: NOW)
    transport = Transport()
    yield transport
    transport.close()


Serve = Callable[..., Server]


@pytest.fixture
def send(transport: Transport) -> Callable[[Request], Response]:
    """Return a function that sends a request with a long deadline."""
    return lambda request: transport.send(request, PATIENCE_SECONDS)


Send = Callable[[Request], Response]


def get(url: str) -> Request:
    return Request("GET", f"{url}/p?q={CANARY}", step="look")


def post(url: str, json: object = None, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", f"{url}/p", step="login", json=json, headers=named)


def failure(
    transport: Transport, request: Request, seconds: float = PATIENCE_SECONDS
) -> UpstreamError:
    """Return the error of *request*, after a check that it has no secret."""
    with pytest.raises(UpstreamError) as caught:
        transport.send(request, seconds)
    error = caught.value
    assert error.__context__ is None
    assert error.__cause__ is None
    shown = "".join(
        traceback.TracebackException.from_exception(error, capture_locals=True).format()
    )
    for secret in (CANARY, "127.0.0.1:", "urllib3", "HTTPConnection"):
        assert secret not in shown
    assert error.detail.startswith(f"{request.step}: ")
    return error


# What is sent


def test_the_body_is_sent_unchanged(serve: Serve, send: Send) -> None:
    """The headers do not reveal the library."""
    server = serve()
    request = post(server.url, {"p": "é"}, x_auth_token="t")
    send(request)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:])
    assert body == request.body
    assert lines == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "token-broker",
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "content-type": "application/json",
        "content-length": f"{len(request.body)}",
        "x-auth-token": "t",
    }


def test_a_request_may_have_its_own_content_type(serve: Serve, send: Send) -> None:
    server = serve()
    send(post(server.url, {}, content_type="application/json; charset=utf-8"))
    assert server.requests[0].lower().count(b"content-type") == 1
    assert b"application/json; charset=utf-8" in server.requests[0]


def test_a_post_without_body_has_content_length_0(serve: Serve, send: Send) -> None:
    """Otherwise a server may wait for a body."""
    server = serve()
    send(post(server.url))
    assert b"content-length: 0" in server.requests[0].lower()
    assert b"content-type" not in server.requests[0].lower()


def test_proxy_and_netrc_of_the_environment_are_ignored(
    serve: Serve, send: Send, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A proxy would see the secrets; ``~/.netrc`` would replace the authorization."""
    server, proxy = serve(), serve()
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b")
    for name, value in {
        "NETRC": str(tmp_path / "netrc"),
        "HTTP_PROXY": proxy.url,
        "http_proxy": proxy.url,
        "ALL_PROXY": proxy.url,
    }.items():
        monkeypatch.setenv(name, value)
    send(post(server.url, authorization="Bearer mine"))
    assert b"authorization: Bearer mine\r\n" in server.requests[0]
    assert proxy.connections == 0


def test_cookies_are_not_stored(serve: Serve, send: Send) -> None:
    server = serve(sends(answer(b"{}", "Set-Cookie: session=1; Path=/")))
    send(get(server.url))
    send(get(server.url))
    assert b"cookie" not in server.requests[1].lower()


# What comes back


COOKIES = ("Set-Cookie: a=1; Path=/", "Set-Cookie: b=2")


def test_header_names_are_in_lower_case(serve: Serve, send: Send) -> None:
    """A folded value is joined to one line, and a repeated header's values by commas."""
    server = serve(sends(answer(b"{}", "X-AUTH-Token: a\r\n b", "x-B: é", *COOKIES)))
    headers = send(get(server.url)).headers
    assert headers["x-auth-token"] == "a b"
    assert headers["x-b"] == "é"
    assert headers["set-cookie"] == "a=1; Path=/, b=2"


@pytest.mark.parametrize("status", [204, 302, 307, 401, 404, 500, 503])
def test_any_status_is_returned(serve: Serve, send: Send, status: int) -> None:
    """A redirect is not followed."""
    elsewhere = serve()
    server = serve(sends(answer(b"", f"Location: {elsewhere.url}/", status=f"{status} X")))
    headers = {"content-length": "0", "location": f"{elsewhere.url}/"}
    for request in (post(server.url, {}), get(server.url)):
        assert send(request) == Response(status, headers)
    assert elsewhere.connections == 0


@pytest.mark.parametrize("location", ["http://[", "\xff\xfe", "//", "x" * 60000])
def test_an_invalid_location_of_a_redirect_is_ignored(
    serve: Serve, send: Send, location: str
) -> None:
    server = serve(sends(answer(b"", f"Location: {location}", status="302 Found")))
    assert send(get(server.url)).status == 302


def test_a_body_of_unknown_length_is_read_to_its_end(serve: Serve, send: Send) -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    assert send(get(serve(sends(chunked)).url)).content == b"abcde"
    closed = b"HTTP/1.0 200 OK\r\n\r\nabc"
    assert send(get(serve(sends(closed, end=True)).url)).content == b"abc"


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b'{"a":1}', mtime=0)),
        ("X-GZIP", gzip.compress(b'{"a":1}', mtime=0)),
        ("deflate", zlib.compress(b'{"a":1}')),
        ("identity", b'{"a":1}'),
    ],
)
def test_a_compressed_body_is_decompressed(
    serve: Serve, send: Send, encoding: str, body: bytes
) -> None:
    """Some servers compress although the request does not accept it."""
    server = serve(sends(answer(body, f"Content-Encoding: {encoding}")))
    assert send(get(server.url)).content == b'{"a":1}'


# Size


def test_a_body_of_the_maximal_size_is_read(serve: Serve, send: Send) -> None:
    assert len(send(get(serve(sends(answer(b"x" * LARGEST_BODY))).url)).content) == (LARGEST_BODY)


ENDLESS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"8000\r\n%b\r\n" % (b"x" * 0x8000) * 40
)
BOMB = gzip.compress(b"0" * 50_000_000, mtime=0)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(answer(b"x" * (LARGEST_BODY + 1)), id="one byte more"),
        pytest.param(answer(b"x" * (LARGEST_BODY + 1), status="302 Found"), id="of a redirect"),
        pytest.param(ENDLESS, id="endless"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2 * LARGEST_BODY, id="unannounced"),
        pytest.param(answer(BOMB, "Content-Encoding: gzip"), id="bomb"),
        pytest.param(
            answer(BOMB, "Content-Encoding: gzip", "Location: /", status="302 Found"),
            id="bomb of a redirect",
        ),
    ],
)
def test_a_larger_body_is_refused(serve: Serve, transport: Transport, raw: bytes) -> None:
    """And not decompressed as a whole."""
    tracemalloc.start()
    try:
        error = failure(transport, get(serve(sends(raw)).url))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * LARGEST_BODY
    assert isinstance(error, UpstreamContractChanged)
    assert error.detail == "look: the answer is too large"
    assert error.upstream_status == (302 if b"302" in raw[:20] else 200)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", b"\x0b\x02\x80{}\x03"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0)),
        ("gzip", b"{}"),
        ("gzip", gzip.compress(b"{}" * 99, mtime=0)[:-9]),
        ("deflate", b"\x78"),
    ],
)
def test_a_body_that_cannot_be_decompressed_is_an_error(
    serve: Serve, transport: Transport, encoding: str, body: bytes
) -> None:
    server = serve(sends(answer(body, f"Content-Encoding: {encoding}")))
    assert isinstance(failure(transport, get(server.url)), UpstreamContractChanged)


@pytest.mark.parametrize("status", ["429 Slow", "500 Error", "503 Down"])
@pytest.mark.parametrize("body", [b"x", b"x" * (LARGEST_BODY + 1)], ids=["encoded", "too large"])
def test_the_page_of_a_vendor_that_is_down_need_not_be_readable(
    serve: Serve, send: Send, status: str, body: bytes
) -> None:
    """429 and 5xx say enough: the vendor is unavailable, whatever a proxy sends with them."""
    server = serve(sends(answer(body, "Content-Encoding: br", "Retry-After: 7", status=status)))
    response = send(get(server.url))
    assert (response.status, response.retry_after) == (int(status[:3]), 7)
    assert response.content == b""


# Time

OK = b"HTTP/1.1 200 OK\r\n"
FOUND = b"HTTP/1.1 302 Found\r\nLocation: /\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
SIZED = b"Content-Length: 1000000\r\n\r\n"

DRIPS = {
    "says nothing": sends(),
    "status line": drips(b"", b"H"),
    "header bytes": drips(OK, b"x"),
    "header lines": drips(OK, b"x-y: z\r\n", pause=0.35),  # a head has a hundred of them at most
    "interim answers": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": drips(OK + SIZED, b"x"),
    "chunks": drips(OK + CHUNKED, b"1\r\nx\r\n"),
    "chunk size": drips(OK + CHUNKED, b"0"),
    "trailers": drips(OK + CHUNKED + b"0\r\n", b"a: b\r\n"),
    "body of a redirect": drips(FOUND + SIZED, b"x"),
}


@pytest.mark.parametrize("drip", DRIPS)
def test_a_server_that_sends_slowly_does_not_exceed_the_deadline(
    serve: Serve, transport: Transport, drip: str
) -> None:
    """Each byte arrives within the timeout, the whole response does not."""
    server = serve(DRIPS[drip])
    began = time.monotonic()
    error = failure(transport, get(server.url), 0.4)
    assert time.monotonic() - began < SOON_SECONDS
    assert isinstance(error, UpstreamUnavailable)
    assert error.detail == "look: timed out"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_reads_nothing_does_not_exceed_the_deadline(
    transport: Transport, scheme: str
) -> None:
    """Neither a large request nor a TLS handshake."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        began = time.monotonic()
        url = f"{scheme}://127.0.0.1:{deaf.getsockname()[1]}"
        error = failure(transport, post(url, "x" * 30_000_000), 0.4)
    assert time.monotonic() - began < SOON_SECONDS
    assert error.detail == "login: timed out"


def test_without_time_nothing_is_sent(serve: Serve, transport: Transport) -> None:
    server = serve()
    assert failure(transport, get(server.url), 0).detail == "look: timed out"
    assert server.connections == 0


@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_an_interim_response_is_skipped(serve: Serve, send: Send, status: str) -> None:
    """It is no response to the request, and the one after it is no response to the next."""

    def behave(taken: socket.socket) -> None:
        taken.sendall(f"HTTP/1.1 {status}\r\nlink: </a>\r\n\r\n".encode() * 2)
        taken.sendall(answer(b"%d" % len(server.requests)))

    server = serve(behave)
    received = [send(post(server.url, {})) for _ in range(3)]
    headers = {"content-length": "1"}
    assert received == [Response(200, headers, b"%d" % number) for number in (1, 2, 3)]


# Connections


@pytest.mark.parametrize("raw", [answer(), answer(b"no", "Location: /", status="302 Found")])
def test_requests_share_a_connection(serve: Serve, send: Send, raw: bytes) -> None:
    """Also after a redirect."""
    server = serve(sends(raw))
    for _ in range(3):
        send(post(server.url, {}))
    assert server.connections == 1


@pytest.mark.parametrize(("later", "connections"), [(0, 1), (3.0, 1), (3.125, 2), (-0.125, 2)])
def test_a_connection_idle_for_3_seconds_is_not_reused(
    serve: Serve, send: Send, monkeypatch: pytest.MonkeyPatch, later: float, connections: int
) -> None:
    """A frozen function does not notice that the server closed it."""
    server = serve()
    send(get(server.url))
    monkeypatch.setattr("token_broker.transport.sockets.time", lambda: NOW + later)
    send(get(server.url))
    send(get(server.url))
    assert server.connections == connections


def test_a_connection_to_another_host_keeps_no_old_one(
    serve: Serve, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One function serves many connections, and so calls several hosts in turn."""
    server, other = serve(), serve()
    for later in (0.0, 2.0, 4.0):
        monkeypatch.setattr("token_broker.transport.sockets.time", lambda later=later: NOW + later)
        send(get((other if later == 2.0 else server).url))
    assert (server.connections, other.connections) == (2, 1)


def test_the_wall_clock_counts_how_long_a_connection_is_idle() -> None:
    """The monotonic one stands still in a frozen function."""
    assert vars(sockets)["time"] is time.time


def test_a_closed_connection_is_replaced(
    serve: Serve, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end is detected before anything is sent."""
    made: list[socket.socket] = []

    def connected(host: str, port: int) -> socket.socket:
        made.append(sockets._connected(host, port))
        return made[-1]

    monkeypatch.setattr(
        sockets._Connection, "_new_conn", lambda self: connected(self.host, self.port)
    )
    server = serve(sends(answer(), end=True))
    send(post(server.url, {}))
    assert select.select(made, [], [], PATIENCE_SECONDS)[0], "no goodbye"
    send(post(server.url, {}))
    assert server.connections == 2


def test_a_request_is_never_sent_twice(serve: Serve, transport: Transport, send: Send) -> None:
    """A kept connection that ends without a response may have carried the request."""

    def once(taken: socket.socket) -> None:
        if len(server.requests) == 1:
            taken.sendall(answer())
        else:
            taken.shutdown(socket.SHUT_RDWR)

    server = serve(once)
    send(post(server.url, {}))
    error = failure(transport, post(server.url, {}))
    assert isinstance(error, UpstreamUnavailable)
    assert error.detail == "login: the connection broke off"
    assert len(server.requests) == 2


# Nonsense


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x16\x03\x01",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        OK + b"Content-Length: 10\r\n\r\nabc",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"x: y\r\n" * 200 + b"\r\n",
        OK + b"x: " + b"y" * 70000 + b"\r\n\r\n",
        OK + b"x-auth-token: Bearer half-a-tok",
        OK + b"x-auth-token: Bearer a-token\r\n",
    ],
)
def test_a_response_that_is_not_http_is_upstream_unavailable(
    serve: Serve, transport: Transport, raw: bytes
) -> None:
    error = failure(transport, get(serve(sends(raw, end=True)).url))
    assert isinstance(error, UpstreamUnavailable)
    assert error.detail == "look: the connection broke off"


def test_a_refused_connection_is_upstream_unavailable(transport: Transport) -> None:
    """On a bound port without a listener, so that no other process can listen there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = failure(transport, get(f"http://127.0.0.1:{taken.getsockname()[1]}"))
    assert isinstance(error, UpstreamUnavailable)
    assert error.detail == "look: could not connect"


def test_no_header_is_logged(serve: Serve, send: Send, caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 logs the rest of an unreadable head, which may have the token."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3.connection")
    for secret in ("no colon", "x: y\r\nno colon"):
        raw = OK + f"{secret}\r\nx-auth-token: {CANARY}\r\n\r\n".encode()
        send(post(serve(sends(raw, end=True)).url))
    assert CANARY not in caplog.text
