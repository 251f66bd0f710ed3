"""A client of DynamoDB and KMS without boto3, which takes longer to load than the rest of a hit.

To read a kept token takes one signed POST to DynamoDB and one to KMS, both in AWS's JSON protocol.
This client can do only that, in one attempt. For everything unexpected it raises `FallBack`, and
the caller repeats the request through boto3.
"""

import json
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from token_broker.aws import http1
from token_broker.aws.endpoints import FallBack, PlainEnvironment
from token_broker.aws.http1 import Answer, Connection, UnexpectedResponse
from token_broker.aws.sigv4 import authorization

TIMEOUT = 1.0
"""Seconds to connect, and for each read. After that boto3 tries, with its own timeouts."""

KEPT_SECONDS = 30
"""How long an idle connection is kept. In a frozen function it may end unseen."""

_PROTOCOLS = {"dynamodb": ("DynamoDB_20120810", "1.0"), "kms": ("TrentService", "1.1")}


class FastClient:
    """Posts to AWS over connections that are kept open. Threads may share it."""

    def __init__(
        self, environment: PlainEnvironment, clock: Callable[[], float] = time.time
    ) -> None:
        self._credentials = environment.credentials
        self._endpoints = environment.endpoints
        self._clock = clock
        # Here, not at the first request: while a function starts, it has a whole processor.
        self._tls = _tls(environment)
        self._kept: dict[str, list[tuple[float, Connection]]] = {
            service: [] for service in environment.endpoints
        }

    def post(self, service: str, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer of *service* to *operation*. Raises `FallBack` if there is none."""
        body = json.dumps(payload, separators=(",", ":")).encode()
        headers = self._headers(service, operation, body)
        try:
            if kept := self._idle(service):
                try:
                    return self._send(service, kept, headers, body)
                except (ConnectionError, ssl.SSLError):
                    kept.close()  # it ended while it was idle, which is no failure
            return self._send(service, self._connection(service), headers, body)
        except (OSError, UnexpectedResponse, ValueError, RecursionError) as error:
            raise FallBack(type(error).__name__) from None

    def close(self) -> None:
        """Close the connections that are kept open."""
        for kept in self._kept.values():
            while kept:
                kept.pop()[1].close()

    def _headers(self, service: str, operation: str, body: bytes) -> dict[str, str]:
        target, version = _PROTOCOLS[service]
        headers = {
            "host": self._endpoints[service].authority,
            "content-type": f"application/x-amz-json-{version}",
            "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._clock())),
            "x-amz-target": f"{target}.{operation}",
        }
        if self._credentials.session_token:
            headers["x-amz-security-token"] = self._credentials.session_token
        headers["authorization"] = authorization(self._credentials, service, headers, body)
        return headers

    def _idle(self, service: str) -> Connection | None:
        kept = self._kept[service]
        while kept:
            since, connection = kept.pop()
            if 0 <= self._clock() - since <= KEPT_SECONDS:
                return connection
            connection.close()
        return None

    def _connection(self, service: str) -> Connection:
        endpoint = self._endpoints[service]
        tls = self._tls if endpoint.is_secure else None
        return Connection(endpoint.host, endpoint.port, TIMEOUT, tls)

    def _send(
        self,
        service: str,
        connection: Connection,
        headers: Mapping[str, str],
        body: bytes,
    ) -> dict[str, Any]:
        """Post over *connection*, and keep it open only after a success."""
        try:
            decoded = _decoded(connection.post(headers, body))
        except BaseException:
            connection.close()
            raise
        if connection.is_over:
            connection.close()
        else:
            self._kept[service].append((self._clock(), connection))
        return decoded


def _tls(environment: PlainEnvironment) -> ssl.SSLContext | None:
    endpoints = environment.endpoints.values()
    if not any(endpoint.is_secure for endpoint in endpoints):
        return None
    is_amazon = all(endpoint.host.endswith(".amazonaws.com") for endpoint in endpoints)
    return http1.context() if is_amazon else ssl.create_default_context()


def _decoded(answer: Answer) -> dict[str, Any]:
    headers, body = answer
    checksum = str(zlib.crc32(body))
    if headers.get("x-amz-crc32", checksum) != checksum:
        raise FallBack("a wrong checksum")
    decoded = json.loads(body)
    if not isinstance(decoded, dict):
        raise FallBack("an answer that is no object")
    return decoded


def fast_client(environ: Mapping[str, str]) -> FastClient | None:
    """Return a fast client for *environ*. None if boto3 must be used for everything."""
    try:
        return FastClient(PlainEnvironment.of(environ))
    except FallBack:
        return None
