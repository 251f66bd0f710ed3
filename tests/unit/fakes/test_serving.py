"""The HTTP server of a fake: headers, bodies, connections, prompt end."""

import http.client
import json
import socket
import threading
import time
from contextlib import ExitStack, closing

import pytest

from tests.ports import free_ports
from tests.waiting import PATIENCE_SECONDS, SOON_SECONDS, wait_until
from token_broker.exchange import Request
from token_broker_fakes import FakeVendorlink, FakeVntana, serving
from token_broker_fakes.serving import Server


def connection(server: Server) -> closing[http.client.HTTPConnection]:
    """Return a connection to *server*, to be closed at the end of its ``with``."""
    return closing(http.client.HTTPConnection(server.address, timeout=PATIENCE_SECONDS))


def plain(server: Server) -> socket.socket:
    """Return a connection to *server* that speaks no HTTP by itself."""
    host, _, port = server.address.partition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


def send(
    server: Server, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    """Return the answer to one request, and its body, by a connection of its own."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with connection(server) as visit:
        visit.request(method, path, body, named)
        answer = visit.getresponse()
        return answer, answer.read()


def test_header_names_keep_their_case() -> None:
    """Those of the client, though rules ignore case, and those of the vendor."""
    fake = FakeVntana()
    body = b'{"email":"demo@example.com","password":"demo-password"}'
    with fake.serve() as server:
        answer, _ = send(server, "POST", "/v1/auth/login", body, content_TYPE="application/json")
        assert "X-AUTH-TOKEN" in [name for name, _ in answer.getheaders()]
    assert ("content-TYPE", "application/json") in fake.log[0].headers
    assert fake.log[0].header("Content-Type") == "application/json"


def test_a_connection_is_kept_alive() -> None:
    fake = FakeVntana()
    with fake.serve() as server:
        with connection(server) as visit:
            for _ in range(3):
                visit.request("GET", "/v1/organizations")
                answer = visit.getresponse()
                answer.read()
                local = visit.sock.getsockname()
            assert answer.version == 11
            assert local == visit.sock.getsockname()
            assert server.connections
        wait_until(lambda: not server.connections)
    assert len(fake.log) == 3


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Transfer-Encoding: gzip, chunked", b"501"),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 3", b"400"),
        (b"Transfer-Encoding: chunked\r\n\r\n-1", b"400"),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\nxx", b"400"),
        (b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\n0", b"400"),
        (b"Transfer-Encoding: chunked\r\n\r\nA00001", b"413"),
        (b"Transfer-Encoding: chunked\r\n\r\nA00000\r\n" + b" " * 0xA00000 + b"\r\n1", b"413"),
        *((b"Content-Length: " + length, b"411") for length in (b"-1", b"x", b"1_0", b"\xb2")),
        (b"Content-Length: 10485761", b"413"),
        (b"Content-Length: " + b"9" * 5000, b"413"),
    ],
)
def test_a_body_of_invalid_length_is_refused(
    head: bytes, status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is still sending receives the response.

    The connection is not reset under it, and what it still sends is no further request.
    """
    monkeypatch.setattr(serving, "LINGER_SECONDS", PATIENCE_SECONDS)
    with FakeVntana().serve() as server, plain(server) as client:
        client.sendall(b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
        assert client.recv(1, socket.MSG_PEEK)
        for _ in range(99):
            client.sendall(b"x" * 9999)
        client.shutdown(socket.SHUT_WR)
        said = client.makefile("rb").read()
        assert said.startswith(b"HTTP/1.1 " + status)
        assert said.count(b"HTTP/") == 1


@pytest.mark.parametrize("coding", ["chunked", "Chunked"])
@pytest.mark.parametrize(
    "chunks",
    [
        b"3\r\n{}\n\r\n0\r\n\r\n",
        b"1;a=b\r\n{\r\n00002 \r\n}\n\r\n0\r\nX-Sum: 1\r\n\r\n",
    ],
)
def test_a_chunked_body_is_read(chunks: bytes, coding: str) -> None:
    """The connection can be used for the next request."""
    fake = FakeVendorlink()
    with fake.serve() as server, connection(server) as visit:
        for _ in range(2):
            visit.putrequest("POST", "/API/Generic/Execute")
            visit.putheader("transfer-encoding", coding)
            visit.endheaders(chunks)
            answer = visit.getresponse()
            answer.read()
            assert answer.status == 401
    assert [entry.body for entry in fake.log] == [b"{}\n"] * 2


@pytest.mark.parametrize("words", [b"", b"x"])
def test_a_refused_client_is_waited_for_a_bounded_time(
    words: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both a silent client and one that keeps the connection open."""
    monkeypatch.setattr(serving, "LINGER_SECONDS", 0.01)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(words)
        serving.linger(ours)
        assert theirs.recv(1) == b""


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_json_is_a_400(body: bytes) -> None:
    """By the vendor's rules and by the control endpoint."""
    with FakeVntana().serve() as server:
        answer, content = send(
            server, "POST", "/v1/auth/login", body, content_type="application/json"
        )
        assert (answer.status, b"BAD_REQUEST" in content) == (400, True)
        assert send(server, "PATCH", "/_control", body)[0].status == 400


def test_a_response_to_head_has_no_body() -> None:
    """Read to the end: a client's library would hide it. By a call of the fake, neither."""
    fake = FakeVntana()
    for method, status in (("HEAD", 200), ("GET", 204)):
        fake.fail("answer", status=status, body="a body")
        assert fake(Request(method, "https://vendor/", "test")).content == b""
    with fake.serve() as server, plain(server) as client:
        client.sendall(b"HEAD /v1/clients HTTP/1.0\r\n\r\n")
        answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 405")
        assert answer.endswith(b"\r\n\r\n")


def test_one_fake_can_be_served_at_several_addresses() -> None:
    """Each port is a host, so a chain of hosts can be tested over HTTP.

    The address of the fake is that of the first server that is not closed.
    """
    fake = FakeVendorlink()
    first = fake.serve()
    with fake.serve() as second:
        fake.leads[first.address] = second.address
        body = json.dumps({"u": "demo", "p": fake.users[0].password}).encode()
        sent, entered = (
            send(one, "POST", "/API/auth/login", body, content_type="application/json")[1]
            for one in (first, second)
        )
        assert json.loads(sent) == {"hostname": second.address}
        assert "accessToken" in json.loads(entered)
        assert fake.address == first.address
        first.close()
        assert (fake.address, fake.url) == (second.address, f"http://{second.address}")
    with pytest.raises(LookupError, match="this fake of vendorlink is not being served"):
        _ = fake.url


def test_neither_port_nor_thread_is_in_use_after_the_end() -> None:
    """Also after connections that the server closed."""
    before = set(threading.enumerate())
    fake, port = FakeVntana(), free_ports().port
    with ExitStack() as open_connections:
        with fake.serve(port) as server:
            for _ in range(5):
                visit = open_connections.enter_context(connection(server))
                visit.request("GET", "/v1/clients")
                visit.getresponse().read()
        assert set(threading.enumerate()) <= before
    with fake.serve(port):
        pass


@pytest.mark.parametrize("kind", ["delay", "late", "drip"])
def test_the_end_does_not_wait_for_delayed_or_idle_connections(kind: str) -> None:
    """A delaying fault, and a connection that is kept alive."""
    fake = FakeVntana()
    fake.fail(kind, seconds=300)  # type: ignore[arg-type]  # parametrized texts
    server = fake.serve()
    with plain(server), connection(server) as waiting:
        waiting.request("GET", "/v1/clients")
        wait_until(lambda: not fake.faults.set)
        begun = time.monotonic()
        server.close()
        assert time.monotonic() - begun < SOON_SECONDS


def test_a_client_that_disconnects_causes_no_output(capfd: pytest.CaptureFixture[str]) -> None:
    """The next client is served."""
    fake = FakeVntana()
    with fake.serve() as server:
        fake.fail("flood")
        with plain(server) as rude:
            rude.sendall(b"GET /v1/clients HTTP/1.1\r\nHost: x\r\n\r\n")
        assert send(server, "GET", "/v1/clients")[0].status == 405
    assert capfd.readouterr() == ("", "")


def test_an_unexpected_exception_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """The connection is closed."""
    fake = FakeVntana()
    fake.log.add = None  # type: ignore[assignment,method-assign]  # a defect
    with fake.serve() as server, pytest.raises(http.client.RemoteDisconnected):
        send(server, "GET", "/v1/clients")
    assert "TypeError" in capfd.readouterr().err
