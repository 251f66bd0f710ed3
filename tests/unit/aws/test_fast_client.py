"""The fast client: when it is used, and that anything unexpected falls back to boto3."""

import json
import socket
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.loaders import create_loader
from botocore.regions import EndpointResolver

from tests.certificates import certificate
from tests.servers import Behaviour, Server, answer, drips, sends
from tests.waiting import PATIENCE_SECONDS, SOON_SECONDS, wait_for_aws_as_ever, wait_until
from token_broker.aws import fast_client, http1
from token_broker.aws.endpoints import Credentials, Endpoint, PlainEnvironment
from token_broker.aws.fast_client import FastClient, authorization

LAMBDA = {
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "AKID",
    "AWS_SECRET_ACCESS_KEY": "hush",
    "AWS_SESSION_TOKEN": "session",
}
ITEM: dict[str, Any] = {"TableName": "tokens", "Key": {"id": {"S": "1"}}}
NOW = 1_440_938_160.0


# The environment


def test_the_environment_of_lambda_is_supported() -> None:
    assert PlainEnvironment.of(LAMBDA) == PlainEnvironment(
        Credentials("AKID", "hush", "session", "eu-west-1"),
        {
            name: Endpoint(f"{name}.eu-west-1.amazonaws.com", 443, is_secure=True)
            for name in ("dynamodb", "kms", "secretsmanager", "lambda", "events")
        },
    )


ONLY_BOTO3 = [
    *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"),
    *("AWS_ACCOUNT_ID_ENDPOINT_MODE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
    *("HTTPS_PROXY", "http_proxy", "All_Proxy"),
]
OTHER_REGIONS = [
    *("", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1"),
    "evil.example/eu-west-1",
]
NOT_PLAIN = [
    *("https://vpce.example/path", "https://vpce.example/?query", "https://user@vpce.example"),
    *("ftp://vpce.example", "https://[::1]", "https://[::1", "https://vpce.example:x"),
]


@pytest.mark.parametrize(
    "more",
    [
        *({name: "x"} for name in ONLY_BOTO3),
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "TRUE"},
        {"AWS_ACCESS_KEY_ID": ""},
        {"AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_DEFAULT_REGION": "us-east-1"},
        *({"AWS_REGION": region, "AWS_DEFAULT_REGION": ""} for region in OTHER_REGIONS),
        *({"AWS_ENDPOINT_URL": url} for url in NOT_PLAIN),
        {"AWS_ENDPOINT_URL_KMS": "nonsense"},
    ],
    ids=lambda more: ",".join(f"{name}={value}" for name, value in more.items()),
)
def test_another_environment_falls_back_to_boto3(more: Mapping[str, str]) -> None:
    """For settings that only boto3 supports."""
    assert fast_client.fast_client(LAMBDA | dict(more)) is None


def test_an_empty_or_default_setting_changes_nothing() -> None:
    flags = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")
    for more in (
        *({name: ""} for name in ("AWS_REGION", "AWS_DEFAULT_REGION", *ONLY_BOTO3, *flags)),
        *({name: value} for name in flags for value in ("false", "False")),
    ):
        assert PlainEnvironment.of(LAMBDA | more) == PlainEnvironment.of(LAMBDA), more


def test_endpoints_of_each_region_are_those_of_boto3() -> None:
    resolver: Any = EndpointResolver(create_loader().load_data("endpoints"))
    regions = resolver.get_available_endpoints("dynamodb")
    assert len(regions) > 20
    for region in regions:
        named = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
        found = PlainEnvironment.of(LAMBDA | named).endpoints
        assert {name: endpoint.host for name, endpoint in found.items()} == {
            name: resolver.construct_endpoint(name, region)["hostname"] for name in found
        }


def test_endpoints_can_be_set_by_environment_variables() -> None:
    """A service's variable overrides the common one."""
    variables = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:81/",
        "AWS_ENDPOINT_URL_LAMBDA": "http://a.b:82",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://c.d",
        "AWS_ENDPOINT_URL_EVENTBRIDGE": "http://e.f",
        "AWS_ENDPOINT_URL_DYNAMODB": "http://g.h:443",
    }
    assert PlainEnvironment.of(LAMBDA | variables).endpoints == {
        "dynamodb": Endpoint("g.h", 443, is_secure=False),
        "kms": Endpoint("127.0.0.1", 81, is_secure=False),
        "secretsmanager": Endpoint("c.d", 80, is_secure=False),
        "lambda": Endpoint("a.b", 82, is_secure=False),
        "events": Endpoint("e.f", 80, is_secure=False),
    }


