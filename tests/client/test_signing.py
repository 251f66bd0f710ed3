"""Requests carry the current token; a refused token is replaced and the request sent again.

Every rule holds for requests, for httpx and for httpx's async client.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO, UnsupportedOperation
from itertools import count
from typing import Any

import anyio
import httpcore
import httpx
import pytest
import requests

from tests.client import channels
from tests.client.callers import LIBRARIES, NO_TLS, Caller, Library
from tests.client.channels import NOW, IssuingChannel, RecordingChannel
from tests.servers import Server, answer, in_turn, sends
from tests.waiting import PATIENCE_SECONDS
from token_broker_client import (
    Answer,
    Broker,
    CredentialLatched,
    TooManyRequests,
    Unreachable,
    WrongDestination,
)
from token_broker_client.cache import Cache
from token_broker_client.httpx_auth import Guard
from token_broker_fakes import FakeVendorlink, FakeVntana

PRODUCTS = "/v1/products"


class World:
    """A vendor, a broker that makes tokens there, and a caller."""

    def __init__(self, fake: FakeVntana, library: Library) -> None:
        fake.data["GET", PRODUCTS] = fake.data["POST", PRODUCTS] = {"grid": ["chair"]}
        self.fake = fake
        self.channel = IssuingChannel(self.issue)
        self.access = self.channel.access()
        self.caller = Caller(library, self.access)
        self.url = f"{fake.url}{PRODUCTS}"

    def issue(self) -> dict[str, Any]:
        """Make a token that is sent in two headers."""
        issued = self.fake.issue()
        return issued | {"headers": issued["headers"] | {"X-Also": "s3cond"}}

    def get(self, path: str = PRODUCTS) -> int:
        """Send a GET; return the status."""
        return self.caller.send("GET", f"{self.fake.url}{path}").status

    def revoke(self) -> Answer:
        """Revoke the token that is in use, and return its answer."""
        in_use = self.access.answer()
        self.fake.revoke()
        return in_use

    @property
    def reported(self) -> list[Any]:
        """The fingerprints that were reported as rejected."""
        return [body["rejected"] for body in self.channel.bodies if "rejected" in body]

    @property
    def tried(self) -> list[int]:
        """The status of each response of the vendor."""
        return [entry.status for entry in self.fake.log.of("data")]


@pytest.fixture(params=LIBRARIES)
def world(request: pytest.FixtureRequest, fake_vntana: FakeVntana) -> World:
    return World(fake_vntana, request.param)


def test_requests_are_signed_with_one_call_to_the_broker(world: World) -> None:
    """Not before the first request, so that a Lambda may make its session while it starts."""
    assert world.channel.commands == []
    assert [world.get() for _ in range(3)] == [200] * 3
    assert world.channel.bodies == [{}]


@pytest.mark.parametrize("mode", ["403", "401", "403_bad_credentials"])
def test_a_dead_token_is_reported_and_replaced(world: World, mode: Any) -> None:
    """For each refusal that VNTANA sends."""
    world.fake.modes.dead_token = mode
    first = world.revoke()
    assert world.get() == 200
    assert world.tried == [int(mode[:3]), 200]
    assert world.reported == [first.fingerprint]
    assert world.get() == 200
    assert len(world.channel.commands) == 2


@pytest.mark.parametrize("was_dead", [False, True])
def test_a_refusal_for_rights_counts_for_all_paths_of_the_token(
    world: World, *, was_dead: bool
) -> None:
    """Each path with an id is a place of its own: six paths do not cost six tokens.

    Also if the token before was dead: the refusal of the new token counts.
    """
    if was_dead:
        world.fake.refuse("UNAUTHORIZED", status=401, step="data", times=1)
    world.fake.refuse("FORBIDDEN", step="data")
    for number in range(6):
        world.fake.data["GET", f"/v1/products/{number}"] = {}
        assert world.get(f"/v1/products/{number}") == 403
    assert len(world.reported) == 1
    world.fake.heal()
    world.channel.current = {}  # another process had it replaced; this one sees it dead
    world.access.answer(force=True)
    world.fake.revoke()
    assert world.get("/v1/products/0") == 403  # this place is left alone
    assert world.get() == 200
    assert len(world.reported) == 2


def test_a_refused_path_does_not_affect_other_paths_and_methods(world: World) -> None:
    world.fake.data["GET", "/v1/forbidden"] = world.fake.data["POST", "/v1/forbidden"] = {}
    world.fake.fail("answer", step="/v1/forbidden", times=None, status=401)
    redirect(world, "/v1/forbidden")  # whose end is refused, not its beginning
    assert [world.get(), world.get()] == [401, 200]
    world.fake.revoke()
    assert world.get() == 200
    assert len(world.reported) == 2
    world.fake.heal()
    world.fake.revoke()
    # That place is left alone, for that method, whatever the query, and after a redirect.
    assert world.get("/v1/forbidden?page=2") == 403
    redirect(world, "/v1/forbidden")
    assert world.get() == 403
    assert world.caller.send("POST", f"{world.fake.url}/v1/forbidden").status == 200
    assert len(world.reported) == 3


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_refusal_does_not_affect_tokens_of_other_variants_and_brokers(
    library: Library, server: Server
) -> None:
    """Another flow's, connection's, workspace's or broker's: each may be dead by itself."""
    server.behaviour = sends(answer(status="401 No"))
    one, other = (RecordingChannel(base_url=server.url) for _ in range(2))
    kept = Cache(clock=NOW.timestamp)
    first, second = Broker(one, cache=kept), Broker(other, cache=kept)
    accesses = [
        first.access("vntana", "acme"),
        first.access("vntana", "zero"),
        first.access("vntana", "acme", workspace="chairs"),
        first.access("vendorlink", "acme"),
        second.access("vntana", "acme"),
    ]
    for access in [*accesses, *accesses]:
        assert Caller(library, access).send("GET", f"{server.url}{PRODUCTS}").status == 401
    for channel, number in ((one, 4), (other, 1)):
        reports = ["rejected" in command.body for command, _ in channel.calls]
        assert reports == [False, True] * number


@pytest.mark.parametrize("mode", ["403", "401"])
def test_a_rate_limited_report_returns_the_response_of_the_vendor(world: World, mode: Any) -> None:
    """And nothing is reported for a while."""
    world.fake.modes.dead_token = mode
    world.revoke()
    world.channel.errors.append(TooManyRequests("thrice in a minute", retry_after=4000))
    assert [world.get(), world.get()] == [int(mode)] * 2
    assert len(world.reported) == 1


@pytest.mark.parametrize("error", [CredentialLatched, Unreachable])
def test_an_error_of_the_broker_during_a_replacement_is_raised(
    world: World, error: type[Any]
) -> None:
    """It tells more than the vendor's refusal."""
    world.revoke()
    world.channel.errors.extend(error("why") for _ in range(20))
    with pytest.raises(error):
        world.get()


