"""Calls that together need each permission of the stack's policies, and their results."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from stack.account import Identity
from stack.scenario.events import EventQueue
from stack.scenario.rotations import generation
from stack.settings import FLOWS, NAME, STAGE
from stack.system import Response, System

Outcomes = Iterator[tuple[str, str]]

POLICIES = (
    *(f"Call{flow.capitalize()}{suffix}" for flow in FLOWS for suffix in ("", "Connection")),
    "Operate",
    "Hold",
    "Connect",
    "Probe",
)
"""The stack's policies for callers and operators."""

TAGS = {f"token-broker-{flow}": "acme" for flow in FLOWS}

SUCCESSES = {"200", "200 exchange", "200 table", "renewed", "yes", "done"}
"""The results of the calls while the policies are complete."""

FIRST_RENEWAL_SECONDS = 20.0
LEAST_RENEWAL_SECONDS = 3.0
"""Limit of a first renewal; the later ones have five times the time of the last."""


class PolicyCalls:
    """An identity for each policy, and its calls, each with a new connection."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.names = (f"call-{number}" for number in itertools.count())
        account = system.account
        self.identities = {
            name: account.session(f"calls-{name}", system.arn(name), tags=TAGS) for name in POLICIES
        }
        self.queue = EventQueue(system, "latched")
        self.limit_seconds: dict[tuple[str, bool], float] = {}
        for flow in FLOWS:
            system.connect(flow, "acme")
        system.connect("vntana", "spare")

    def flow(self, flow: str) -> Outcomes:
        """Yield the results of the calls that need all permissions of a function's role.

        They use the API, since a function that raises costs the emulator a new process.
        """
        connection = self.connect(flow)
        path = f"/v1/{flow}/{connection}"
        yield "a new token", self.token(flow, connection)
        yield "a kept token", self.token(flow, connection)
        yield "its status", self.operate("GET", path)
        yield "its renewal", self.renewal(flow, connection)
        yield "its unqualified renewal", self.renewal(flow, connection, unqualified=True)
        yield "forgetting", self.operate("DELETE", f"{path}/token")

    def connect(self, flow: str, **changes: Any) -> str:
        """Create a connection, and return its name."""
        connection = next(self.names)
        self.system.connect(flow, connection, **changes)
        return connection

    def token(self, flow: str, connection: str) -> str:
        """Request a token."""
        return str(self.system.token(self.identities[call_policy(flow)], flow, connection))

    def operate(self, method: str, path: str) -> str:
        """Call the route of an operator."""
        return str(self.system.call(self.identities["Operate"], method, path))

    def renewal(self, flow: str, connection: str, *, unqualified: bool = False) -> str:
        """Make the token of a connection due, and return whether it is renewed."""
        operator = self.identities["Operate"]
        before = generation(self.system, operator, flow, connection)
        self.make_due(flow, connection)
        if unqualified:
            self.system.direct(flow, connection, qualifier="")
        else:
            self.token(flow, connection)
        began = time.monotonic()
        limit_seconds = self.limit_seconds.get((flow, unqualified), FIRST_RENEWAL_SECONDS)
        while (elapsed := time.monotonic() - began) < limit_seconds:
            if generation(self.system, operator, flow, connection) > before:
                self.limit_seconds[flow, unqualified] = max(LEAST_RENEWAL_SECONDS, 5 * elapsed)
                return "renewed"
            time.sleep(0.1)
        return "not renewed"

    def make_due(self, flow: str, connection: str) -> None:
        """Set each token of a connection due for its renewal."""
        dynamodb = self.system.account.client("dynamodb")
        items = dynamodb.query(
            TableName=NAME,
            KeyConditionExpression="#connection = :connection",
            FilterExpression="attribute_exists(refresh_at)",
            ExpressionAttributeNames={"#connection": "connection"},
            ExpressionAttributeValues={":connection": {"S": f"{flow}#{connection}"}},
        )["Items"]
        for item in items:
            dynamodb.update_item(
                TableName=NAME,
                Key={"connection": item["connection"], "variant": item["variant"]},
                UpdateExpression="SET refresh_at = :past",
                ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
            )

    def latch(self) -> Outcomes:
        """Yield whether the event of a latched connection arrives."""
        self.queue.purge()
        self.token("vendorlink", self.connect("vendorlink", password="not-this-one"))
        yield "the event", "yes" if self.queue.receive() else "no"

    def keys(self) -> Outcomes:
        """Yield the results of sealing and opening a token of each flow.

        A call for a kept token does not need the key: the function's memory has the token.
        """
        for flow in FLOWS:
            connection = self.connect(flow)
            yield f"a new token of {flow}", self.token(flow, connection)
            yield f"a renewal of {flow}", self.renewal(flow, connection)

    def caller(self, name: str) -> Outcomes:
        """Yield the results of the calls that the policy *name* permits."""
        for description, call in self.calls(name, self.identities[name]).items():
            yield description, outcome(call)

    def calls(self, name: str, identity: Identity) -> Mapping[str, Callable[[], Any]]:
        """Return the calls that need the policy *name*."""
        call = partial(self.system.call, identity)
        client = partial(self.system.account.client, identity=identity)
        if name == "Operate":
            return {
                "a status": lambda: call("GET", "/v1/vntana/acme"),
                "forgetting": lambda: call("DELETE", "/v1/vntana/acme/token"),
                "a check": lambda: call("POST", "/v1/vntana/acme/check"),
                "the secrets' names": client("secretsmanager").list_secrets,
                "the stack": lambda: client("cloudformation").describe_stacks(StackName=NAME),
                "the table": lambda: client("dynamodb").describe_table(TableName=NAME),
                "its time to live": lambda: client("dynamodb").describe_time_to_live(
                    TableName=NAME
                ),
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
            value = {"SecretString": "{}"}
            return {
                "a new secret": lambda: secrets.create_secret(
                    Name=f"{prefix}/{next(self.names)}", **value
                ),
                "reading": lambda: secrets.get_secret_value(SecretId=f"{prefix}/spare"),
                "writing": lambda: secrets.put_secret_value(SecretId=f"{prefix}/spare", **value),
            }
        flow = name.removeprefix("Call").removesuffix("Connection").lower()
        tokens: Mapping[str, Callable[[], Any]] = {
            "a token": lambda: self.system.token(identity, flow)
        }
        if flow != "editor":
            return tokens
        path, body = "/v1/editor/acme/verify", {"token": "x"}
        return {**tokens, "verifying": lambda: call("POST", path, body=body)}


def call_policy(flow: str) -> str:
    """Return the policy for each connection of a flow."""
    return f"Call{flow.capitalize()}"


def outcome(call: Callable[[], Any]) -> str:
    """Make a call, and return its status, or AWS's error code."""
    try:
        response = call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return str(response.status) if isinstance(response, Response) else "done"