def test_the_authority_omits_the_default_port() -> None:
    for is_secure, omitted in ((False, 80), (True, 443)):
        for port in (80, 82, 443):
            expected = "a.b" if port == omitted else f"a.b:{port}"
            assert Endpoint("a.b", port, is_secure=is_secure).authority == expected


def test_a_ca_bundle_falls_back_to_boto3_only_with_tls() -> None:
    variables = {"AWS_ENDPOINT_URL": "http://127.0.0.1:81", "AWS_CA_BUNDLE": "/ca.pem"}
    assert fast_client.fast_client(LAMBDA | variables)
    variables |= {"AWS_ENDPOINT_URL_KMS": "https://a.b"}
    assert fast_client.fast_client(LAMBDA | variables) is None


# What is sent


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(sends(answer()))
    yield server
    server.close()


class Clock:
    """A clock that stands still until it is set."""

    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fast(server: Server, clock: Clock) -> Iterator[FastClient]:
    fast = FastClient(PlainEnvironment.of(LAMBDA | {"AWS_ENDPOINT_URL": server.url}), clock)
    yield fast
    fast.close()


@pytest.mark.parametrize(
    ("operation", "service", "target", "version"),
    [
        ("get_item", "dynamodb", "DynamoDB_20120810.GetItem", "1.0"),
        ("batch_get_item", "dynamodb", "DynamoDB_20120810.BatchGetItem", "1.0"),
        ("query", "dynamodb", "DynamoDB_20120810.Query", "1.0"),
        ("update_item", "dynamodb", "DynamoDB_20120810.UpdateItem", "1.0"),
        ("encrypt", "kms", "TrentService.Encrypt", "1.1"),
        ("describe_secret", "secretsmanager", "secretsmanager.DescribeSecret", "1.1"),
        ("decrypt", "kms", "TrentService.Decrypt", "1.1"),
        ("get_secret_value", "secretsmanager", "secretsmanager.GetSecretValue", "1.1"),
        ("put_events", "events", "AWSEvents.PutEvents", "1.1"),
    ],
)
def test_a_signed_request_is_sent(
    *, server: Server, fast: FastClient, service: str, operation: str, target: str, version: str
) -> None:
    fast.call(operation, {"a": "é", "b": {"c": b"\xff"}})
    first, sent, body = parts(server.requests[0])
    signed = {
        "host": f"127.0.0.1:{server.port}",
        "content-type": f"application/x-amz-json-{version}",
        "x-amz-date": "20150830T123600Z",
        "x-amz-target": target,
        "x-amz-security-token": "session",
    }
    credentials = Credentials("AKID", "hush", "session", "eu-west-1")
    assert first == "POST / HTTP/1.1"
    assert body == rb'{"a":"\u00e9","b":{"c":"/w=="}}'
    assert sent == signed | {
        "authorization": authorization(credentials, service, signed, body),
        "content-length": str(len(body)),
    }


def test_an_invocation_is_encoded_and_signed_as_by_boto3(server: Server, fast: FastClient) -> None:
    """The colons of a function's ARN are encoded once in the URL, twice in the signed text."""
    server.behaviour = sends(answer(b"", status="202 Accepted"))
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:broker:live"
    parameters = {"FunctionName": arn, "InvocationType": "Event", "Payload": b"{}"}
    assert fast.call("invoke", parameters) == {"StatusCode": 202}
    boto3: Any = botocore.session.Session().create_client(
        "lambda",
        "eu-west-1",
        endpoint_url=server.url,
        aws_access_key_id="AKID",
        aws_secret_access_key="hush",
        aws_session_token="session",
    )
    boto3.invoke(**parameters)
    boto3.close()
    ours, expected = map(parts, server.requests)
    for first, headers, body in (ours, expected):
        assert (first, body) == (expected[0], b"{}")
        assert headers["x-amz-invocation-type"] == "Event"
        names = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        assert headers["authorization"] == authorization(
            Credentials("AKID", "hush", "session", "eu-west-1"),
            "lambda",
            {name: headers[name] for name in names},
            body,
            path=first.split()[1].replace("%", "%25"),
        )


