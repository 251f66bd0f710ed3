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
from stack.places import FLOWS, HOST, NAME, REGION, STAGE
from stack.system import BODIES, System
from token_broker_local import serving
from token_broker_local.dashboard import PATH, Dashboard
from token_broker_local.gateway import Gateway
from token_broker_local.metrics import Metrics

CONNECTION = "demo"
POLICIES = ("Operate", "Hold", "Connect", "Probe", *(f"Call{flow.capitalize()}" for flow in FLOWS))
PREFIX = f"token-broker/{STAGE}/"
LOOK_SECONDS = 1


def keep(system: System) -> None:
    """Make a connection of each flow, print how to use them, and wait for an interrupt."""
    for flow in FLOWS:
        system.connect(flow, CONNECTION)
    person = system.account.user("you", *map(system.arn, POLICIES))
    with dashboard(system) as port:
        print("\n".join(told(system, person, port)), flush=True)
        while True:
            time.sleep(LOOK_SECONDS)


def told(system: System, person: Identity, port: int) -> Iterator[str]:
    """Yield the instructions, line by line."""
    environment = system.account.environment(person) | {
        "TOKEN_BROKER_STAGE": STAGE,
        "TOKEN_BROKER_URL": system.url("http"),
    }
    yield f"\nThe stack {NAME} is deployed.\n\n  Dashboard: http://{HOST}:{port}{PATH}\n"
    yield "Ask for a token:\n"
    yield from (f"  {curl(system, person, flow)}" for flow in FLOWS)
    yield "\nOr take the command, the AWS CLI or boto3, with every policy that the stack makes:\n"
    pairs = (f"{name}={shlex.quote(value)}" for name, value in environment.items())
    yield f"  export {' '.join(pairs)}"
    yield "  .venv/bin/token-broker connections\n"
    yield "With test as access key and as secret you own the account. The vendors' fakes:\n"
    yield from (f"  curl {system.fakes[flow].url}/_control   # {flow}" for flow in FLOWS)
    yield f"\nThe emulator's log: {system.account.places.folder / 'emulator.log'}"
    yield "ready: Ctrl-C ends everything"


def curl(system: System, person: Identity, flow: str) -> str:
    """Return the curl command for a token of *flow*."""
    body = f" -d '{json.dumps(BODIES[flow])}'" if flow in BODIES else ""
    return (
        f'curl --aws-sigv4 "aws:amz:{REGION}:execute-api" --user {":".join(person[:2])} '
        f"-X POST{body} {system.url('http')}/v1/{flow}/{CONNECTION}/token"
    )


@contextmanager
def dashboard(system: System) -> Iterator[int]:
    """Serve the dashboard of `make run` from the functions' logs; yield its port."""
    over = threading.Event()
    page = Dashboard(Metrics(), lambda: states(system))
    reader = threading.Thread(target=read_logs, args=(system, page, over))
    with serving.serving(Gateway({}, dashboard=page), 0) as port:
        reader.start()
        try:
            yield port
        finally:
            over.set()
            reader.join()


def read_logs(system: System, page: Dashboard, over: threading.Event) -> None:
    """Send each log line of the functions to *page*, until *over* is set."""
    logs = system.account.client("logs")
    heard = dict.fromkeys(FLOWS, 0)
    while not over.wait(LOOK_SECONDS):
        for flow in FLOWS:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{NAME}-{flow}")["events"]
            for event in found[heard[flow] :]:
                page.record(event["message"])
            heard[flow] = len(found)


def states(system: System) -> Iterator[Mapping[str, Any]]:
    """Yield the status of each connection that has a secret."""
    secrets = system.account.client("secretsmanager")
    filters = [{"Key": "name", "Values": [PREFIX]}]
    for secret in secrets.list_secrets(Filters=filters)["SecretList"]:
        flow, _, connection = secret["Name"].removeprefix(PREFIX).partition("/")
        answer = system.invoke(flow, {"connection": connection, "action": "status"})
        error = answer.get("errorType")
        nothing = {"flow": flow, "connection": connection, "variants": [], "error": error}
        yield nothing if error else answer


def is_wanted() -> bool:
    """Return whether the environment asks for it."""
    return os.environ.get("KEEP", "") not in {"", "0"}
