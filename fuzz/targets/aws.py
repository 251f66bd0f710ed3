"""AWS's answers to the fast client: parsed as boto3 does, or left to boto3."""

import json
from collections.abc import Mapping
from typing import Any

from fuzz.targets.properties import expect
from token_broker.aws.clients import FastFirst, call
from token_broker.aws.endpoints import SERVICES, Credentials, Endpoint, PlainEnvironment
from token_broker.aws.fast_client import FastClient
from token_broker.aws.http1 import LARGEST_BODY, LARGEST_HEAD, Connection
from token_broker.aws.operations import AwsRefusal, Members, Parameters
from token_broker.errors import NotConfigured, StoreUnavailable
from token_broker.store import Store

CHUNK = 512


class FakeSocket:
    """A socket that returns *data* in pieces."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.taken = 0

    def sendall(self, data: bytes) -> None:
        """Accept a request."""

    def close(self) -> None:
        """Do nothing."""

    def recv(self, most: int) -> bytes:
        """Return the next piece."""
        piece = self._data[self.taken : self.taken + min(most, CHUNK)]
        self.taken += len(piece)
        return piece


class FakeConnection(Connection):
    """A connection with the answer *data*."""

    def __init__(self, data: bytes) -> None:
        self.socket = FakeSocket(data)
        self._socket: Any = self.socket
        self.is_over = False


class FixedClient(FastClient):
    """A fast client that gets the same answer to each request."""

    def __init__(self, data: bytes) -> None:
        super().__init__(PlainEnvironment(Credentials("a", "b", None, "eu-west-1"), ENDPOINTS))
        self.connection = FakeConnection(data)
        self.fallbacks = 0

    def call(self, operation: str, parameters: Parameters) -> Members | AwsRefusal | None:
        """Count the calls that are left to boto3."""
        answer = super().call(operation, parameters)
        self.fallbacks += answer is None
        return answer

    def _connection(self, service: str) -> Connection:
        del service
        return self.connection


ENDPOINTS = dict.fromkeys(SERVICES, Endpoint("127.0.0.1", 1, is_secure=False))


def boto3_fallback() -> Any:
    """Stand for the fallback to boto3."""
    raise StoreUnavailable("the fallback to boto3")


def fast_client(data: bytes) -> None:
    """Read an item, two, a secret, or bytes: the result has the right type and a bounded size."""
    kind, rest = data[:1], data[1:]
    raw = rest if kind.islower() else framed(rest)
    fast = FixedClient(raw)
    service = FastFirst(boto3_fallback, fast)
    try:
        match kind.lower():
            case b"d":
                plain = call(service, "decrypt", KeyId="key", CiphertextBlob=b"sealed")
                expect(not plain or isinstance(plain["Plaintext"], bytes), "a plaintext is bytes")
            case b"e":
                sealed = call(service, "encrypt", KeyId="key", Plaintext=b"plain")
                expect(isinstance(sealed["CiphertextBlob"], bytes), "a ciphertext is bytes")
            case b"s":
                secret = call(service, "get_secret_value", SecretId="secret") or {
                    "SecretString": ""
                }
                expect(isinstance(secret["SecretString"], str), "a secret is text")
            case _:
                variants = ("one", "two") if kind.lower() == b"b" else ("one",)
                for item in Store("table", service)._records("c", variants).values():  # noqa: SLF001 (its public readers decode)
                    check_types(item)
    except NotConfigured:
        expect(fast.fallbacks == 0, "no fallback to boto3 for an error that a retry cannot change")
    except StoreUnavailable:
        expect(fast.fallbacks == 1, "fallback to boto3 for an answer that is not understood")
    bound = LARGEST_HEAD + LARGEST_BODY + 2 * CHUNK
    expect(fast.connection.socket.taken <= bound, "the read bytes are bounded")


def framed(body: bytes) -> bytes:
    """Return a complete answer with *body*, so that the fuzzer reaches the code after the head."""
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def check_types(item: Mapping[str, Any]) -> None:
    """Expect typed attributes."""
    for attribute in item.values():
        expect(isinstance(attribute, Mapping) and len(attribute) == 1, "attributes are typed")
    json.dumps(item, default=repr)
