"""Calls that, taken together, need every grant there is: what comes of each, by its name."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from stack.account import Identity
from stack.places import FLOWS, NAME, STAGE
from stack.scenario.bus import Bus
from stack.scenario.rotations import state
from stack.system import Reply, System

Outcomes = Iterator[tuple[str, str]]

POLICIES = (
    *(f"Call{flow.capitalize()}{which}" for flow in FLOWS for which in ("", "Connection")),
    "Operate",
    "Hold",
    "Connect",
    "Probe",
)
"""What the stack makes to be attached."""

TAGS = {f"token-broker-{flow}": "acme" for flow in FLOWS}

AS_USUAL = {"200", "200 exchange", "200 table", "renewed", "yes", "done"}
"""What comes of every call while nothing is taken away."""

FIRST_SECONDS = 20.0
LEAST_SECONDS = 3.0
"""How long a first renewal may take; the next ones of its kind have a few times what it took."""


class Probes:
    """Callers of every kind, and what each of them tries. Each try has a connection of its own."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.names = (f"probe-{number}" for number in itertools.count())
        account = system.account
        self.identities = {
            name: account.session(f"probe-{name}", system.arn(name), tags=TAGS) for name in POLICIES
        }
        self.bus = Bus(system, "said")
        self.patience_seconds: dict[tuple[str, bool], float] = {}
        for flow in FLOWS:
            system.connect(flow, "acme")
        system.connect("vntana", "spare")

    def flow(self, flow: str) -> Outcomes:
        """Yield what comes of the calls that need all that a function may.

        Over the API, since a function that raises costs the emulator a new process.
        """
        connection = self.connect(flow)
        path = f"/v1/{flow}/{connection}"
        yield "a new token", self.token(flow, connection)
        yield "a kept token", self.token(flow, connection)
        yield "its state", self.operate("GET", path)
        yield "its renewal", self.renewal(flow, connection)
        yield "its renewal, called by name alone", self.renewal(flow, connection, by_name=True)
        yield "forgetting", self.operate("DELETE", f"{path}/token")

    def connect(self, flow: str, **changes: Any) -> str:
        """Make a connection, and return its name."""
        connection = next(self.names)
        self.system.connect(flow, connection, **changes)
        return connection

    def token(self, flow: str, connection: str) -> str:
        """Ask for a token."""
        return str(self.system.token(self.identities[policy_of(flow)], flow, connection))

    def operate(self, method: str, path: str) -> str:
        """Look, or forget."""
        return str(self.system.call(self.identities["Operate"], method, path))

    def renewal(self, flow: str, connection: str, *, by_name: bool = False) -> str:
        """Age the token of a connection, and say whether it is renewed."""
        operator = self.identities["Operate"]
        before = state(self.system, operator, flow, connection)
        self.age(flow, connection)
        if by_name:
            self.system.direct(flow, connection, qualifier="")
        else:
            self.token(flow, connection)
        began = time.monotonic()
        patience_seconds = self.patience_seconds.get((flow, by_name), FIRST_SECONDS)
        while (took := time.monotonic() - began) < patience_seconds:
            if state(self.system, operator, flow, connection) > before:
                self.patience_seconds[flow, by_name] = max(LEAST_SECONDS, 5 * took)
                return "renewed"
            time.sleep(0.1)
        return "not renewed"

    def age(self, flow: str, connection: str) -> None:
        """Have every token of a connection be due for its renewal."""
        table = self.system.account.client("dynamodb")
        found = table.query(
            TableName=NAME,
            KeyConditionExpression="#connection = :connection",
            FilterExpression="attribute_exists(refresh_at)",
            ExpressionAttributeNames={"#connection": "connection"},
            ExpressionAttributeValues={":connection": {"S": f"{flow}#{connection}"}},
        )
        for item in found["Items"]:
            table.update_item(
                TableName=NAME,
                Key={"connection": item["connection"], "variant": item["variant"]},
                UpdateExpression="SET refresh_at = :past",
                ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
            )

    def latch(self) -> Outcomes:
        """Yield whether the broker says on its bus that a connection is latched."""
        self.bus.forget()
        self.token("vendorlink", self.connect("vendorlink", password="not-this-one"))
        yield "it is said", "yes" if self.bus.heard() else "no"

    def keys(self) -> Outcomes:
        """Yield what comes of a token of each flow that is sealed, and opened again."""
        for flow in FLOWS:
            connection = self.connect(flow)
            yield f"a new token of {flow}", self.token(flow, connection)
            yield f"a kept token of {flow}", self.token(flow, connection)

    def caller(self, name: str) -> Outcomes:
        """Yield what comes of all that the policy *name* is for."""
        for words, call in self.calls(name, self.identities[name]).items():
            yield words, outcome(call)

    def calls(self, name: str, identity: Identity) -> Mapping[str, Callable[[], Any]]:
        """Return the calls that somebody makes who has the policy *name*."""
        call = partial(self.system.call, identity)
        client = partial(self.system.account.client, identity=identity)
        if name == "Operate":
            return {
                "a state": lambda: call("GET", "/v1/vntana/acme"),
                "forgetting": lambda: call("DELETE", "/v1/vntana/acme/token"),
                "a check": lambda: call("POST", "/v1/vntana/acme/check"),
                "the names": client("secretsmanager").list_secrets,
                "the stack": lambda: client("cloudformation").describe_stacks(StackName=NAME),
                "the table": lambda: client("dynamodb").describe_table(TableName=NAME),
                "its end": lambda: client("dynamodb").describe_time_to_live(TableName=NAME),
                "the key": lambda: client("kms").describe_key(KeyId=self.system.outputs["KeyArn"]),
            }
        if name == "Hold":
            path, body = "/v1/vntana/spare/hold", {"reason": "drill"}
            return {
                "holding": lambda: call("PUT", path, body=body),
                "lifting": lambda: call("DELETE", path),
                "the stack": lambda: client("cloudformation").describe_stacks(StackName=NAME),
            }
        if name == "Probe":
            path = "/v1/vendorlink/{}/probe"
            return {
                "a probe": lambda: call("POST", path.format(self.connect("vendorlink"))),
                "the stack": lambda: client("cloudformation").describe_stacks(StackName=NAME),
            }
        if name == "Connect":
            secrets, prefix = client("secretsmanager"), f"token-broker/{STAGE}/vntana"
            made = {"SecretString": "{}"}
            return {
                "a new one": lambda: secrets.create_secret(
                    Name=f"{prefix}/{next(self.names)}", **made
                ),
                "reading": lambda: secrets.get_secret_value(SecretId=f"{prefix}/spare"),
                "writing": lambda: secrets.put_secret_value(SecretId=f"{prefix}/spare", **made),
            }
        flow = name.removeprefix("Call").removesuffix("Connection").lower()
        tokens: Mapping[str, Callable[[], Any]] = {
            "a token": lambda: self.system.token(identity, flow)
        }
        if flow != "editor":
            return tokens
        path, body = "/v1/editor/acme/verify", {"token": "x"}
        return {**tokens, "verifying": lambda: call("POST", path, body=body)}


def policy_of(flow: str) -> str:
    """Return the policy for every connection of a flow."""
    return f"Call{flow.capitalize()}"


def outcome(call: Callable[[], Any]) -> str:
    """Make a call, and return its status, or AWS's code."""
    try:
        reply = call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return str(reply.status) if isinstance(reply, Reply) else "done"
