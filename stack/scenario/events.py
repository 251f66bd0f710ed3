"""The bus: each event arrives, once, after what causes it."""

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from stack.account import Identity, policy
from stack.report import Report
from stack.scenario.rotations import WAIT_SECONDS
from stack.settings import ACCOUNT, NAME, REGION
from stack.system import System

FLOW = "vendorlink"
OUTAGE_SECONDS = 61
DENY_ENCRYPT = policy({"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*"})


class EventQueue:
    """A queue that receives each event of the broker."""

    def __init__(self, system: System, name: str) -> None:
        self.sqs = system.account.client("sqs")
        self.url: str = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        events = system.account.client("events")
        pattern = json.dumps({"source": ["token-broker"]})
        events.put_rule(Name=name, EventBusName=NAME, EventPattern=pattern)
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        events.put_targets(Rule=name, EventBusName=NAME, Targets=[{"Id": name, "Arn": arn}])

    def purge(self) -> None:
        """Drop the events that have arrived."""
        self.sqs.purge_queue(QueueUrl=self.url)

    def receive(self) -> list[Mapping[str, Any]]:
        """Return the events that arrived since the last call."""
        messages = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=1
        ).get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    def wait_for(self, name: str, connection: str) -> str:
        """Wait for the event *name* of a connection; return it, or the names that came instead."""
        names: list[str] = []
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            names += [
                event["detail-type"]
                for event in self.receive()
                if event["detail"]["connection"] == connection
            ]
            if name in names:
                return name
        return ", ".join(names) or "none"


def run(system: System, report: Report) -> None:
    """Cause each event, and receive it."""
    queue = EventQueue(system, "events")
    policies = (system.arn("CallVendorlink"), system.arn("Hold"), system.arn("Operate"))
    caller = system.account.session("listener", *policies)
    token = partial(system.token, caller, FLOW)
    call = partial(system.call, caller)
    hold, body = f"/v1/{FLOW}/stopped/hold", {"reason": "drill"}
    mistaken = f"/v1/{FLOW}/mistaken/token"
    for connection in ("replaced", "stopped", "unkept", "darkened"):
        system.connect(FLOW, connection)
    system.connect(FLOW, "mistaken", password="not-this-one")
    causes: Mapping[str, tuple[str, Callable[[], object]]] = {
        "Token Replaced": ("replaced", lambda: token("replaced")),
        "Connection Held": ("stopped", lambda: call("PUT", hold, body=body)),
        "Connection Lifted": ("stopped", lambda: call("DELETE", hold)),
        "Connection Latched": ("mistaken", lambda: token("mistaken")),
        "Connection Recovered": ("mistaken", lambda: call("DELETE", mistaken)),
        "Token Unkept": ("unkept", lambda: request_unsealable(system, caller)),
    }
    for name, (connection, cause) in causes.items():
        with report.check(f"{name}: arrives") as check:
            queue.purge()
            cause()
            check.equals(queue.wait_for(name, connection), name)
    outage(system, report, queue, caller)


def request_unsealable(system: System, caller: Identity) -> None:
    """Request a token while the function's role may not encrypt it."""
    iam, role = system.account.iam, system.role(FLOW).rpartition("/")[2]
    iam.put_role_policy(RoleName=role, PolicyName="deny-encrypt", PolicyDocument=DENY_ENCRYPT)
    try:
        system.token(caller, FLOW, "unkept")
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="deny-encrypt")


def outage(system: System, report: Report, queue: EventQueue, caller: Identity) -> None:
    """Have a vendor fail, let a minute pass by the item, and have the vendor work again."""
    connection = "darkened"
    with report.check("Upstream Down: arrives after a minute") as check:
        system.fakes[FLOW].fail("status", times=None)
        try:
            check.equals(str(system.token(caller, FLOW, connection)), "503 upstream_unavailable")
            check.equals(", ".join(event["detail-type"] for event in queue.receive()), "")
            let_pass(system, connection, "SET outage_since = outage_since - :minute REMOVE failure")
            check.equals(str(system.token(caller, FLOW, connection)), "503 upstream_unavailable")
        finally:
            system.fakes[FLOW].heal()
        check.equals(queue.wait_for("Upstream Down", connection), "Upstream Down")
    with report.check("Upstream Up: arrives after the outage") as check:
        let_pass(system, connection, "REMOVE failure")
        check.equals(str(system.token(caller, FLOW, connection)), "200 exchange")
        check.equals(queue.wait_for("Upstream Up", connection), "Upstream Up")


def let_pass(system: System, connection: str, change: str) -> None:
    """Change an item as if a minute had passed: its failure no longer blocks an exchange."""
    values = {":minute": {"N": str(OUTAGE_SECONDS)}}
    system.account.client("dynamodb").update_item(
        TableName=NAME,
        Key={"connection": {"S": f"{FLOW}#{connection}"}, "variant": {"S": "-"}},
        UpdateExpression=change,
        **({"ExpressionAttributeValues": values} if ":" in change else {}),
    )
