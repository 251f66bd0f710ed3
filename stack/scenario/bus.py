"""What the broker says on its bus: each event, once, for what an operator or a vendor does."""

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from stack.account import Identity
from stack.places import ACCOUNT, NAME, REGION
from stack.scenario.rotations import WAIT_SECONDS
from stack.system import System
from stack.table import Table

FLOW = "vendorlink"
MINUTE = 61
SEALING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*"}],
    }
)


class Bus:
    """A queue that hears everything which the broker says."""

    def __init__(self, system: System, name: str) -> None:
        self.queues = system.account.client("sqs")
        self.address: str = self.queues.create_queue(QueueName=name)["QueueUrl"]
        events = system.account.client("events")
        pattern = json.dumps({"source": ["token-broker"]})
        events.put_rule(Name=name, EventBusName=NAME, EventPattern=pattern)
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        events.put_targets(Rule=name, EventBusName=NAME, Targets=[{"Id": name, "Arn": arn}])

    def forget(self) -> None:
        """Drop what was heard."""
        self.queues.purge_queue(QueueUrl=self.address)

    def heard(self) -> list[Mapping[str, Any]]:
        """Return what was heard since the last time."""
        messages = self.queues.receive_message(
            QueueUrl=self.address, MaxNumberOfMessages=10, WaitTimeSeconds=1
        ).get("Messages", [])
        for message in messages:
            self.queues.delete_message(
                QueueUrl=self.address, ReceiptHandle=message["ReceiptHandle"]
            )
        return [json.loads(message["Body"]) for message in messages]

    def says(self, what: str, connection: str) -> str:
        """Wait for the event *what* of a connection; return that, or what was said instead."""
        said: list[str] = []
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            events = (one for one in self.heard() if one["detail"]["connection"] == connection)
            said += [event["detail-type"] for event in events]
            if what in said:
                return what
        return ", ".join(said) or "nothing"


def play(system: System, table: Table) -> None:
    """Do what there is an event for, and listen."""
    bus = Bus(system, "heard")
    policies = (system.arn("CallVendorlink"), system.arn("Hold"), system.arn("Operate"))
    person = system.account.session("listener", *policies)
    ask = partial(system.token, person, FLOW)
    for connection in ("replaced", "stopped", "unkept", "darkened"):
        system.connect(FLOW, connection)
    system.connect(FLOW, "mistaken", password="not-this-one")
    acts: Mapping[str, tuple[str, Callable[[], object]]] = {
        "Token Replaced": ("replaced", lambda: ask("replaced")),
        "Connection Held": ("stopped", lambda: hold(system, person, "PUT")),
        "Connection Lifted": ("stopped", lambda: hold(system, person, "DELETE")),
        "Connection Latched": ("mistaken", lambda: ask("mistaken")),
        "Connection Recovered": ("mistaken", lambda: forget(system, person, "mistaken")),
        "Token Unkept": ("unkept", lambda: unkept(system, person)),
    }
    for what, (connection, act) in acts.items():
        with table.row(f"{what}: is said") as row:
            bus.forget()
            act()
            row.sees(bus.says(what, connection), what)
    outage(system, table, bus, person)


def forget(system: System, person: Identity, connection: str) -> None:
    """Have the broker forget a connection's tokens, so its latch too."""
    system.call(person, "DELETE", f"/v1/{FLOW}/{connection}/token")


def hold(system: System, person: Identity, method: str) -> None:
    """Hold a connection, or lift that."""
    body = {"reason": "drill"} if method == "PUT" else None
    system.call(person, method, f"/v1/{FLOW}/stopped/hold", body=body)


def unkept(system: System, person: Identity) -> None:
    """Ask for a token while the function's role may not seal any."""
    iam = system.account.iam
    function = system.account.client("lambda").get_function_configuration(
        FunctionName=f"{NAME}-{FLOW}"
    )
    role = function["Role"].rpartition("/")[2]
    iam.put_role_policy(RoleName=role, PolicyName="sealing", PolicyDocument=SEALING)
    try:
        system.token(person, FLOW, "unkept")
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="sealing")


def outage(system: System, table: Table, bus: Bus, person: Identity) -> None:
    """Have a vendor be down for a minute, as the item says, and be there again."""
    connection = "darkened"
    with table.row("Upstream Down: is said after a minute") as row:
        system.fakes[FLOW].fail("status", times=None)
        try:
            row.sees(str(system.token(person, FLOW, connection)), "503 upstream_unavailable")
            row.sees(", ".join(event["detail-type"] for event in bus.heard()), "")
            passes(system, connection, "SET outage_since = outage_since - :minute REMOVE failure")
            row.sees(str(system.token(person, FLOW, connection)), "503 upstream_unavailable")
        finally:
            system.fakes[FLOW].heal()
        row.sees(bus.says("Upstream Down", connection), "Upstream Down")
    with table.row("Upstream Up: is said when it is over") as row:
        passes(system, connection, "REMOVE failure")
        row.sees(str(system.token(person, FLOW, connection)), "200 exchange")
        row.sees(bus.says("Upstream Up", connection), "Upstream Up")


def passes(system: System, connection: str, change: str) -> None:
    """Have a minute pass for an item: what waits for its end is over."""
    system.account.client("dynamodb").update_item(
        TableName=NAME,
        Key={"connection": {"S": f"{FLOW}#{connection}"}, "variant": {"S": "-"}},
        UpdateExpression=change,
        **({"ExpressionAttributeValues": {":minute": {"N": str(MINUTE)}}} if ":" in change else {}),
    )
