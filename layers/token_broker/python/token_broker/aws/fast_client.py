"""Reads from DynamoDB and KMS without boto3, whose loading takes longer than all else of a hit.

Reading a kept token is what this program is there for. It is one signed POST to DynamoDB and one
to KMS, both in AWS's JSON protocol, and here is just that: one attempt, and at the first surprise
`Unsuited`, upon which the same is asked through boto3.
"""

import json
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from token_broker.aws import http1
from token_broker.aws.endpoints import Surroundings, Unsuited
from token_broker.aws.http1 import Answer, Connection, Odd
from token_broker.aws.sigv4 import authorization

TIMEOUT = 1.0
"""Seconds for connecting, and for each read. boto3 has its own when these are over."""

KEPT_SECONDS = 30
"""For how long a connection that is not used is used again: in a frozen function it may die."""

_PROTOCOLS = {"dynamodb": ("DynamoDB_20120810", "1.0"), "kms": ("TrentService", "1.1")}


class FastRead:
    """Posts to AWS over connections that are kept. Threads may share it."""

    def __init__(self, surroundings: Surroundings, clock: Callable[[], float] = time.time) -> None:
        self._credentials = surroundings.credentials
        self._endpoints = surroundings.endpoints
        self._clock = clock
        # Here, not at the first read: a function's start has a whole processor for itself.
        self._tls = _tls(surroundings)
        self._kept: dict[str, list[tuple[float, Connection]]] = {
            service: [] for service in surroundings.endpoints
        }

    def post(self, service: str, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer of *service* to *operation*. Raises `Unsuited` for all but success."""
        body = json.dumps(payload, separators=(",", ":")).encode()
        headers = self._headers(service, operation, body)
        try:
            if kept := self._idle(service):
                try:
                    return self._asked(service, kept, headers, body)
                except (ConnectionError, ssl.SSLError):
                    kept.close()  # it ended while nobody used it, which is no failure
            return self._asked(service, self._connection(service), headers, body)
        except (OSError, Odd, ValueError, RecursionError) as error:
            raise Unsuited(type(error).__name__) from None

    def close(self) -> None:
        """Close the connections that are kept."""
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

    def _asked(
        self,
        service: str,
        connection: Connection,
        headers: Mapping[str, str],
        body: bytes,
    ) -> dict[str, Any]:
        """Ask over *connection*, and keep it if all is well: else its end is not known."""
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


def _tls(surroundings: Surroundings) -> ssl.SSLContext | None:
    endpoints = surroundings.endpoints.values()
    if not any(endpoint.is_secure for endpoint in endpoints):
        return None
    is_amazons = all(endpoint.host.endswith(".amazonaws.com") for endpoint in endpoints)
    return http1.context() if is_amazons else ssl.create_default_context()


def _decoded(answer: Answer) -> dict[str, Any]:
    headers, body = answer
    checksum = str(zlib.crc32(body))
    if headers.get("x-amz-crc32", checksum) != checksum:
        raise Unsuited("an answer that was damaged")
    decoded = json.loads(body)
    if not isinstance(decoded, dict):
        raise Unsuited("an answer of another kind")
    return decoded


def fast_read(environ: Mapping[str, str]) -> FastRead | None:
    """Return the fast read for *environ*; None where all is to be asked through boto3."""
    try:
        return FastRead(Surroundings.of(environ))
    except Unsuited:
        return None
