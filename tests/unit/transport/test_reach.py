"""Which servers the transport connects to: public addresses, verified certificates."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.certificates import certificate
from tests.servers import Behaviour, Server, answer, drips, sends
from tests.waiting import PATIENCE_SECONDS, SOON_SECONDS
from token_broker.errors import UpstreamError, UpstreamRefused, UpstreamUnavailable
from token_broker.exchange import Request
from token_broker.transport.client import Transport
from token_broker.transport.deadline import resolve

OK = b"HTTP/1.1 200 OK\r\n"
INTERNAL = "look: the host leads to an internal address"


def get(url: str) -> Request:
    return Request("GET", url, step="look")


def leading(*addresses: str) -> Callable[[str], list[str]]:
    """Return a resolver that knows these addresses for every host."""
    return lambda _: list(addresses)


def refusal(transport: Transport, url: str) -> str:
    with pytest.raises(UpstreamRefused) as caught:
        transport.send(get(url), PATIENCE_SECONDS)
    return caught.value.detail


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(sends(answer()))
    yield server
    server.close()


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        *(("https://app.vendorlink.nl", [one]) for one in ("127.0.0.1", "10.0.0.1", "fe80::1%lo")),
        ("https://app.vendorlink.nl", ["169.254.169.254"]),
        ("https://app.vendorlink.nl", ["8.8.8.8", "10.0.0.1"]),
        ("http://localhost", ["10.0.0.1"]),
        ("http://localhost", ["8.8.8.8"]),
    ],
    ids=str,
)
def test_a_name_that_resolves_to_an_internal_address_is_refused(
    url: str, addresses: list[str]
) -> None:
    """Also a loopback name that resolves to another address."""
    assert refusal(Transport(resolve=leading(*addresses)), url) == INTERNAL


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:127.0.0.1]", "[fe80::1]"])
def test_an_internal_address_in_the_url_is_refused(host: str) -> None:
    assert refusal(Transport(), f"https://{host}/latest/meta-data") == INTERNAL


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://app.vendorlink.nl/", "begins with http://, which is for loopback hosts only"),
        ("https://user:pw@app.vendorlink.nl/", "is no host name, with or without a port"),
        ("https://app.vendorlink.nl./", "is no host name"),
        ("https://2130706433/", "is no IP address"),
        ("https://0x7f.1/", "is no IP address"),
        ("https://app.vendorlink.nl\\@127.0.0.1/", "is no URL"),
        ("ftp://app.vendorlink.nl/", "does not begin with https://"),
    ],
)
def test_an_ambiguous_url_is_refused(url: str, problem: str) -> None:
    assert refusal(Transport(), url) == f"look: its address {problem}"


def test_the_checked_address_is_the_one_that_is_connected_to(server: Server) -> None:
    """The name is resolved once, which prevents DNS rebinding."""
    lookups = iter([["127.0.0.1"], ["10.0.0.1"]])
    transport = Transport(resolve=lambda _: next(lookups))
    assert transport.send(get(f"http://localhost:{server.port}/"), PATIENCE_SECONDS).status == 200
    transport.close()
    assert refusal(transport, f"http://localhost:{server.port}/") == INTERNAL


def test_the_next_address_is_tried(server: Server) -> None:
    transport = Transport(resolve=leading("::1", "127.0.0.1"))
    assert transport.send(get(f"http://localhost:{server.port}/"), PATIENCE_SECONDS).status == 200
    transport.close()


def test_a_configured_internal_host_may_not_be_link_local() -> None:
    """That is the metadata service. Subdomains are not included."""
    transport = Transport(frozenset({"vendor.test"}), resolve=leading("169.254.169.254"))
    assert refusal(transport, "https://vendor.test/") == INTERNAL
    transport = Transport(frozenset({"vendor.test"}), resolve=leading("10.0.0.1"))
    assert refusal(transport, "https://x.vendor.test/") == INTERNAL


@pytest.mark.parametrize(("connect_seconds", "seconds"), [(2.0, 9.0), (9.0, 2.0)])
def test_the_timeout_of_each_address_is_within_the_remaining_time(
    monkeypatch: pytest.MonkeyPatch, connect_seconds: float, seconds: float
) -> None:
    """And within the connect timeout, so that time is left for the next one."""
    waits: list[float | None] = []

    def connect(self: socket.socket, _: object) -> None:
        waits.append(self.gettimeout())
        raise TimeoutError

    monkeypatch.setattr(socket.socket, "connect", connect)
    transport = Transport(resolve=leading("8.8.8.8", "2606::1"), connect_seconds=connect_seconds)
    with pytest.raises(UpstreamUnavailable, match="look: could not connect"):
        transport.send(get("https://a.example/"), seconds)
    assert [wait is not None and 0 < wait <= 2 for wait in waits] == [True, True]


@pytest.mark.parametrize("failure", [socket.gaierror(), UnicodeError(), None])
def test_a_name_that_cannot_be_resolved_is_upstream_unavailable(failure: Exception | None) -> None:
    def nowhere(_: str) -> list[str]:
        if failure:
            raise failure
        return []

    with pytest.raises(UpstreamUnavailable, match="look: the host's name leads nowhere"):
        Transport(resolve=nowhere).send(get("https://a.example/"), PATIENCE_SECONDS)


@pytest.mark.parametrize(
    ("connect_seconds", "seconds", "problem"),
    [
        (0.1, 10 * PATIENCE_SECONDS, "looking the host's name up timed out"),
        (10 * PATIENCE_SECONDS, 0.3, "timed out"),
    ],
)
def test_name_resolution_is_limited_by_the_connect_timeout(
    connect_seconds: float, seconds: float, problem: str
) -> None:
    """So time is left for another try. A lookup that hangs does not keep the process alive."""
    is_over = threading.Event()

    def slow(_: str) -> list[str]:
        assert threading.current_thread().daemon
        is_over.wait(PATIENCE_SECONDS)
        return ["8.8.8.8"]

    transport, began = Transport(resolve=slow, connect_seconds=connect_seconds), time.monotonic()
    with pytest.raises(UpstreamUnavailable, match=f"^look: {problem}$"):
        transport.send(get("https://a.example/"), seconds)
    assert time.monotonic() - began < SOON_SECONDS
    is_over.set()


def test_the_system_resolver_resolves_localhost() -> None:
    assert set() < set(resolve("localhost")) <= {"127.0.0.1", "::1"}


# TLS


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Callable[..., tuple[Server, Path]]]:
    """Return a function that starts a TLS server, and creates its certificate."""
    servers: list[Server] = []

    def start(name: str = "127.0.0.1", *, expired: bool = False) -> tuple[Server, Path]:
        pem, private = certificate(tmp_path, name, expired=expired)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, private)
        servers.append(Server(sends(answer(b"secure")), tls=context))
        return servers[-1], pem

    yield start
    for server in servers:
        server.close()


Secure = Callable[..., tuple[Server, Path]]


def test_a_server_with_a_trusted_certificate_is_accepted(
    secure: Secure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is reused, as without TLS."""
    monkeypatch.setattr("token_broker.transport.sockets.time", lambda: 1_440_938_160.0)
    server, pem = secure()
    transport, request = Transport(ca_file=str(pem)), get(f"https://127.0.0.1:{server.port}/")
    for _ in range(3):
        assert transport.send(request, PATIENCE_SECONDS).content == b"secure"
    assert server.connections == 1
    transport.close()