def parts(request: bytes) -> tuple[str, dict[str, str], bytes]:
    """Return the first line of *request*, its headers by lower-case name, and its body."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return first, {name.lower(): value for name, value in pairs}, body


def test_long_lived_credentials_send_no_session_token(server: Server) -> None:
    variables = LAMBDA | {"AWS_ENDPOINT_URL": server.url, "AWS_SESSION_TOKEN": ""}
    fast = FastClient(PlainEnvironment.of(variables))
    fast.call("get_item", ITEM)
    assert b"x-amz-security-token" not in server.requests[0]
    fast.close()


# What comes back


def test_a_response_is_decoded(fast: FastClient, server: Server) -> None:
    body = b'{"Item":{"id":{"S":"1"},"a":{"S":"\xc3\xa9"},"b":{"B":"/w=="}}}'
    server.behaviour = sends(answer(body, f"x-amz-crc32: {zlib.crc32(body)}"))
    item = {"id": {"S": "1"}, "a": {"S": "é"}, "b": {"B": b"\xff"}}
    assert fast.call("get_item", ITEM) == {"Item": item}


JSON = "Content-Type: application/x-amz-json-1.0"
THROTTLED = b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}'
SURPRISES: dict[str, Behaviour] = {
    "throttled": sends(answer(THROTTLED, JSON, status="400 Bad Request")),
    "refused": sends(answer(b'{"__type":"AccessDeniedException"}', status="400 Bad Request")),
    "redirected": sends(answer(b"{}", "Location: /", status="307 Temporary Redirect")),
    "slow": drips(answer(b"x" * 4096)[:-4096], b"x"),
    "no body": sends(answer(b"")),
    "refused in HTML": sends(answer(b"<html>", "Content-Type: text/html", status="403 Forbidden")),
    "refused without a code": sends(answer(b"{}", JSON, status="400 Bad Request")),
    "expired": sends(answer(b'{"__type":"ExpiredTokenException"}', JSON, status="400 Bad Request")),
    "wrong clock": sends(
        answer(b'{"__type":"InvalidSignatureException"}', JSON, status="400 Bad Request")
    ),
    "another item": sends(answer(b'{"Item":{"id":{"S":"2"}}}')),
    "truncated": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", end=True),
    "no object": sends(answer(b"[]")),
    "not UTF-8": sends(answer(b'{"a":"\xff"}')),
    "deep": sends(answer(b"[" * 100_000)),
    "wrong checksum": sends(answer(b"{}", "x-amz-crc32: 1")),
    "no length": sends(b"HTTP/1.1 200 OK\r\n\r\n{}", end=True),
    "chunked": sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    "huge": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"),
    "silent": sends(),
    "closed": sends(end=True),
    "two lengths": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} "),
    "a header without a colon": sends(b"HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n{}"),
    "a header that goes on": sends(
        b"HTTP/1.1 200 OK\r\na: b\r\n c: d\r\nContent-Length: 2\r\n\r\n{}"
    ),
    "more than announced": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}\n"),
    "compressed": sends(answer(b"{}", "Content-Encoding: gzip")),
    "an end amid the head": sends(b"HTTP/1.1 200 OK\r\nContent-", end=True),
    "not HTTP": sends(b"hello\r\n\r\n", end=True),
}
WAITED_FOR = {"silent", "slow"}
"""What nothing but the time-out ends."""


@pytest.mark.parametrize(
    ("kind", "typed", "line", "key"),
    [
        ("x-amz-json-1.1", "com.amazonaws.kms#DisabledException", "x-amzn-requestid: 1", "message"),
        ("json", "Other", "x-amzn-ErrorType: DisabledException:http://internal/", "Message"),
    ],
)
def test_a_client_error_is_returned_without_a_fallback(
    *, fast: FastClient, server: Server, kind: str, typed: str, line: str, key: str
) -> None:
    """With code and message, in either protocol; the connection stays open."""
    body = json.dumps({"__type": typed, key: "the key is disabled"}).encode()
    lines = f"Content-Type: application/{kind}", line
    server.behaviour = sends(answer(body, *lines, status="400 Bad Request"))
    for _ in range(2):
        assert fast.call("decrypt", {}) == ("DisabledException", "the key is disabled")
    assert server.connections == 1


@pytest.mark.parametrize(("size", "found"), [(16_384, {}), (16_385, None)])
def test_a_head_larger_than_16_kib_falls_back_to_boto3(
    fast: FastClient, server: Server, size: int, found: object
) -> None:
    """However it arrives."""
    padding = "b" * (size - len(answer(b"", "a: ")))
    server.behaviour = sends(answer(b"{}", f"a: {padding}"))
    assert fast.call("get_item", ITEM) == found


def test_a_response_larger_than_4_mib_falls_back_to_boto3(fast: FastClient, server: Server) -> None:
    """By its Content-Length, before the body is read."""
    server.behaviour = sends(answer(b"{}".ljust(4 << 20)))
    assert fast.call("get_item", ITEM) == {}
    server.behaviour = sends(b"HTTP/1.1 200 OK\r\nContent-Length: 4194305\r\n\r\n{}")
    assert fast.call("get_item", ITEM) is None


@pytest.mark.parametrize("surprise", SURPRISES)
def test_an_unexpected_response_falls_back_to_boto3(
    fast: FastClient, server: Server, surprise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one attempt; the next call opens another connection."""
    server.behaviour = SURPRISES[surprise]
    if surprise in WAITED_FOR:
        monkeypatch.setattr(fast_client, "TIMEOUT", 0.3)
    began = time.monotonic()
    assert fast.call("get_item", ITEM) is None
    assert time.monotonic() - began < SOON_SECONDS
    monkeypatch.setattr(fast_client, "TIMEOUT", PATIENCE_SECONDS)
    wait_until(lambda: server.requests)
    assert len(server.requests) == 1
    server.behaviour = sends(answer())
    assert fast.call("get_item", ITEM) == {}


