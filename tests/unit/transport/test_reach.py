"""Whom the transport talks to: addresses as they are when it connects, and verified servers."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.certificates import certificate
from tests.servers import Server, answer, drips, says
from tests.waiting import PATIENCE_SECONDS, SOON_SECONDS
from token_broker.errors import UpstreamError, UpstreamRefused, UpstreamUnavailable
from token_broker.exchange import Request
from token_broker.transport.client import Transport
from token_broker.transport.deadline import resolve

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
    server = Server(says(answer()))
    yield server
    server.close()


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "224.0.0.1"),
        *("::1", "fe80::1%lo", "fd00:ec2::254", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe"),
    ],
)
def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    """Whatever the DNS says, now or a moment ago."""
    transport = Transport(resolve=leading(address))
    assert refusal(transport, "https://app.vendorlink.nl/API") == INTERNAL


def test_one_internal_address_among_public_ones_is_enough() -> None:
    transport = Transport(resolve=leading("8.8.8.8", "10.0.0.1"))
    assert refusal(transport, "https://app.vendorlink.nl/API") == INTERNAL


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]", "[fe80::1]"])
def test_an_internal_address_by_itself_is_refused(host: str) -> None:
    assert refusal(Transport(), f"https://{host}/latest/meta-data") == INTERNAL


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://app.vendorlink.nl/", "is http://, which only a loopback host may be"),
        ("https://user:pw@app.vendorlink.nl/", "is no host name, with or without a port"),
        ("https://app.vendorlink.nl./", "is no host name"),
        ("https://2130706433/", "is no IP address"),
        ("https://0x7f.1/", "is no IP address"),
        ("https://app.vendorlink.nl\\@127.0.0.1/", "is no URL"),
        ("ftp://app.vendorlink.nl/", "does not begin with https://"),
    ],
)
def test_an_address_with_two_readings_is_refused(url: str, problem: str) -> None:
    assert refusal(Transport(), url) == f"look: its address {problem}"


def test_the_judged_address_is_the_one_that_is_called(server: Server) -> None:
    """The name is looked up once, so that a second answer (rebinding) has no say."""
    lookups = iter([["127.0.0.1"], ["10.0.0.1"]])
    transport = Transport(resolve=lambda _: next(lookups))
    assert transport.send(get(f"http://localhost:{server.port}/"), PATIENCE_SECONDS).status == 200
    transport.close()
    assert refusal(transport, f"http://localhost:{server.port}/") == INTERNAL


def test_localhost_may_not_lead_elsewhere() -> None:
    assert refusal(Transport(resolve=leading("10.0.0.1")), "http://localhost/") == INTERNAL
    assert refusal(Transport(resolve=leading("8.8.8.8")), "http://localhost/") == INTERNAL


def test_the_next_address_is_tried(server: Server) -> None:
    transport = Transport(resolve=leading("::1", "127.0.0.1"))
    assert transport.send(get(f"http://localhost:{server.port}/"), PATIENCE_SECONDS).status == 200
    transport.close()


def test_an_internal_host_is_never_where_metadata_is() -> None:
    """Not even if it is configured, and a name below it is not it."""
    transport = Transport(frozenset({"vendor.test"}), resolve=leading("169.254.169.254"))
    assert refusal(transport, "https://vendor.test/") == INTERNAL
    transport = Transport(frozenset({"vendor.test"}), resolve=leading("10.0.0.1"))
    assert refusal(transport, "https://x.vendor.test/") == INTERNAL


@pytest.mark.parametrize(("connect_seconds", "seconds"), [(2.0, 9.0), (9.0, 2.0)])
def test_each_address_is_waited_for_within_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch, connect_seconds: float, seconds: float
) -> None:
    """And no longer than a connection has, so that there is time left for the next one."""
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
def test_a_name_that_leads_nowhere(failure: Exception | None) -> None:
    def nowhere(_: str) -> list[str]:
        if failure:
            raise failure
        return []

    with pytest.raises(UpstreamUnavailable, match="look: the host's name leads nowhere"):
        Transport(resolve=nowhere).send(get("https://a.example/"), PATIENCE_SECONDS)


def test_a_slow_resolver_is_not_waited_for() -> None:
    """It has as long as a connection has, so that there is time left for another try."""
    is_over = threading.Event()

    def slow(_: str) -> list[str]:
        is_over.wait(PATIENCE_SECONDS)
        return ["8.8.8.8"]

    transport = Transport(resolve=slow, connect_seconds=0.1)
    with pytest.raises(UpstreamUnavailable, match="looking the host's name up timed out"):
        transport.send(get("https://a.example/"), 10 * PATIENCE_SECONDS)
    is_over.set()


def test_the_system_resolver() -> None:
    assert set(resolve("localhost")) <= {"127.0.0.1", "::1"}


# TLS


def secure(pem: Path, private: Path) -> Server:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return Server(says(answer(b"secure")), tls=context)


def test_a_verified_server_is_talked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the connection is kept, as without TLS, if no time passes between two requests."""
    monkeypatch.setattr("token_broker.transport.client.time", lambda: 1_440_938_160.0)
    pem, private = certificate(tmp_path)
    server = secure(pem, private)
    transport = Transport(ca_file=str(pem))
    for _ in range(3):
        assert (
            transport.send(get(f"https://127.0.0.1:{server.port}/"), PATIENCE_SECONDS).content
            == b"secure"
        )
    assert server.connections == 1
    transport.close()
    server.close()


