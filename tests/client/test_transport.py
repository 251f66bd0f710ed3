"""Calls end at their deadline, answers have a largest size, a forked child starts anew.

The tests use a raw server and the wall clock.
"""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import boto3
import httpx
import pytest
import trio
import urllib3

from tests.certificates import certificate
from tests.client.callers import NO_TLS
from tests.client.channels import Answering, HangingChannel
from tests.client.systems import refused
from tests.servers import Server, answer, drips, sends, tunnels
from tests.waiting import PATIENCE_SECONDS, SOON_SECONDS
from token_broker_client import Broker, Unreachable, transport
from token_broker_client.cache import Cache
from token_broker_client.deadline import Deadline, Patience
from token_broker_client.request import Command

LARGEST_BYTES = 8 << 20
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
COMMAND = Command("vntana", "acme", "forget", {})
FORGOTTEN = {"forgotten": 7}
OK = sends(answer(b'{"forgotten": 7}'))
Reach = Callable[[str], Any]


@pytest.fixture
def reach(session: boto3.Session) -> Reach:
    """Return a function that makes the channel to a URL."""
    return lambda url: Broker.from_url(url, region="eu-west-1", session=session)._channel


def call(channel: Any, seconds: float = PATIENCE_SECONDS) -> Any:
    """Return the channel's answer, which it must give before its deadline in *seconds*."""
    return channel.call(COMMAND, Deadline.after(seconds))


def unreachable(channel: Any, seconds: float = PATIENCE_SECONDS, match: str = ".") -> Unreachable:
    """Return the error of a call, which must end soon."""
    began = time.monotonic()
    with pytest.raises(Unreachable, match=match) as caught:
        call(channel, seconds)
    assert time.monotonic() - began < SOON_SECONDS
    return caught.value