def test_a_response_may_arrive_byte_by_byte(fast: FastClient, server: Server) -> None:
    def slowly(taken: socket.socket) -> None:
        for byte in answer(b'{"Item":{"id":{"S":"1"}}}'):
            taken.sendall(bytes([byte]))

    server.behaviour = slowly
    assert fast.call("get_item", ITEM) == {"Item": ITEM["Key"]}


@pytest.mark.parametrize("line_break", ["\n", "\r"])
def test_a_header_with_a_line_break_is_not_sent(server: Server, line_break: str) -> None:
    """The signer folds white space, so signed and sent header would differ."""
    session = f"a{line_break}x: b"
    variables = LAMBDA | {"AWS_SESSION_TOKEN": session, "AWS_ENDPOINT_URL": server.url}
    assert FastClient(PlainEnvironment.of(variables)).call("decrypt", {}) is None
    assert not server.requests


def test_a_refused_connection_falls_back_to_boto3() -> None:
    """At a bound port without a listener, so that no other process can listen there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        variables = LAMBDA | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{taken.getsockname()[1]}"}
        assert FastClient(PlainEnvironment.of(variables)).call("decrypt", {}) is None


# Connections


def test_a_connection_is_kept_for_each_service(fast: FastClient, server: Server) -> None:
    for _ in range(3):
        fast.call("get_item", ITEM)
    assert server.connections == 1
    fast.call("decrypt", {})
    assert server.connections == 2


def test_a_connection_idle_for_30_seconds_is_not_reused(
    fast: FastClient, server: Server, clock: Clock
) -> None:
    """A frozen function does not notice that the server closed it."""
    for later, connections in ((0, 1), (30, 1), (30.125, 2), (-0.125, 3)):
        clock.now += later
        fast.call("get_item", ITEM)
        assert server.connections == connections


def test_a_kept_connection_closed_by_the_server_is_replaced(
    fast: FastClient, server: Server
) -> None:
    """The request is repeated, as by boto3, without loading boto3."""

    def once(taken: socket.socket) -> None:
        taken.sendall(answer())
        taken.shutdown(socket.SHUT_RDWR)

    server.behaviour = once
    for _ in range(3):
        assert fast.call("get_item", ITEM) == {}
    assert server.connections == 3


def test_a_timeout_on_a_kept_connection_falls_back_to_boto3(
    fast: FastClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request may have been processed, and a second wait would be as long."""
    monkeypatch.setattr(fast_client, "TIMEOUT", 0.3)
    assert fast.call("get_item", ITEM) == {}
    server.behaviour = sends()
    assert fast.call("get_item", ITEM) is None
    assert (server.connections, len(server.requests)) == (1, 2)