def test_an_internal_host_may_lead_inside(tmp_path: Path) -> None:
    """And must prove its name all the same."""
    pem, private = certificate(tmp_path, "vendor.test")
    server, asked = secure(pem, private), []

    def resolved(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    transport = Transport(frozenset({"vendor.test"}), resolve=resolved, ca_file=str(pem))
    assert (
        transport.send(get(f"https://vendor.test:{server.port}/"), PATIENCE_SECONDS).content
        == b"secure"
    )
    assert asked == ["vendor.test"]
    transport.close()
    server.close()


def test_a_server_without_tls_is_told_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        threading.Thread(target=_greet, args=(plain,), daemon=True).start()
        with pytest.raises(UpstreamUnavailable, match="look: TLS could not be agreed on"):
            Transport().send(get(f"https://127.0.0.1:{plain.getsockname()[1]}/"), PATIENCE_SECONDS)


def _greet(plain: socket.socket) -> None:
    with plain.accept()[0] as taken:
        taken.sendall(b"220 mail.example ESMTP\r\n")
        taken.recv(9999)


@pytest.mark.parametrize("fault", ["unknown authority", "expired", "other host"])
def test_a_server_that_cannot_prove_itself_is_told_nothing(tmp_path: Path, fault: str) -> None:
    """Loopback is no exception."""
    name = "other.example" if fault == "other host" else "127.0.0.1"
    pem, private = certificate(tmp_path, name, expired=fault == "expired")
    server = secure(pem, private)
    transport = Transport(ca_file=None if fault == "unknown authority" else str(pem))
    with pytest.raises(UpstreamError, match=r"^look: its TLS certificate is not accepted$"):
        transport.send(get(f"https://127.0.0.1:{server.port}/"), PATIENCE_SECONDS)
    assert server.asked == []
    server.close()


def test_a_server_that_drips_under_tls_does_not_pass_the_deadline(tmp_path: Path) -> None:
    pem, private = certificate(tmp_path)
    server = secure(pem, private)
    server.behaviour = drips(b"HTTP/1.1 200 OK\r\n", b"x-y: z\r\n", pause=0.35)
    transport = Transport(ca_file=str(pem))
    began = time.monotonic()
    with pytest.raises(UpstreamUnavailable, match="look: timed out"):
        transport.send(get(f"https://127.0.0.1:{server.port}/"), 0.4)
    assert time.monotonic() - began < SOON_SECONDS
    server.close()


def test_a_head_cut_short_under_tls_is_no_answer(tmp_path: Path) -> None:
    pem, private = certificate(tmp_path)
    server = secure(pem, private)
    server.behaviour = says(b"HTTP/1.1 200 OK\r\nx-auth-token: half", end=True)
    with pytest.raises(UpstreamUnavailable, match="look: the connection broke off"):
        Transport(ca_file=str(pem)).send(get(f"https://127.0.0.1:{server.port}/"), PATIENCE_SECONDS)
    server.close()
