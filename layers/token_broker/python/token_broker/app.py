"""Composition: a function from its environment variables, which docs/deploying.md lists."""

import json
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from token_broker.aws import clients
from token_broker.aws.fast_client import fast_client
from token_broker.broker import Broker
from token_broker.cache import TokenCache
from token_broker.dependencies import Clock, Dependencies
from token_broker.errors import BrokerError, NotConfigured
from token_broker.flows import Flow
from token_broker.handler import Service
from token_broker.sealing import Sealer
from token_broker.secrets_manager import Secrets
from token_broker.store import Store
from token_broker.telemetry import Telemetry

if TYPE_CHECKING:
    from token_broker.exchange import Request, Response

CLOCK = Clock(now=lambda: int(time.time()), monotonic=time.monotonic, sleep=time.sleep)


class Environment:
    """The settings of a function, read when it starts. Raises `NotConfigured` with the name."""

    def __init__(self, variables: Mapping[str, str] = os.environ) -> None:
        self._variables = variables
        self._arn = ""
        self._transport: Any = None
        self._fast = fast_client(variables)

    def service(self, flow: Flow) -> Service:
        """Return the function of *flow*, as Lambda calls it."""
        telemetry = Telemetry(flow.name)
        prefix = f"token-broker/{self.text('STAGE')}/{flow.name}/"
        deps = self.deps(flow, telemetry, prefix)

        def forget() -> None:
            deps.cache.clear()
            deps.versions_seen.clear()
            self.close()

        on_restore(forget)
        return Service(Broker(deps), telemetry, prefix, remember_arn=self._remember_arn)

    def deps(self, flow: Flow, telemetry: Telemetry, prefix: str) -> Dependencies:
        """Return what the broker of *flow* works with."""
        table = self.text("TABLE_NAME")
        key_id = self.text("KEY_ID")
        return Dependencies(
            flow=flow,
            clock=CLOCK,
            cache=TokenCache(
                self.number("MEMORY_SECONDS", 60), self.number("MEMORY_ENTRIES", 1000)
            ),
            store=Store(table, self._fast_first(clients.dynamodb)),
            sealer=Sealer(table, key_id, self._fast_first(clients.kms)),
            secrets=Secrets(prefix, self._fast_first(clients.secrets_manager)),
            send=self._send,
            invoke=self._invoke,
            announce=partial(self._announce, telemetry),
            emit=telemetry.emit,
            random=lambda: int.from_bytes(os.urandom(4), "big") / 2**32,
            owner=lambda: os.urandom(8).hex(),
            skew=self.number("LEASE_SKEW_SECONDS", 30),
        )

    def close(self) -> None:
        """End the connections that are kept alive."""
        for kept in (self._fast, self._transport):
            if kept:
                kept.close()

    def text(self, name: str) -> str:
        """Return a variable that must be set."""
        value = self._variables.get(name, "").strip()
        if not value:
            raise NotConfigured(f"{name}: the environment variable is not set")
        return value

    def number(self, name: str, default: int) -> int:
        """Return a variable that is a whole number, not negative."""
        value = self._variables.get(name, str(default))
        if not value.isascii() or not value.isdigit():
            raise NotConfigured(f"{name}: must be a whole number")
        return int(value)

    def _fast_first(self, boto3: clients.Client) -> clients.Client:
        return clients.FastFirst(boto3, self._fast) if self._fast else boto3

    def _remember_arn(self, arn: str) -> None:
        """Remember by which name, alias included, this function was invoked."""
        self._arn = arn

    def _send(self, request: "Request", seconds: float) -> "Response":
        if self._transport is None:
            # Off the hit path.
            from token_broker.transport.client import Transport, hosts_in  # noqa: PLC0415

            self._transport = Transport(hosts_in(self._variables.get("INTERNAL_HOSTS", "")))
        response: Response = self._transport.send(request, seconds)
        return response

    def _invoke(self, payload: Mapping[str, Any]) -> None:
        clients.call(
            self._fast_first(clients.functions),
            "invoke",
            FunctionName=self._arn,
            InvocationType="Event",
            Payload=json.dumps(payload).encode(),
        )

    def _announce(self, telemetry: Telemetry, what: str, detail: Mapping[str, Any]) -> bool:
        telemetry.emit(what.rpartition(" ")[2].lower(), **detail)
        bus = self._variables.get("EVENT_BUS_NAME", "")
        if not bus:
            return True
        entry = {
            "EventBusName": bus,
            "Source": "token-broker",
            "DetailType": what,
            "Detail": json.dumps(detail),
        }
        try:
            answer = clients.call(self._fast_first(clients.events), "put_events", Entries=[entry])
            # PutEvents answers with success, too, where it did not take the entry.
            reason = answer["Entries"][0]["ErrorCode"] if answer["FailedEntryCount"] else None
        except BrokerError as error:
            reason = error.detail
        if reason is not None:
            telemetry.emit("unannounced", what=what, reason=reason)
        return reason is None


def on_restore(forget: Callable[[], None]) -> None:
    """Have *forget* called when a snapshot of this process is restored, perhaps days later."""
    try:
        from snapshot_restore_py import register_after_restore  # noqa: PLC0415 (the runtime's own)
    except ImportError:
        return
    register_after_restore(forget)