@pytest.mark.parametrize(
    ("reply", "connections"),
    [
        (answer(b"{}", "Connection: close"), 3),
        (answer(b"{}", "connection:CLOSE"), 3),
        (answer(b"{}", "Connection: keep-alive"), 1),
        (answer().replace(b"/1.1", b"/1.0"), 3),
        (answer(b"{}", "Connection: keep-alive").replace(b"/1.1", b"/1.0"), 1),
    ],
    ids=str,
)
def test_a_connection_is_not_reused_after_connection_close(
    fast: FastClient, server: Server, reply: bytes, connections: int
) -> None:
    """Even if the server has not closed it yet."""
    server.behaviour = sends(reply)
    for _ in range(3):
        assert fast.call("get_item", ITEM) == {}
    assert server.connections == connections


def test_the_connect_timeout_is_one_second_for_all_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After it, boto3 is called. Each address has the port that the name was resolved with."""
    waits, now = list[tuple[object, float]](), [4096.0]

    def connect(address: object, seconds: float) -> socket.socket:
        waits.append((address, seconds))
        now[0] += min(seconds, 0.75)
        raise TimeoutError

    found = [(2, 1, 6, "", (f"192.0.2.{number}", 8443)) for number in range(3)]
    wait_for_aws_as_ever(monkeypatch.setattr)
    monkeypatch.setattr(http1, "monotonic", lambda: now[0])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert FastClient(PlainEnvironment.of(LAMBDA)).call("get_item", ITEM) is None
    assert waits == [(("192.0.2.0", 8443), 1.0), (("192.0.2.1", 8443), 0.25)]


# TLS


@pytest.mark.parametrize(
    ("more", "authorities"),
    [
        ({}, ["amazon"]),
        ({"AWS_ENDPOINT_URL_KMS": "http://127.0.0.1"}, ["all"]),
        ({"AWS_ENDPOINT_URL_KMS": "https://kms.example"}, ["all"]),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1"}, []),
    ],
)
def test_only_amazons_authorities_are_loaded_if_all_endpoints_are_amazons(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str], authorities: list[str]
) -> None:
    """All with another host; none without TLS, as loading takes time."""
    loaded: list[str] = []
    monkeypatch.setattr(http1, "context", lambda: loaded.append("amazon"))
    monkeypatch.setattr(ssl, "create_default_context", lambda: loaded.append("all"))
    FastClient(PlainEnvironment.of(LAMBDA | more))
    assert loaded == authorities


def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent to a server without a trusted certificate."""
    pem, private = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    server = Server(sends(answer()), tls=context)
    environment = PlainEnvironment.of(
        LAMBDA | {"AWS_ENDPOINT_URL": f"https://127.0.0.1:{server.port}"}
    )
    assert FastClient(environment).call("get_item", ITEM) is None
    assert server.requests == []
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    fast = FastClient(environment)
    assert fast.call("get_item", ITEM) == {}
    fast.close()
    server.close()
