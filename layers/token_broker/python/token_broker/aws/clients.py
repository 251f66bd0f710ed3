"""boto3's clients, each made when it is first asked for, and with it boto3 loaded.

AWS may take a connection and never answer. So no call is begun whose worst case is longer than what
is left of the invocation: near its end by a client that waits for less, and then by none.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from token_broker.errors import StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

PAUSE_SECONDS = 1.0
"""What boto3 waits at most before its second attempt."""


class Patience(NamedTuple):
    """How long a client waits for AWS."""

    connect_seconds: float
    read_seconds: float
    attempts: int

    @property
    def worst(self) -> float:
        """Seconds until it is known that there is no answer."""
        pauses = (self.attempts - 1) * PAUSE_SECONDS
        return self.attempts * (self.connect_seconds + self.read_seconds) + pauses


USUAL = Patience(1.0, 2.0, attempts=2)
"""So that what AWS does not answer is known within seven seconds, well inside a lease."""

LAST = Patience(0.5, 1.0, attempts=1)
"""For what is asked within the last seconds of an invocation."""

_ends_at: ContextVar[float] = ContextVar("ends_at", default=math.inf)
_lock = Lock()
_made: dict[tuple[str, Patience], Any] = {}


@contextmanager
def until(seconds: float) -> Iterator[None]:
    """Let the calls that are made in here end within *seconds*."""
    back = _ends_at.set(monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(back)


def seconds_left() -> float:
    """Return the seconds in which what is asked must be answered."""
    return _ends_at.get() - monotonic()


def dynamodb() -> "DynamoDBClient":
    """Return the client of the table."""
    client: DynamoDBClient = _client("dynamodb")
    return client


def kms() -> "KMSClient":
    """Return the client of the key."""
    client: KMSClient = _client("kms")
    return client


def secrets_manager() -> "SecretsManagerClient":
    """Return the client of the secrets."""
    client: SecretsManagerClient = _client("secretsmanager")
    return client


def functions() -> "LambdaClient":
    """Return the client by which a function invokes itself."""
    client: LambdaClient = _client("lambda")
    return client


def events() -> "EventBridgeClient":
    """Return the client of the event bus."""
    client: EventBridgeClient = _client("events")
    return client


def forget() -> None:
    """Make new clients from now on, for an environment that has changed."""
    with _lock:
        for client in _made.values():
            client.close()
        _made.clear()
        _session.cache_clear()


def _client(service: str) -> Any:
    patience = _patience(service)
    # boto3 may not make two clients at once; a client that is made, all threads may use.
    with _lock:
        if (service, patience) not in _made:
            _made[service, patience] = _new(service, patience)
        return _made[service, patience]


def _patience(service: str) -> Patience:
    left = seconds_left()
    for patience in (USUAL, LAST):
        if patience.worst <= left:
            return patience
    raise StoreUnavailable(f"too little time was left to ask {service}", retry_after=1)


def _new(service: str, patience: Patience) -> Any:
    from botocore.config import Config  # noqa: PLC0415 (as boto3, below)

    config = Config(
        connect_timeout=patience.connect_seconds,
        read_timeout=patience.read_seconds,
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
    )
    return _session().client(service, config=config)


@cache
def _session() -> Any:
    """Return what makes the clients: one for all, for it reads its data from files."""
    import boto3  # noqa: PLC0415 (most of a cold start; a token that is kept needs none of it)

    # Not the default one, which would keep the environment of the first call.
    return boto3.session.Session()