def test_a_configured_internal_host_may_be_internal(secure: Secure) -> None:
    """Its certificate is verified nevertheless."""
    (server, pem), requests = secure("vendor.test"), []

    def resolved(host: str) -> list[str]:
        requests.append(host)
        return ["127.0.0.1"]

    transport = Transport(frozenset({"vendor.test"}), resolve=resolved, ca_file=str(pem))
    request = get(f"https://vendor.test:{server.port}/")
    assert transport.send(request, PATIENCE_SECONDS).content == b"secure"
    assert requests == ["vendor.test"]
    transport.close()


def test_a_handshake_may_take_longer_than_connecting(tmp_path: Path) -> None:
    """It has the rest of the request's time."""
    pem, private = certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)

    def shake_late() -> None:
        with slow.accept()[0] as taken:
            time.sleep(0.4)
            with context.wrap_socket(taken, server_side=True) as secured:
                secured.recv(9999)
                secured.sendall(answer(b"late"))

    with socket.create_server(("127.0.0.1", 0)) as slow:
        threading.Thread(target=shake_late, daemon=True).start()
        transport = Transport(connect_seconds=0.2, ca_file=str(pem))
        request = get(f"https://127.0.0.1:{slow.getsockname()[1]}/")
        assert transport.send(request, PATIENCE_SECONDS).content == b"late"
        transport.close()


def test_nothing_is_sent_to_a_server_without_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        threading.Thread(target=_greet, args=(plain,), daemon=True).start()
        with pytest.raises(UpstreamUnavailable, match="look: TLS could not be agreed on"):
            Transport().send(get(f"https://127.0.0.1:{plain.getsockname()[1]}/"), PATIENCE_SECONDS)


def _greet(plain: socket.socket) -> None:
    with plain.accept()[0] as taken:
        taken.sendall(b"220 mail.example ESMTP\r\n")
        taken.recv(9999)


@pytest.mark.parametrize("fault", ["unknown authority", "expired", "other host"])
def test_nothing_is_sent_to_a_server_without_a_valid_certificate(
    secure: Secure, fault: str
) -> None:
    """Also on loopback."""
    name = "other.example" if fault == "other host" else "127.0.0.1"
    server, pem = secure(name, expired=fault == "expired")
    transport = Transport(ca_file=None if fault == "unknown authority" else str(pem))
    with pytest.raises(UpstreamError, match=r"^look: its TLS certificate is not accepted$"):
        transport.send(get(f"https://127.0.0.1:{server.port}/"), PATIENCE_SECONDS)
    assert server.requests == []


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        pytest.param(drips(OK, b"x-y: z\r\n", pause=0.35), "timed out", id="drips"),
        pytest.param(sends(OK + b"x: half", end=True), "the connection broke off", id="ends"),
    ],
)
def test_an_endless_head_over_tls_is_upstream_unavailable(
    secure: Secure, behaviour: Behaviour, problem: str
) -> None:
    server, pem = secure()
    server.behaviour, began = behaviour, time.monotonic()
    with pytest.raises(UpstreamUnavailable, match=f"^look: {problem}$"):
        Transport(ca_file=str(pem)).send(get(f"https://127.0.0.1:{server.port}/"), 0.4)
    assert time.monotonic() - began < SOON_SECONDS