HANGS = {
    "says nothing": sends(),
    "drips its head": drips(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "drips its body": drips(HEAD, b" "),
    "drips chunks": drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "drips a chunk's size": drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "drips interim answers": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("behaviour", HANGS.values(), ids=HANGS.keys())
def test_a_call_ends_at_its_deadline(reach: Reach, server: Server, behaviour: Any) -> None:
    """The call itself, not only the wait for it: no thread is left behind."""
    server.behaviour = behaviour
    assert unreachable(reach(server.url), 0.3).retryable


def test_a_call_after_the_deadline_sends_nothing(reach: Reach, server: Server) -> None:
    unreachable(reach(server.url), 0)
    assert server.requests == []


@pytest.mark.parametrize("behaviour", [sends(), drips(b"", b"\x16\x03\x03")], ids=["hang", "drip"])
def test_a_tls_handshake_ends_at_the_deadline(
    behaviour: Any, reach: Reach, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server accepts the connection and never completes the handshake."""
    monkeypatch.setattr(Server, "_read", lambda _, taken: behaviour(taken) or taken.recv(1))
    unreachable(reach(f"https://127.0.0.1:{server.port}"), 0.3)


def test_each_read_of_a_socket_gets_the_remaining_time() -> None:
    """The timeout is set before each one; if no time is left, nothing is read."""
    ours, theirs = socket.socketpair()
    reader = transport._Reader(ours, "r")
    with ours, theirs:
        for left in (20.0, 3.0):
            theirs.sendall(b"x")
            transport._deadline.set(Deadline(left, lambda: 0.0))
            assert reader.readinto(bytearray(1)) == 1
            assert ours.gettimeout() == left
        transport._deadline.set(Deadline(0, lambda: 0.0))
        with pytest.raises(TimeoutError, match="timed out"):
            reader.readinto(bytearray(1))


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """A server over TLS that answers each call, and the file of its certificate."""
    pem, private = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    server = Server(OK, tls=context)
    yield server, pem
    server.close()


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"HTTPS_PROXY": "http://me:p%40ss@"},
        {"HTTPS_PROXY": "https://me:p%40ss@"},
        {"ALL_PROXY": "me:p@ss@"},
        {"HTTPS_PROXY": "http://", "NO_PROXY": ""},
    ],
    ids=str,
)
def test_a_call_over_tls_ends_at_its_deadline(
    tls_server: tuple[Server, Path],
    reach: Reach,
    bare_environment: pytest.MonkeyPatch,
    variables: dict[str, str],
) -> None:
    """Directly or through a proxy. The certificate authorities are those of AWS_CA_BUNDLE."""
    server, pem = tls_server
    server.behaviour = drips(HEAD, b" ")
    proxy = Server(tunnels(server.port), tls=server.tls if "https:" in str(variables) else None)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        bare_environment.delenv(name, raising=False)
    for name, start in variables.items():
        port = server.port if name == "NO_PROXY" else proxy.port
        bare_environment.setenv(name, f"{start}127.0.0.1:{port}")
    channel = reach(f"https://127.0.0.1:{server.port}")
    unreachable(channel, match="Error, as its certificate is not trusted")
    assert server.requests == []
    bare_environment.setenv("AWS_CA_BUNDLE", str(pem))
    unreachable(channel, 1)
    server.behaviour = OK
    assert call(channel) == FORGOTTEN
    assert bool(proxy.requests) is (variables.keys() in ({"HTTPS_PROXY"}, {"ALL_PROXY"}))
    assert all(b"Basic bWU6cEBzcw==" in request for request in proxy.requests)
    assert b"Basic" not in b"".join(server.requests)
    proxy.close()


def test_certificate_authorities_are_found_as_by_boto3(
    tls_server: tuple[Server, Path], tmp_path: Path, bare_environment: pytest.MonkeyPatch
) -> None:
    """In the environment, then in the profile; each session has its own."""
    server, pem = tls_server
    url = f"https://127.0.0.1:{server.port}"
    (tmp_path / "other").mkdir()
    other, _ = certificate(tmp_path / "other")
    config = tmp_path / "config"
    config.write_text(f"[default]\nca_bundle = {pem}\n[profile plain]\nregion = eu-west-1\n")
    bare_environment.setenv("AWS_CONFIG_FILE", str(config))
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "DEFAULT_REGION"):
        bare_environment.setenv(f"AWS_{name}", "eu-west-1")

    def channel(session: boto3.Session | None) -> Any:
        return Broker.from_url(url, session=session)._channel

    trusting = boto3.Session()
    plain = boto3.Session("local", "local", profile_name="plain")
    for _ in range(2):
        assert call(channel(trusting)) == call(channel(None)) == FORGOTTEN
        error = unreachable(channel(plain), match="SSLError, as its certificate is not")
        assert not error.retryable  # it will be the same at the next try
    for file, message in {
        str(other): "SSLError, as its certificate is not trusted: see AWS_CA_BUNDLE and ca_bundle",
        "no": "FileNotFoundError, as AWS_CA_BUNDLE or ca_bundle names a file that cannot be read",
    }.items():
        bare_environment.setenv("AWS_CA_BUNDLE", file)
        error = unreachable(channel(trusting))
        assert error.detail.endswith(f": {message}")
        assert not error.retryable
    bare_environment.delenv("AWS_CA_BUNDLE")
    bare_environment.setenv("REQUESTS_CA_BUNDLE", str(pem))
    assert call(channel(plain)) == FORGOTTEN


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


@pytest.mark.parametrize("whole", [answer(b"{}"), CHUNKED], ids=["length", "chunks"])
def test_a_truncated_answer_is_retryable(reach: Reach, server: Server, whole: bytes) -> None:
    channel = reach(server.url)
    for sent in (whole, whole.replace(b"200 OK", b"403 No")):
        for end in range(sent.index(b"}") + 1):
            server.behaviour = sends(sent[:end], end=True)
            assert unreachable(channel).retryable, sent[:end]
    for complete in (whole, b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}"):
        # The end is announced: a connection that closes unannounced may be used again just before.
        last = complete.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
        server.behaviour = sends(last, end=True)
        assert call(channel) == {}


@pytest.mark.parametrize("empty", [answer(b""), CHUNKED.replace(b"2\r\n{}\r\n", b"")])
def test_an_empty_answer_is_no_truncated_one(reach: Reach, server: Server, empty: bytes) -> None:
    server.behaviour = sends(empty.replace(b"200 OK", b"404 No"))
    unreachable(reach(server.url), match="API Gateway answered 404, not the broker")


def test_an_interim_answer_is_skipped(reach: Reach, server: Server) -> None:
    """The one after it is the answer to the call, not to the next one."""

    def behave(taken: socket.socket) -> None:
        taken.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        taken.sendall(answer(b'{"forgotten": %d}' % len(server.requests)))

    server.behaviour = behave
    channel = reach(server.url)
    assert [call(channel) for _ in range(3)] == [{"forgotten": number} for number in (1, 2, 3)]


def test_an_answer_above_the_largest_size_is_refused(reach: Reach, server: Server) -> None:
    """The error is not retryable."""
    channel = reach(server.url)
    chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    endless = b"HTTP/1.1 200 OK\r\n\r\n"
    for parts, is_over in (
        ((chunked, *[chunk] * (LARGEST_BYTES // len(chunk) + 9)), True),
        ((answer(b" " * (LARGEST_BYTES + 1)),), True),
        ((endless, b" " * (LARGEST_BYTES + (1 << 20))), False),
    ):
        server.behaviour = sends(*parts, end=is_over)
        assert not unreachable(channel).retryable
    server.behaviour = sends(answer(b'{"forgotten": 7}'.ljust(LARGEST_BYTES)))
    assert call(channel) == FORGOTTEN


def test_a_compressed_answer_is_not_decompressed(reach: Reach, server: Server) -> None:
    """A few bytes may expand to any number; so no compression is requested."""
    server.behaviour = sends(answer(b'{"forgotten": 7}', "Content-Encoding: gzip"))
    assert call(reach(server.url)) == FORGOTTEN
    assert b"accept-encoding: identity" in server.requests[0].lower()


def test_a_request_has_the_user_agent_of_the_client(reach: Reach, server: Server) -> None:
    """And only the headers of content and signature."""
    server.behaviour = OK
    call(reach(server.url))
    _, *lines = server.requests[0].decode().partition("\r\n\r\n")[0].lower().split("\r\n")
    sent = dict(line.split(": ", 1) for line in lines)
    assert sent.pop("user-agent") == "token-broker-client"
    assert (sent.pop("accept"), sent.pop("accept-encoding")) == ("*/*", "identity")
    assert sent.pop("content-type") == "application/json"
    assert sent.keys() == {"host", "authorization", "x-amz-date"}


def test_cookies_are_not_kept(reach: Reach, server: Server) -> None:
    server.behaviour = sends(answer(b"{}", "Set-Cookie: a=b; Path=/"))
    channel = reach(server.url)
    for _ in range(2):
        call(channel)
    assert b"cookie" not in server.requests[1].lower()


@pytest.mark.parametrize("meanwhile", [False, True])
def test_a_connection_idle_for_three_seconds_is_not_reused(
    reach: Reach, server: Server, monkeypatch: pytest.MonkeyPatch, *, meanwhile: bool
) -> None:
    """It may be dead, and only the deadline would show that. Calls elsewhere change nothing."""
    other = Server(sends(answer(b"{}")))
    server.behaviour = sends(answer(b"{}"))
    elsewhere, channel, now = reach(other.url), reach(server.url), [time.time()]
    monkeypatch.setattr(transport, "time", lambda: now[0])
    now[0] += 100
    call(channel)
    before = server.connections
    for ahead, more in ((0, 0), (2.9, 0), (3.0, 0), (3.1, 1), (-0.1, 2)):
        now[0] += ahead / 2
        if meanwhile:
            call(elsewhere)
        now[0] += ahead / 2
        call(channel)
        assert server.connections == before + more
    other.close()


def test_the_wall_clock_counts_how_long_a_connection_is_idle() -> None:
    """The monotonic one may stand still in a frozen function."""
    assert vars(transport)["time"] is time.time


def test_connecting_takes_five_seconds_at_most(
    reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that drops packets leaves time for another attempt."""
    channel, timeouts = reach("http://127.0.0.1:9"), []

    def sent(*_: object, timeout: urllib3.Timeout, **__: object) -> None:
        timeouts.append((timeout.connect_timeout, timeout.read_timeout))
        raise urllib3.exceptions.ProtocolError

    monkeypatch.setattr(urllib3.PoolManager, "urlopen", sent)
    for seconds in (20, 2):
        with refused(Unreachable, "127.0.0.1:9: ProtocolError"):
            channel.call(COMMAND, Deadline.after(seconds, lambda: 0.0))
    assert timeouts == [(5, 20), (2, 2)]


HANG = """
import time
from token_broker_client import Broker, Unreachable
from token_broker_client.deadline import Patience

class Channel:
    def call(self, command, deadline):
        time.sleep(600)

try:
    Broker(Channel(), Patience(0.1)).vntana("acme")
except Unreachable:
    print("gave up")
"""


def test_a_hanging_call_does_not_keep_the_process_alive() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANG],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    assert ended.stdout == "gave up\n"


def test_an_invalid_proxy_address_is_not_retried(
    reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only temporary errors are retried."""
    monkeypatch.setenv("HTTP_PROXY", "http://a..b:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert not unreachable(reach("http://127.0.0.1:9")).retryable


FORK = """
import gc, os, signal, sys, threading, time
import boto3
from tests.client.channels import document
from tests.servers import Server, answer, sends
from token_broker_client import Broker, identity, refusals, transport
from token_broker_client.deadline import Patience

transport.IDLE_SECONDS = 1e9  # however slow this machine is

class Channel:
    def __init__(self):
        self.parent, self.begun = os.getpid(), threading.Event()
    def call(self, command, deadline):
        if os.getpid() == self.parent and command.connection == "slow":
            self.begun.set()
            time.sleep(600)
        return document(connection=command.connection, fingerprint=str(os.getpid()))

server = Server(sends(answer(b'{"forgotten": 1}')))
session = boto3.Session("local", "local")
api = Broker.from_url(server.url, region="eu-west-1", session=session, patience=60)
api.forget("vntana", "acme")
channel = Channel()
broker = Broker(channel, Patience(300))
kept = broker.vntana("kept")
settings = identity.read(None, lambda one: one)
threading.Thread(target=lambda: broker.vntana("slow"), daemon=True).start()
channel.begun.wait()
def is_ours(one):
    return str(type(one).__module__).startswith("token_broker_client")
locking = [one for one in gc.get_objects() if is_ours(one) and hasattr(one, "_lock")]
assert {broker._cache, broker._cache._calls, refusals.SHARED} == {*locking}
for one in locking:
    one._lock.acquire()
child = os.fork()
if child:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert server.connections == 2, "the child used a connection of its parent's"
    sys.exit(code)
for one in (broker._cache, broker._cache._calls, refusals.SHARED):
    assert not one._lock.locked()
signal.alarm(60)
api.forget("vntana", "acme")
assert broker.vntana("slow").fingerprint == str(os.getpid())
assert identity.read(None, lambda one: one) is not settings
assert broker.vntana("kept").fingerprint == str(os.getpid())
os._exit(7)
"""


def test_a_forked_child_has_new_locks_caches_and_connections() -> None:
    """Also if a thread of its parent was calling, and every lock was held."""
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS + 60,
    )
    assert ended.returncode == 7, ended.stderr


@pytest.mark.parametrize(
    "run", [lambda main: asyncio.run(main()), trio.run], ids=["asyncio", "trio"]
)
def test_a_waiting_task_is_cancelled_at_once(run: Any) -> None:
    """With the exception of the framework, not one of the client."""
    hanging = HangingChannel()
    access = Broker(hanging, Patience(PATIENCE_SECONDS), Cache()).access("vntana", "acme")

    async def main() -> float:
        async with httpx.AsyncClient(auth=access.httpx_auth(), verify=NO_TLS) as client:
            began = time.monotonic()
            with pytest.raises(TimeoutError), anyio.fail_after(0.05):
                await client.get("https://api-platform.vntana.com/v1/products")
            return time.monotonic() - began

    assert run(main) < SOON_SECONDS
    hanging.go.set()


def test_forget_repeats_until_all_tokens_are_forgotten() -> None:
    """DELETE of many tokens may end before all are forgotten; its answer says so."""
    some, all_ = {"forgotten": 500, "complete": False}, {"forgotten": 20, "complete": True}
    answers = iter([some, some, all_, {"forgotten": 3}])
    broker = Broker(Answering(lambda *_: next(answers)))
    assert [broker.forget("vntana", "acme") for _ in range(2)] == [1020, 3]


def test_forget_is_unreachable_if_time_ends_before_all_tokens_are_forgotten() -> None:
    times_left: list[float] = []

    def some(command: Command, deadline: Deadline) -> dict[str, Any]:
        """Forget one of many tokens in a second."""
        assert command.action == "forget"
        times_left.append(deadline.left)
        return {"forgotten": 1, "complete": False}

    patience = Patience(2.0, lambda: float(len(times_left)))
    with refused(Unreachable, "not all tokens were forgotten in time") as raised:
        Broker(Answering(some), patience).forget("vntana", "acme")
    assert (raised.value.retryable, times_left) == (True, [2.0, 1.0])
