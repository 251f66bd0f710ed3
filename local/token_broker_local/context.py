"""The context object that Lambda gives a handler, with a time that really runs down."""

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from token_broker_local.addresses import MEMORY, TIMEOUT, function_arn

VERSION = "$LATEST"
INSTANCE = uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """One invocation of the function *function_name*, which has *timeout* seconds from now."""

    function_name: str
    timeout: float = TIMEOUT
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    function_version: str = VERSION
    memory_limit_in_mb: str = str(MEMORY)
    identity: object = None
    client_context: object = None
    started: float = field(default_factory=time.monotonic)

    @property
    def invoked_function_arn(self) -> str:
        """The ARN by which the function was called."""
        return function_arn(self.function_name)

    @property
    def log_group_name(self) -> str:
        """Where Lambda would log to."""
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        """The stream of this process."""
        return f"{datetime.now(UTC):%Y/%m/%d}/[{self.function_version}]{INSTANCE}"

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the function may still run."""
        left = self.timeout - (time.monotonic() - self.started)
        return max(0, int(left * 1000))
