"""Every call to AWS: through the fast client if there is one, otherwise through boto3.

A boto3 client is created when it is first needed, and boto3 is loaded with the first client.

AWS may accept a connection and never answer. So a call is sent only if its worst case ends within
the invocation. Near the end a client with shorter timeouts is used, then no client. If several
addresses of a host drop packets, boto3 waits for each: docs/decisions/0040.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from token_broker.aws.operations import MALFORMED, AwsRefusal
from token_broker.errors import StoreUnavailable

if TYPE_CHECKING:
    from token_broker.aws.fast_client import FastClient

Client: TypeAlias = Callable[[], Any]
"""Returns boto3's client of one service: `dynamodb`, and the others below, or a `FastFirst`."""

PAUSE_SECONDS = 1.0
"""The longest pause of boto3 before its second attempt."""


class Timeouts(NamedTuple):
    """How long a client waits for AWS, and how many attempts it makes."""

    connect_seconds: float
    read_seconds: float
    attempts: int

    @property
    def worst_seconds(self) -> float:
        """The time after which a call has failed, if AWS accepts it and never answers."""
        pauses = (self.attempts - 1) * PAUSE_SECONDS
        return self.attempts * (self.connect_seconds + self.read_seconds) + pauses


USUAL = Timeouts(1.0, 2.0, attempts=2)
"""A call without an answer fails within seven seconds, well inside a lease."""

EVENTS = Timeouts(0.5, 1.0, attempts=2)
"""Events are sent last, while a caller waits for a token that is kept already."""

LAST = Timeouts(0.5, 1.0, attempts=1)
"""For calls within the last seconds of an invocation."""

FAST_SECONDS = 2.0
"""The time that the fast client may take to connect and to wait. With less time left, it is not
tried."""

_ends_at: ContextVar[float] = ContextVar("ends_at", default=math.inf)
_lock = Lock()
_made: dict[tuple[str, Timeouts], Any] = {}


class FastFirst:
    """A service of AWS that is asked by the fast client first."""

    def __init__(self, boto3: Client, fast: "FastClient") -> None:
        self._boto3 = boto3
        self.fast = fast

    def __call__(self) -> Any:
        """Return boto3's client."""
        return self._boto3()


def call(client: Client, operation: str, **parameters: Any) -> Any:
    """Return AWS's answer to *operation*; None for an error that `errors.EXPECTED` has for it.

    All other errors of AWS become ours: `StoreUnavailable`, `NotConfigured` or `Internal`.
    """
    answer = None
    if isinstance(client, FastFirst) and seconds_left() >= FAST_SECONDS:
        answer = client.fast.call(operation, parameters)
    if answer is None:
        answer = _by_boto3(client, operation, parameters)
    if not isinstance(answer, AwsRefusal):
        return answer
    from token_broker.aws import errors  # noqa: PLC0415 (off the hit path)

    if errors.is_expected(answer, operation):
        return None
    raise errors.unavailable(answer, operation)


def _by_boto3(client: Client, operation: str, parameters: Mapping[str, Any]) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (off the hit path)

    try:
        # To make a client may fail, too: it reads the region, and may ask for credentials.
        return getattr(client(), operation)(**parameters)
    except (BotoCoreError, ClientError, *MALFORMED) as error:
        # Returned, not raised: botocore's error may quote a request, and would be the context.
        # Some of botocore's HTTP errors have no response. Others have one that is None.
        response: Any = getattr(error, "response", None) or {}
        found = response.get("Error", {})
        code = str(found.get("Code", "")) or type(error).__name__
        return AwsRefusal(code, str(found.get("Message", "")))


@contextmanager
def until(seconds: float) -> Iterator[None]:
    """Limit the calls that are made in this context: each ends within *seconds*."""
    back = _ends_at.set(monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(back)


def seconds_left() -> float:
    """Return the seconds within which a call must be answered."""
    return _ends_at.get() - monotonic()


def _client(service: str) -> Any:
    timeouts = _timeouts(service)
    # boto3 must not make two clients at once. A client that is made can be shared by threads.
    with _lock:
        if (service, timeouts) not in _made:
            _made[service, timeouts] = _new(service, timeouts)
        return _made[service, timeouts]


def _timeouts(service: str) -> Timeouts:
    left = seconds_left()
    for timeouts in (EVENTS if service == "events" else USUAL, LAST):
        if timeouts.worst_seconds <= left:
            return timeouts
    raise StoreUnavailable(f"too little time was left to ask {service}", retry_after=1)


def _new(service: str, timeouts: Timeouts) -> Any:
    from botocore.config import Config  # noqa: PLC0415 (as boto3, below)

    config = Config(
        connect_timeout=timeouts.connect_seconds,
        read_timeout=timeouts.read_seconds,
        retries={"mode": "standard", "total_max_attempts": timeouts.attempts},
    )
    client = _session().client(service, config=config)
    client.meta.events.register("before-parse", _without_pause)
    return client


def _without_pause(response_dict: Any, **_: Any) -> None:
    """Drop the pause that AWS asks for: boto3 would wait for six seconds."""
    response_dict["headers"].pop("x-amz-retry-after", None)


@cache
def _session() -> Any:
    """Return the session that makes all clients: it reads its data from files, once."""
    import boto3  # noqa: PLC0415 (most of a cold start; a kept token needs none of it)

    # Not the default session: that would keep the environment of the first call.
    return boto3.session.Session()


dynamodb: Client = partial(_client, "dynamodb")
kms: Client = partial(_client, "kms")
secrets_manager: Client = partial(_client, "secretsmanager")
functions: Client = partial(_client, "lambda")
events: Client = partial(_client, "events")
