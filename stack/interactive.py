"""`KEEP=1`: keeps the deployed system and its dashboard running for manual use."""

import json
import os
import shlex
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from stack.account import Identity
from stack.settings import FLOWS, HOST, NAME, REGION, STAGE
from stack.system import BODIES, System
from token_broker_local import serving
from token_broker_local.dashboard import PATH, Dashboard
from token_broker_local.gateway import Gateway
from token_broker_local.metrics import Metrics

CONNECTION = "demo"
POLICIES = ("Operate", "Hold", "Connect", "Probe", *(f"Call{flow.capitalize()}" for flow in FLOWS))
PREFIX = f"token-broker/{STAGE}/"
POLL_SECONDS = 1


def serve(system: System) -> None:
    """Connect each flow, print the instructions, and wait for an interrupt."""
    for flow in FLOWS:
        system.connect(flow, CONNECTION)
    user = system.account.create_user("you", *map(system.arn, POLICIES))
    with dashboard(system) as port:
        print("\n".join(instructions(system, user, port)), flush=True)
        while True:
            time.sleep(POLL_SECONDS)


def instructions(system: System, user: Identity, port: int) -> Iterator[str]:
    """Yield the instructions, line by line."""
    environment = system.account.environment(user) | {
        "TOKEN_BROKER_STAGE": STAGE,
        "TOKEN_BROKER_URL": system.url("http"),
    }
    yield f"\nThe stack {NAME} is deployed.\n\n  Dashboard: http://{HOST}:{port}{PATH}\n"
    yield "Request a token:\n"
    yield from (f"  {curl(system, user, flow)}" for flow in FLOWS)
    yield "\nOr use the command, the AWS CLI or boto3, as a user with every policy of the stack:\n"
    variables = (f"{name}={shlex.quote(value)}" for name, value in environment.items())
    yield f"  export {' '.join(variables)}"
    yield "  .venv/bin/token-broker connections\n"
    yield "The access key test with the secret test is the root user. The vendors' fakes:\n"
    yield from (f"  curl {system.fakes[flow].url}/_control   # {flow}" for flow in FLOWS)
    yield f"\nThe emulator's log: {system.account.settings.folder / 'emulator.log'}"
    yield "ready: Ctrl-C stops everything"


def curl(system: System, user: Identity, flow: str) -> str:
    """Return the curl command for a token of *flow*."""
    body = f" -d '{json.dumps(BODIES[flow])}'" if flow in BODIES else ""
    return (
        f'curl --aws-sigv4 "aws:amz:{REGION}:execute-api" --user {":".join(user[:2])} '
        f"-X POST{body} {system.url('http')}/v1/{flow}/{CONNECTION}/token"
    )


@contextmanager
def dashboard(system: System) -> Iterator[int]:
    """Serve the dashboard of `make run` from the functions' logs; yield its port."""
    stop = threading.Event()
    page = Dashboard(Metrics(), lambda: states(system))
    reader = threading.Thread(target=read_logs, args=(system, page, stop))
    with serving.serving(Gateway({}, dashboard=page), 0) as port:
        reader.start()
        try:
            yield port
        finally:
            stop.set()
            reader.join()


def read_logs(system: System, page: Dashboard, stop: threading.Event) -> None:
    """Send each log line of the functions to *page*, until *stop* is set."""
    logs = system.account.client("logs")
    counts = dict.fromkeys(FLOWS, 0)
    while not stop.wait(POLL_SECONDS):
        for flow in FLOWS:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{NAME}-{flow}")["events"]
            for event in events[counts[flow] :]:
                page.record(event["message"])
            counts[flow] = len(events)


def states(system: System) -> Iterator[Mapping[str, Any]]:
    """Yield the status of each connection that has a secret."""
    secrets = system.account.client("secretsmanager")
    filters = [{"Key": "name", "Values": [PREFIX]}]
    for secret in secrets.list_secrets(Filters=filters)["SecretList"]:
        flow, _, connection = secret["Name"].removeprefix(PREFIX).partition("/")
        status = system.invoke(flow, {"connection": connection, "action": "status"})
        error = status.get("errorType")
        empty = {"flow": flow, "connection": connection, "variants": [], "error": error}
        yield empty if error else status


def is_requested() -> bool:
    """Return whether the environment has `KEEP`."""
    return os.environ.get("KEEP", "") not in {"", "0"}