class Chunks(Iterator[bytes]):
    """A body that comes in parts, once, and is seven bytes long."""

    def __init__(self) -> None:
        self.parts = [b"a ", b"chair"]

    def __next__(self) -> bytes:
        if not self.parts:
            raise StopIteration
        return self.parts.pop(0)

    def __len__(self) -> int:
        return 7


def file_from(position: int, content: bytes) -> BytesIO:
    """Return a file that was read up to *position*."""
    file = BytesIO(content)
    file.seek(position)
    return file


class Unseekable(BytesIO):
    """A file that is not seekable, and says so."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise UnsupportedOperation


class Unwinding(BytesIO):
    """A file of seven bytes that has a position, and refuses to go back to it."""

    def seek(self, *_: int) -> int:
        raise OSError

    def tell(self) -> int:
        return 0

    def __len__(self) -> int:
        return 7


class Reader:
    """A file that can only be read."""

    def __init__(self, content: bytes) -> None:
        self.read = BytesIO(content).read


def form(file: object) -> dict[str, Any]:
    """Return the body of a form with *file*, another file, and a field."""
    files = {"text": ("b.txt", b"in memory"), "drawing": ("a.dwg", file)}
    return {"body": {"name": "oak"}, "files": files}


LENGTH = {"headers": {"Content-Length": "7"}}
SYNC: tuple[Library, ...] = ("requests", "httpx")
HTTPX: tuple[Library, ...] = ("httpx", "async httpx")
REPEATABLE: dict[str, tuple[tuple[Library, ...], Callable[[], Any]]] = {
    "bytes": (LIBRARIES, lambda: {"body": b"a chair"}),
    "text": (LIBRARIES, lambda: {"body": "a chair"}),
    "mutable bytes": (("requests",), lambda: {"body": bytearray(b"a chair")}),
    "list": (("httpx",), lambda: {"body": [b"a ", b"chair"], **LENGTH}),
    "file": (SYNC, lambda: {"body": file_from(10, b"not this: a chair"), **LENGTH}),
    "form": (LIBRARIES, lambda: form(BytesIO(b"a chair"))),
}
UNREPEATABLE: dict[str, tuple[tuple[Library, ...], Callable[[], Any]]] = {
    "stream": (LIBRARIES, lambda: {"body": Chunks(), **LENGTH}),
    "file that is not rewound": (SYNC, lambda: {"body": Unwinding(b"a chair"), **LENGTH}),
    "async file": (
        ("async httpx",),
        lambda: {"body": anyio.wrap_file(BytesIO(b"a chair")), **LENGTH},
    ),
    "form with an unseekable file": (HTTPX, lambda: form(Unseekable(b"a chair"))),
    "form with a reader": (HTTPX, lambda: form(Reader(b"a chair"))),
}
"""For each kind of body, the libraries that take it and do not read it into memory."""


@pytest.mark.parametrize(
    ("kind", "library"),
    [(kind, library) for kind, row in (REPEATABLE | UNREPEATABLE).items() for library in row[0]],
)
def test_a_body_is_sent_again_with_the_new_token_if_it_can_be_rewound(
    kind: str, library: Library, fake_vntana: FakeVntana
) -> None:
    """Otherwise the caller gets the refusal, and the next request has the new token."""
    world, given = World(fake_vntana, library), (REPEATABLE | UNREPEATABLE)[kind][1]()
    world.revoke()
    status = world.caller.send("POST", world.url, **given).status
    assert world.tried == [403] + [200] * (kind in REPEATABLE)
    assert status == world.tried[-1]
    bodies = [entry.body for entry in world.fake.log.of("data")]
    assert len({*bodies}) == 1
    parts = [b"a chair"] + [b"in memory", b"oak"] * ("files" in given)
    assert all(part in bodies[0] for part in parts)
    assert world.get() == 200
    assert len(world.reported) == 1


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://127.0.0.1:9{path}",
        "http://localhost:{port}{path}",
        "https://127.0.0.1:{port}{path}",
        "http://127.0.0.1:{port}@127.0.0.1:9{path}",
        "http://127.0.0.1:9\\@127.0.0.1:{port}{path}",
    ],
)
def test_a_request_to_another_origin_is_not_sent(world: World, elsewhere: str) -> None:
    port = world.fake.address.rpartition(":")[2]
    with pytest.raises((WrongDestination, httpx.InvalidURL, requests.exceptions.InvalidURL)):
        world.caller.send("GET", elsewhere.format(port=port, path=PRODUCTS))
    assert len(world.fake.log) == 0


def redirect(world: World, target: str, status: int = 302, times: int | None = 1) -> None:
    headers = {"Location": target}
    world.fake.fail("answer", step=PRODUCTS, status=status, headers=headers, times=times)


@pytest.mark.parametrize("was_dead", [False, True])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_redirect_to_another_host_carries_no_token(
    library: Library, server: Server, status: int, *, was_dead: bool
) -> None:
    """Neither the first nor the new one. The libraries drop only `Authorization`."""
    onward = answer(b"", "Location: /onward", status="302 Found")
    other_host = Server(in_turn(onward, answer(b"hello")))
    moved = answer(b"", f"Location: {other_host.url}/collect", status=f"{status} Moved")
    server.behaviour = in_turn(*[answer(status="401 No")] * was_dead, moved)
    tokens = count(1)

    def issue() -> dict[str, Any]:
        headers = {"X-AUTH-TOKEN": f"s3cret-{next(tokens)}", "X-Also": "s3cond"}
        return {"headers": headers, "base_url": server.url}

    assert Caller(library, IssuingChannel(issue).access()).send("GET", server.url).text == "hello"
    assert len(server.requests) == 1 + was_dead
    assert all(b"s3cret" in sent and b"s3cond" in sent for sent in server.requests)
    received = b"".join(other_host.requests).lower()
    assert b"/collect" in received
    assert b"/onward" in received
    assert not any(ours in received for ours in (b"x-auth-token", b"x-also", b"s3cond", b"s3cret"))
    other_host.close()


@pytest.mark.parametrize("form", ["//{}/x", "////{}/x", "http:////{}/x", "HTTP:{}/x", "/\t/{}/x"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_no_form_of_a_location_carries_the_token_to_another_host(
    library: Library, server: Server, form: str
) -> None:
    """Not even one that Python's `urljoin` resolves to the vendor's host, as requests does not."""
    other_host = Server(sends(answer(b"hello")))
    location = form.format(other_host.url.removeprefix("http://"))
    moved = answer(b"", f"Location: {location}", status="302 Found")
    server.behaviour = in_turn(moved, answer(b"within the vendor"))
    caller = Caller(library, RecordingChannel(base_url=server.url).access("vntana"))
    with suppress(requests.RequestException, httpx.HTTPError, httpx.InvalidURL):
        caller.send("GET", server.url)
    assert b"x-auth-token" in server.requests[0].lower()
    assert b"x-auth-token" not in b"".join(other_host.requests).lower()
    other_host.close()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_token_is_replaced_once_for_a_request_and_its_redirects(
    library: Library, server: Server
) -> None:
    """A vendor that refuses at each hop costs one token, not one for each."""
    no, moved = answer(status="401 No"), answer(b"", "Location: /moved", status="302 Found")
    server.behaviour = in_turn(no, moved, no, no, no)
    channel = RecordingChannel(base_url=server.url)
    assert Caller(library, channel.access("vntana")).send("GET", f"{server.url}/x").status == 401
    assert ["rejected" in command.body for command, _ in channel.calls] == [False, True]
    assert [b"token-1" in sent for sent in server.requests] == [True, False, False]


@pytest.mark.parametrize(("status", "method"), [("303 See Other", "GET"), ("307 Moved", "POST")])
@pytest.mark.parametrize("library", LIBRARIES)
def test_only_the_refused_hop_of_a_redirect_is_sent_again(
    library: Library, server: Server, status: str, method: str
) -> None:
    """Not the POST before it, which the vendor has accepted, even if its body was a stream."""
    body = Chunks() if method == "GET" else b"a chair"
    moved = answer(b"", "Location: /result", status=status)
    server.behaviour = in_turn(moved, answer(status="401 No"), answer(b"hello"))
    caller = Caller(library, RecordingChannel(base_url=server.url).access("vntana"))
    assert caller.send("POST", f"{server.url}/create", body, **LENGTH).text == "hello"
    lines = [sent.partition(b" HTTP/1.1")[0].decode() for sent in server.requests]
    assert lines == ["POST /create", f"{method} /result", f"{method} /result"]
    assert [b"a chair" in sent for sent in server.requests[1:]] == [method == "POST"] * 2
    assert [re.findall(rb"token-\d", sent) for sent in server.requests[1:]] == [
        [b"token-1"],
        [b"token-2"],
    ]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_replacement_for_another_host_is_not_sent(library: Library, server: Server) -> None:
    """If the vendor has moved meanwhile, its refusal is the answer."""
    server.behaviour = sends(answer(status="401 No"))
    hosts = iter([server.url, "https://elsewhere.example"])
    channel = IssuingChannel(lambda: {"headers": {"X-T": "token"}, "base_url": next(hosts)})
    assert Caller(library, channel.access()).send("GET", f"{server.url}/x").status == 401
    assert len(server.requests) == 1


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_request_is_not_sent_again_with_the_token_that_was_refused(
    library: Library, server: Server
) -> None:
    """If the broker has no other one."""
    server.behaviour = sends(answer(status="401 No"))
    access = RecordingChannel(base_url=server.url, fingerprint="0" * 16).access("vntana")
    assert Caller(library, access).send("GET", f"{server.url}/x").status == 401
    assert len(server.requests) == 1


def test_a_prepared_request_that_is_sent_again_has_its_token_replaced_each_time(
    fake_vntana: FakeVntana,
) -> None:
    """Not only at its first refusal."""
    world = World(fake_vntana, "requests")
    with requests.Session() as session:
        session.auth = world.access.auth()
        prepared = session.prepare_request(requests.Request("GET", world.url))
        for _ in range(3):
            world.revoke()
            assert session.send(prepared, timeout=PATIENCE_SECONDS).status_code == 200
    assert world.tried == [403, 200] * 3


@pytest.mark.parametrize("was_dead", [False, True])
def test_a_prepared_request_stays_signed_after_a_redirect_to_another_host(
    fake_vntana: FakeVntana, server: Server, *, was_dead: bool
) -> None:
    """So it can be sent again, also if that host did not answer."""
    world = World(fake_vntana, "requests")
    server.behaviour = sends(end=True)
    redirect(world, server.url, times=2)
    with requests.Session() as session:
        session.auth = world.access.auth()
        prepared = session.prepare_request(requests.Request("GET", world.url))
        for _ in range(2):
            with pytest.raises(requests.ConnectionError):
                session.send(prepared, timeout=PATIENCE_SECONDS)
        if was_dead:
            world.revoke()
        assert session.send(prepared, timeout=PATIENCE_SECONDS).status_code == 200
    assert world.tried[2:] == [403] * was_dead + [200]
    assert b"x-auth-token" not in b"".join(server.requests).lower()


def test_a_refused_response_is_in_the_history_of_requests(fake_vntana: FakeVntana) -> None:
    """As with other auth classes of requests; `response.request` is the one that was sent."""
    world = World(fake_vntana, "requests")
    world.revoke()
    with requests.Session() as session:
        response = session.get(world.url, auth=world.access.auth(), timeout=PATIENCE_SECONDS)
    assert [one.status_code for one in response.history] == [403]
    token = world.access.answer().headers["X-AUTH-TOKEN"]
    assert response.request.headers["X-AUTH-TOKEN"] == token


def test_a_refusal_after_a_redirect_back_from_another_host_is_not_reported(
    world: World, server: Server
) -> None:
    """That request may be unsigned, so that its refusal is not about the token."""
    server.behaviour = sends(answer(b"", f"Location: {world.url}", status="302 Found"))
    redirect(world, server.url)
    assert world.get() in (200, 403)
    assert world.reported == []
    assert b"x-auth-token" not in server.requests[0].lower()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_request_through_a_forward_proxy_keeps_its_token(
    library: Library, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request to the vendor keeps its token; one after a redirect to another host does not.

    The second attempt uses the proxy too.
    """
    server.behaviour = in_turn(
        answer(status="401 No"),
        answer(b"hello"),
        answer(b"", "Location: http://elsewhere.example/x", status="302 Found"),
        answer(b""),
    )
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server.url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    vendor = "http://vendor.example:8080"
    caller = Caller(library, RecordingChannel(base_url=vendor).access("vntana"))
    assert caller.send("GET", f"{vendor}/v1/products").text == "hello"
    caller.send("GET", f"{vendor}/v1/products")
    lines = [request.partition(b" HTTP/1.1")[0] for request in server.requests]
    ours = f"GET {vendor}/v1/products".encode()
    assert lines == [ours, ours, ours, b"GET http://elsewhere.example/x"]
    tokens = [re.findall(rb"Bearer (token-\d)", request) for request in server.requests]
    assert tokens == [[b"token-1"], [b"token-2"], [b"token-2"], []]


