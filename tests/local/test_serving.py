"""The gateway over HTTP: connections, bodies, malformed requests."""

import json
import socket
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.local.callers import signed
from tests.waiting import PATIENCE_SECONDS

PATH = "/v1/vntana/acme"
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
    """Also by a refused request: it is read to its end, so the next one is understood."""
    connection = HTTPConnection("127.0.0.1", serve(echo), timeout=PATIENCE_SECONDS)
    first = request(connection, "POST", "/v1/vntana/demo/token", b"{}")
    kept = connection.sock
    connection.request("POST", "/v1/vntana/demo/token", b"x" * 100_000)
    refused = connection.getresponse()
    assert (refused.status, refused.read()) == (403, b'{"message":"Missing Authentication Token"}')
    second = request(connection, "GET", "/v1/vntana/acme?a=1&b=2")
    assert first == (200, b'["{}", {"connection": "demo"}]')
    assert second == (200, b'[null, {"connection": "acme"}]')
    assert connection.sock is kept
    connection.close()


@pytest.mark.parametrize(
    ("head", "status", "message"),
    [
        (b"Content-Length: 10485761", b"413", b"HTTP content length exceeded 10485760 bytes."),
        (b"Transfer-Encoding: chunked", b"400", b"Bad Request"),
    ],
)
def test_a_body_of_invalid_length_is_refused(
    serve: Serve, head: bytes, status: bytes, message: bytes
) -> None:
    """The connection is closed, as the next request cannot be found in it.

    tests/unit/fakes/test_serving.py has more of them, and what becomes of their connections: fakes
    and gateway are one kind of server.
    """
    text = b"POST /v1/vntana/demo/token HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\nzz\r\n"
    answer = spoken(serve(echo), text)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert message in answer
    assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize(
    "text", [b"hello\r\n\r\n", b"GET /x HTTP/9.9\r\n\r\n", b"GET\x00 / HTTP/1.1\r\n\r\n"]
)
def test_malformed_http_does_not_stop_the_gateway(serve: Serve, text: bytes) -> None:
    port = serve(echo)
    spoken(port, text + b"GET / HTTP/1.0\r\n\r\n")
    assert spoken(port, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 403")


def test_a_request_line_that_is_too_long_ends_the_connection(serve: Serve) -> None:
    """The next request cannot be found in what follows."""
    answers = spoken(serve(echo), b"GET / HTTP/1.1\r\n\r\n" + b"x" * 65_537)
    assert answers.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 414" in answers


def test_a_response_to_head_has_no_body(serve: Serve) -> None:
    """Also an error response."""
    answer = spoken(serve(echo), b"HEAD / HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403")
    assert answer.endswith(b"\r\n\r\n")


def test_a_response_without_content_has_no_length(serve: Serve) -> None:
    """RFC 9110 forbids it at a 204."""
    port = serve(lambda _event, _context: {"statusCode": 204})
    headers = "".join(f"{name}: {value}\r\n" for name, value in signed("GET", PATH).headers)
    answer = spoken(port, f"GET {PATH} HTTP/1.0\r\n{headers}\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 204")
    assert b"Content-Length" not in answer
