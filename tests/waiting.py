"""For how long a test waits: a machine that is busy is no defect of what is tested."""

import time
from collections.abc import Callable
from typing import Any, TypeAlias

from botocore.retries.standard import ExponentialBackoff

from token_broker.aws import clients, fast_client
from token_broker_local.addresses import TIMEOUT

PATIENCE_SECONDS = 60
"""For what must happen. It costs nothing where it does, so only a defect takes as long."""

SOON_SECONDS = 30
"""What ends at once ends before this on any machine; what it must not wait for lasts far longer."""

CALL_SECONDS = 10 * TIMEOUT
"""For a function's call, where not its limit is to decide what comes of it."""

Put: TypeAlias = Callable[[Any, str, Any], object]
"""Sets an attribute: for good, as `setattr`, or for a test, as a `MonkeyPatch` does."""

_NEW, _TIMEOUT = clients._new, fast_client.TIMEOUT
_PAUSE = ExponentialBackoff.delay_amount


def wait_until(condition: Callable[[], object]) -> None:
    """Return when *condition* holds."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < ends, "it does not happen"
        time.sleep(0.001)


def wait_for_aws(put: Put = setattr) -> None:
    """Have the broker wait for AWS, which is on this machine, as long as a busy machine takes.

    Only its sockets: what it decides by the time that is left, it decides as ever. boto3 sends a
    request again at once.
    """

    def patient(service: str, timeouts: clients.Timeouts) -> Any:
        seconds = {"connect_seconds": PATIENCE_SECONDS, "read_seconds": PATIENCE_SECONDS}
        return _NEW(service, timeouts._replace(**seconds))

    put(clients, "_new", patient)
    put(fast_client, "TIMEOUT", PATIENCE_SECONDS)
    put(ExponentialBackoff, "delay_amount", lambda *_: 0.0)


def wait_for_aws_as_ever(put: Put) -> None:
    """Have the broker wait for AWS as long as it does in a Lambda."""
    put(clients, "_new", _NEW)
    put(fast_client, "TIMEOUT", _TIMEOUT)
    put(ExponentialBackoff, "delay_amount", _PAUSE)