@pytest.mark.parametrize("library", LIBRARIES)
def test_netrc_does_not_replace_the_authorization_of_vendorlink(
    library: Library, fake_vendorlink: FakeVendorlink, tmp_path: Any, monkeypatch: Any
) -> None:
    """Nor after a redirect. And a 403 of Vendorlink is about rights."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    channel = IssuingChannel(fake_vendorlink.issue, "vendorlink")
    access = channel.access()
    caller, url = Caller(library, access), access.url("/Queries/List")
    fake_vendorlink.revoke()
    assert caller.send("GET", url).status == 200
    moved = {"Location": url}
    fake_vendorlink.fail("answer", step="data", status=302, headers=moved, times=1)
    assert caller.send("GET", url).status == 200
    fake_vendorlink.fail("answer", step="data", status=403, body='{"errors": ["FORBIDDEN"]}')
    assert caller.send("GET", url).status == 403
    assert len(channel.commands) == 2


def test_a_streamed_response_is_not_read(fake_vntana: FakeVntana) -> None:
    """Only the body of a refusal is read."""
    world = World(fake_vntana, "requests")
    for _ in range(2):
        with requests.get(
            world.url, auth=world.access.auth(), stream=True, timeout=PATIENCE_SECONDS
        ) as response:
            assert response.raw.read(2) == b'{"'
        world.fake.revoke()  # what follows a replacement is read no more than the first
    with (
        httpx.Client(
            auth=world.access.httpx_auth(), verify=NO_TLS, timeout=PATIENCE_SECONDS
        ) as client,
        client.stream("GET", world.url) as reply,
    ):
        assert not reply.is_stream_consumed


@pytest.mark.parametrize("version", ["http11", "http2"])
def test_the_token_is_removed_from_http1_and_http2_requests_to_another_host(version: str) -> None:
    """Right before the request is written."""
    request = httpx.Request("GET", "https://api-platform.vntana.com")
    guard = Guard(request)
    guard.signed(request, channels.answer())
    for url, names in (
        ("https://api-platform.vntana.com/x", [b"X-Auth-Token", b"Accept"]),
        ("https://elsewhere.example/x", [b"Accept"]),
    ):
        headers = [(b"X-Auth-Token", b"Bearer token-1"), (b"Accept", b"*/*")]
        leaving = httpcore.Request("GET", url, headers=headers)
        guard.trace(f"{version}.send_request_headers.started", {"request": leaving})
        assert [name for name, _ in leaving.headers] == names


def test_a_request_of_httpx_that_is_sent_again_has_one_guard() -> None:
    """A chain of them would end in a RecursionError. The caller's own trace is kept."""
    heard: list[str] = []

    def hear(event: str, _: object) -> None:
        heard.append(event)

    auth = IssuingChannel(channels.document).access().httpx_auth()
    request = httpx.Request("GET", channels.answer().base_url, extensions={"trace": hear})
    for _ in range(sys.getrecursionlimit()):
        next(auth.sync_auth_flow(request))
    request.extensions["trace"]("http11.connect_tcp.started", {})
    assert heard == ["http11.connect_tcp.started"]


def test_trace_and_timeout_extensions_of_the_caller_are_kept(fake_vntana: FakeVntana) -> None:
    """The guard of the token is added to them."""
    events: dict[str, Any] = {}

    def hear(event: str, info: dict[str, Any]) -> None:
        events[event] = info.get("request")

    async def hear_async(event: str, info: dict[str, Any]) -> None:
        hear(event, info)

    ways: tuple[tuple[Library, Any], ...] = (("httpx", hear), ("async httpx", hear_async))
    for library, trace in ways:
        events.clear()
        world = World(fake_vntana, library)
        extensions = {"trace": trace, "timeout": {"connect": 7, "read": PATIENCE_SECONDS}}
        world.caller.send("GET", world.url, extensions=extensions)
        sent = events["http11.send_request_headers.started"]
        assert sent.extensions["timeout"]["connect"] == 7
