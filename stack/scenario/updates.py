"""An update: a new version that the aliases follow; a team that comes, with a key, and goes."""

import time
from collections.abc import Callable
from functools import partial

from stack.account import ROOT, Identity
from stack.deployment import NotDeployed
from stack.places import FLOWS, NAME
from stack.scenario.rotations import until
from stack.system import System
from stack.table import Table

TEAM = "orders"
SCHEDULE_SECONDS = 90.0
"""A rate's minute, and what a busy machine needs besides."""


def play(system: System, table: Table) -> None:
    """Update the stack while tokens are kept, add a team, require its key, and take it away."""
    for flow in FLOWS:
        system.connect(flow, "lasting")
        system.direct(flow, "lasting")
    first = version(system, "live")
    time.sleep(1)  # a release is a second
    system.connect("vendorlink", "watched")
    checks = {"CheckVendorlink": '[{"connection":"watched"}]', "CheckRate": "rate(1 minute)"}
    system.deploy(Team1=TEAM, TeamKeys="required", MemorySeconds="0", **checks)
    second = version(system, "live")
    with table.row("the alias follows to a new version") as row:
        row.sees(int(second) - int(first), 1)
    for flow in FLOWS:
        with table.row(f"{flow}: the new version has what the old one kept") as row:
            row.sees(system.direct(flow, "lasting"), "table")
        with table.row(f"{flow}: the old one has what the new one keeps") as row:
            system.connect(flow, "shared")
            row.sees(system.direct(flow, "shared"), "exchange")
            row.sees(system.direct(flow, "shared", qualifier=first), "table")
    team(system, table, second)
    with table.row("a connection is checked on a schedule") as row:
        row.sees(until(lambda: is_checked(system), SCHEDULE_SECONDS), True)
    team_stack = system.outputs["Team1StackId"]
    with table.row("a team is not taken away while a role has a policy of its") as row:
        row.sees(refusal(partial(system.deploy, Team1="", TeamKeys="")), f"role team-{TEAM}")
    system.account.detach(system.account.outputs(team_stack)["InvokeVntanaPolicyArn"])
    system.deploy(Team1="", TeamKeys="", CheckVendorlink="")
    with table.row("the team is taken away: its aliases go, and no key is needed") as row:
        row.sees(aliases(system), {"live"})
        caller = system.account.session("keyless", system.arn("CallVntana"))
        row.sees(system.token(caller, "vntana", "lasting").status, 200)


def team(system: System, table: Table, latest: str) -> None:
    """Invoke by the team's alias, and call the API with its key."""
    outputs = system.account.outputs(system.outputs["Team1StackId"])
    with table.row("a team's alias leads to the same version as `live`") as row:
        row.sees(version(system, f"team-{TEAM}"), latest)
    member = system.account.session(f"team-{TEAM}", outputs["InvokeVntanaPolicyArn"])
    with table.row("a team invokes one function by its alias, and nothing else") as row:
        row.sees(invoked(system, member, "vntana", f"team-{TEAM}"), "table")
        row.sees(invoked(system, member, "vntana", "live"), "AccessDeniedException")
        row.sees(invoked(system, member, "editor", f"team-{TEAM}"), "AccessDeniedException")
    gateway = system.account.client("apigateway")
    key = gateway.get_api_key(apiKey=outputs["KeyId"], includeValue=True)["value"]
    headers = {"x-api-key": key}
    caller = system.account.session("keyed", system.arn("CallVntana"))
    path = "/v1/vntana/lasting/token"
    with table.row("once keys are required: a signature and a key, not one of them") as row:
        row.sees(system.call(caller, "POST", path, headers=headers).status, 200)
        row.sees(system.call(caller, "POST", path).status, 403)
        row.sees(system.call(None, "POST", path, headers=headers).status, 403)
        wrong = {"x-api-key": "x" * 40}
        row.sees(system.call(caller, "POST", path, headers=wrong).status, 403)


def refusal(change: Callable[[], None]) -> str:
    """Have the stack changed, and return whose policy is in the way."""
    try:
        change()
    except NotDeployed as error:
        return str(error).partition(" has ")[0].strip()
    return "it was done"


def invoked(system: System, identity: Identity, flow: str, qualifier: str) -> str:
    """Ask for a token by an alias, and return where it was from, or AWS's code."""
    lambdas = system.account.client("lambda", identity)
    try:
        answer = system.invoke(flow, {"connection": "lasting"}, qualifier, identity)
    except lambdas.exceptions.ClientError as error:
        return str(error.response["Error"]["Code"])
    return str(answer.get("source", answer))


def is_checked(system: System) -> bool:
    """Return whether the function's log has a check of the watched connection that succeeded."""
    logs = system.account.client("logs")
    found = logs.filter_log_events(logGroupName=f"/aws/lambda/{NAME}-vendorlink")["events"]
    checks = (event["message"] for event in found if '"watched"' in event["message"])
    return any('"success"' in line and '"check"' in line for line in checks)


def version(system: System, alias: str) -> str:
    """Return the version of vntana's function that an alias leads to."""
    lambdas = system.account.client("lambda", ROOT)
    found: str = lambdas.get_alias(FunctionName=f"{NAME}-vntana", Name=alias)["FunctionVersion"]
    return found


def aliases(system: System) -> set[str]:
    """Return the aliases of vntana's function."""
    lambdas = system.account.client("lambda")
    return {one["Name"] for one in lambdas.list_aliases(FunctionName=f"{NAME}-vntana")["Aliases"]}
