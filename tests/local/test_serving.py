"""The gateway over HTTP: connections, bodies, malformed requests."""

import json
import socket
import struct
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.local.callers import signed
from tests.waiting import PATIENCE_SECONDS
from token_broker_fakes import serving

Serve = Callable[[Callable[[Any, Any], Any]], int]


def echo(event: Any, context: Any) -> Any:  # noqa: ARG001 (a handler's form)
    return {"body": json.dumps([event["body"], event["pathParameters"]])}


def spoken(port: int, text: bytes) -> bytes:
    """Return all that is answered to *text* until the gateway closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(text)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def request(
    connection: HTTPConnection, method: str, target: str, body: bytes = b"", **how: Any
) -> tuple[int, bytes]:
    """Send a signed request and return status and body of the answer."""
    headers = dict(signed(method, target, body).headers)
    connection.request(method, target, body, headers, **how)
    response = connection.getresponse()
    return response.status, response.read()


def test_a_connection_is_kept_alive(serve: Serve) -> None:
    """A client that sends many requests opens one connection."""
    connection = HTTPConnection("127.0.0.1", serve(echo), timeout=PATIENCE_SECONDS)
    first = request(connection, "POST", "/v1/vntana/demo/token", b"{}")
    kept = connection.sock
    second = request(connection, "GET", "/v1/vntana/acme?a=1&b=2")
    assert first == (200, b'["{}", {"connection": "demo"}]')
    assert second == (200, b'[null, {"connection": "acme"}]')
    assert connection.sock is kept
    connection.close()


def test_a_connection_is_kept_alive_after_a_refused_request(serve: Serve) -> None:
    """A refused request has been read to its end, so the next one is understood."""
    connection = HTTPConnection("127.0.0.1", serve(echo), timeout=PATIENCE_SECONDS)
    connection.request("POST", "/v1/vntana/demo/token", b"x" * 100_000)
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["message"]) == (
        403,
        "Missing Authentication Token",
    )
    assert request(connection, "GET", "/v1/vntana/acme")[0] == 200
    connection.close()


@pytest.mark.parametrize(
    ("head", "status", "message"),
    [
        (b"Content-Length: 10485761", b"413", b"HTTP content length exceeded 10485760 bytes."),
        (b"Content-Length: " + b"9" * 5000, b"413", b"HTTP content length exceeded"),
        (b"Content-Length: many", b"400", b"Bad Request"),
        (b"Content-Length: -1", b"400", b"Bad Request"),
        (b"Transfer-Encoding: chunked", b"400", b"Bad Request"),
    ],
)
def test_a_body_of_invalid_length_is_refused(
    serve: Serve, head: bytes, status: bytes, message: bytes
) -> None:
    """The connection is closed, as the next request cannot be found in it.

    tests/unit/fakes/test_serving.py has more of them: fakes and gateway read bodies alike.
    """
    text = b"POST /v1/vntana/demo/token HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\nzz\r\n"
    answer = spoken(serve(echo), text)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert message in answer
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize(("last", "status"), [(b"1\r\nd", b"403"), (b"2\r\ndd", b"413")])
def test_the_chunks_of_a_body_are_limited_together(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, last: bytes, status: bytes
) -> None:
    """Here to four bytes."""
    monkeypatch.setattr("token_broker_local.serving.BODY_LIMIT", 4)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = spoken(serve(echo), head + b"3\r\nabc\r\n" + last + b"\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 " + status)


def test_a_client_that_is_still_sending_receives_the_refusal(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the connection were closed at once, a reset would discard the response."""
    monkeypatch.setattr(serving, "LINGER_SECONDS", PATIENCE_SECONDS)
    with socket.create_connection(("127.0.0.1", serve(echo)), timeout=PATIENCE_SECONDS) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        assert client.recv(1, socket.MSG_PEEK)
        for _ in range(99):
            client.sendall(b"x" * 9999)
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "text", [b"hello\r\n\r\n", b"GET /x HTTP/9.9\r\n\r\n", b"GET\x00 / HTTP/1.1\r\n\r\n"]
)
def test_malformed_http_does_not_stop_the_gateway(serve: Serve, text: bytes) -> None:
    """The next request gets its response."""
    port = serve(echo)
    spoken(port, text + b"GET / HTTP/1.0\r\n\r\n")
    assert spoken(port, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 403")


def test_a_response_to_head_has_no_body(serve: Serve) -> None:
    """Also an error response."""
    answer = spoken(serve(echo), b"HEAD / HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403")
    assert answer.endswith(b"\r\n\r\n")


def test_a_response_without_content_has_no_length(serve: Serve) -> None:
    """RFC 9110 forbids it at a 204."""
    port = serve(lambda _event, _context: {"statusCode": 204})
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    path = "/v1/vntana/acme"
    connection.request("GET", path, headers=dict(signed("GET", path, b"").headers))
    response = connection.getresponse()
    assert (response.status, response.getheader("Content-Length")) == (204, None)
    connection.close()


def test_a_client_that_disconnects_causes_no_log_line(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    """A closed connection is not an error."""
    port = serve(echo)
    for text in (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n" * 99):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.sendall(text)
    spoken(port, b"GET / HTTP/1.0\r\n\r\n")
    assert capfd.readouterr().err == ""
