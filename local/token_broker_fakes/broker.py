"""The broker's own handlers in this process, with the fakes as vendors and AWS in memory."""

import json
import logging
import sys
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from token_broker import flows
from token_broker.app import Environment
from token_broker.aws import clients
from token_broker_client import Broker, Unreachable, refusals
from token_broker_client.cache import SHARED
from token_broker_client.deadline import Deadline
from token_broker_client.functions import Functions, payload
from token_broker_client.gateway import Gateway
from token_broker_client.request import Command, decoded, problem
from token_broker_fakes.aws import Bus, Key, Secrets, Table

if TYPE_CHECKING:
    from token_broker.handler import Service

STAGE = "test"
PREFIX = f"token-broker/{STAGE}/"
URL = f"https://token-broker.execute-api.eu-west-1.amazonaws.com/{STAGE}"
SETTINGS = {"TABLE_NAME": "table", "KEY_ID": "key", "STAGE": STAGE, "EVENT_BUS_NAME": "bus"}

VARIABLES = {
    "TOKEN_BROKER_URL": URL,
    "POWERTOOLS_SERVICE_NAME": "token-broker",
    "POWERTOOLS_METRICS_NAMESPACE": "TokenBroker",
}

SECONDS = 20.0
"""As the template gives a function."""


class Context(NamedTuple):
    """Lambda's context of an invocation."""

    ends_at: float
    flow: str
    aws_request_id: str = "test"

    @property
    def invoked_function_arn(self) -> str:
        """The function's ARN."""
        return f"arn:aws:lambda:eu-west-1:123456789012:function:token-broker-{STAGE}-{self.flow}"

    def get_remaining_time_in_millis(self) -> int:
        """Return how long this invocation may still take."""
        return max(0, round((self.ends_at - time.monotonic()) * 1000))


class Handlers:
    """The functions of all flows, as a channel to the broker."""

    def __init__(self, secrets: Secrets, patch: pytest.MonkeyPatch) -> None:
        self._later: list[threading.Thread] = []
        substitutes = {
            "dynamodb": Table(),
            "kms": Key(),
            "secrets_manager": secrets,
            "functions": self,
            "events": Bus(),
        }
        for name, substitute in substitutes.items():
            patch.setattr(clients, name, lambda substitute=substitute: substitute)
        secrets.on_change = self._rotated
        self._environment = Environment(SETTINGS)
        self._services: dict[str, Service] = {
            name: self._environment.service(flow) for name, flow in flows.every().items()
        }

    def call(self, command: Command, _: Deadline) -> Mapping[str, Any]:
        """Return the answer of a direct invocation, which has no deadline here."""
        try:
            return self._invoked(command.flow, payload(command))
        except Exception as error:  # noqa: BLE001 (as Lambda, which returns any exception)
            failure = problem(decoded(str(error).encode()))
        raise failure or Unreachable("the function failed; see what it logged")

    def invoke(self, **request: Any) -> dict[str, Any]:
        """Invoke a function asynchronously, as Lambda does. The functions invoke themselves."""
        flow = request["FunctionName"].rpartition("-")[2]
        arguments = (flow, json.loads(request["Payload"]))
        # Started before others can see it: two functions may invoke at the same time.
        running = threading.Thread(target=self._quietly, args=arguments, daemon=True)
        running.start()
        self._later.append(running)
        return {"StatusCode": 202}

    def close(self) -> None:
        """Wait for the running invocations, and close the connections."""
        self._wait()
        self._environment.close()

    def _rotated(self, flow: str, name: str) -> None:
        """Send the event of a changed secret to the function of *flow*, as EventBridge does."""
        detail = {"eventName": "PutSecretValue", "requestParameters": {"secretId": name}}
        kind = "AWS API Call via CloudTrail"
        event = {"source": "aws.secretsmanager", "detail-type": kind, "detail": detail}
        self._quietly(flow, event)
        self._wait()

    def _wait(self) -> None:
        """Wait for the asynchronous invocations."""
        while self._later:
            self._later.pop().join(SECONDS)

    def _invoked(self, flow: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        context = Context(time.monotonic() + SECONDS, flow)
        told = json.loads(json.dumps(event))
        answer: Mapping[str, Any] = json.loads(json.dumps(self._services[flow](told, context)))
        return answer

    def _quietly(self, flow: str, event: Mapping[str, Any]) -> None:
        try:
            self._invoked(flow, event)
        except Exception:  # noqa: BLE001 (no caller waits; it has been logged)
            return


def over(secrets: Secrets, patch: pytest.MonkeyPatch) -> tuple[Broker, Handlers]:
    """Return the broker over *secrets*, and make every other `Broker` here call it."""
    for name, value in VARIABLES.items():
        patch.setenv(name, value)
    for handler in logging.getLogger("token-broker").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.stream = sys.stdout  # this test's, and not that of the first one
    handlers = Handlers(secrets, patch)
    for channel in (Gateway, Functions):
        patch.setattr(
            channel, "call", lambda _, command, deadline: handlers.call(command, deadline)
        )
    SHARED.clear()
    refusals.SHARED.reset()
    return Broker(handlers), handlers
