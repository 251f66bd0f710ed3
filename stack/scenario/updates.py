"""Updates: the aliases follow a new version; a team is added, needs its key, is removed."""

import time
from collections.abc import Callable
from functools import partial

from stack.account import Identity
from stack.deployment import NotDeployed
from stack.report import Report
from stack.scenario.rotations import wait_until
from stack.settings import FLOWS, NAME
from stack.system import System

TEAM = "orders"
SCHEDULE_SECONDS = 90.0
"""The schedule's minute, and time for a busy machine."""


def run(system: System, report: Report) -> None:
    """Update the stack while tokens are kept, add a team, require its key, and remove it."""
    for flow in FLOWS:
        system.connect(flow, "lasting")
        system.direct(flow, "lasting")
    old = version(system, "live")
    time.sleep(1)  # a release is a second
    system.connect("vendorlink", "watched")
    checks = {"CheckVendorlink": '[{"connection":"watched"}]', "CheckRate": "rate(1 minute)"}
    system.deploy(Team1=TEAM, TeamKeys="required", MemorySeconds="0", **checks)
    new = version(system, "live")
    with report.check("the alias follows to a new version") as check:
        check.equals(int(new) - int(old), 1)
    for flow in FLOWS:
        with report.check(f"{flow}: the new version reads the old one's items") as check:
            check.equals(system.direct(flow, "lasting"), "table")
        with report.check(f"{flow}: the old version reads the new one's items") as check:
            system.connect(flow, "shared")
            check.equals(system.direct(flow, "shared"), "exchange")
            check.equals(system.direct(flow, "shared", qualifier=old), "table")
    check_team(system, report, new)
    with report.check("a connection is checked on a schedule") as check:
        check.equals(wait_until(lambda: is_checked(system), SCHEDULE_SECONDS), True)
    team_stack = system.outputs["Team1StackId"]
    with report.check("a team is not removed while a role has its policy") as check:
        check.equals(blocker(partial(system.deploy, Team1="", TeamKeys="")), f"role team-{TEAM}")
    system.account.detach_policy(system.account.outputs(team_stack)["InvokeVntanaPolicyArn"])
    system.deploy(Team1="", TeamKeys="", CheckVendorlink="")
    with report.check("the removed team has no alias, and no key is needed") as check:
        check.equals(aliases(system), {"live"})
        caller = system.account.session("keyless", system.arn("CallVntana"))
        check.equals(system.token(caller, "vntana", "lasting").status, 200)


def check_team(system: System, report: Report, latest: str) -> None:
    """Invoke the team's alias, and call the API with its key."""
    outputs = system.account.outputs(system.outputs["Team1StackId"])
    with report.check("a team's alias has the same version as `live`") as check:
        check.equals(version(system, f"team-{TEAM}"), latest)
    member = system.account.session(f"team-{TEAM}", outputs["InvokeVntanaPolicyArn"])
    with report.check("a team invokes one function by its alias, and nothing else") as check:
        check.equals(invoke(system, member, "vntana", f"team-{TEAM}"), "table")
        check.equals(invoke(system, member, "vntana", "live"), "AccessDeniedException")
        check.equals(invoke(system, member, "editor", f"team-{TEAM}"), "AccessDeniedException")
    gateway = system.account.client("apigateway")
    key = gateway.get_api_key(apiKey=outputs["KeyId"], includeValue=True)["value"]
    headers = {"x-api-key": key}
    caller = system.account.session("keyed", system.arn("CallVntana"))
    path = "/v1/vntana/lasting/token"
    with report.check("once keys are required: both a signature and a key") as check:
        check.equals(system.call(caller, "POST", path, headers=headers).status, 200)
        check.equals(system.call(caller, "POST", path).status, 403)
        check.equals(system.call(None, "POST", path, headers=headers).status, 403)
        wrong = {"x-api-key": "x" * 40}
        check.equals(system.call(caller, "POST", path, headers=wrong).status, 403)


def blocker(change: Callable[[], None]) -> str:
    """Make a change, and return the role whose policy blocks it."""
    try:
        change()
    except NotDeployed as error:
        return str(error).partition(" has ")[0].strip()
    return "none"


def invoke(system: System, identity: Identity, flow: str, qualifier: str) -> str:
    """Request a token by an alias, and return its source, or AWS's error code."""
    lambdas = system.account.client("lambda", identity)
    try:
        result = system.invoke(flow, {"connection": "lasting"}, qualifier, identity)
    except lambdas.exceptions.ClientError as error:
        return str(error.response["Error"]["Code"])
    return str(result.get("source", result))


def is_checked(system: System) -> bool:
    """Return whether the function's log has a check of the watched connection that succeeded."""
    logs = system.account.client("logs")
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/{NAME}-vendorlink")["events"]
    checks = (event["message"] for event in events if '"watched"' in event["message"])
    return any('"success"' in line and '"check"' in line for line in checks)


def version(system: System, alias: str) -> str:
    """Return the version of vntana's function of an alias."""
    lambdas = system.account.client("lambda")
    number: str = lambdas.get_alias(FunctionName=f"{NAME}-vntana", Name=alias)["FunctionVersion"]
    return number


def aliases(system: System) -> set[str]:
    """Return the aliases of vntana's function."""
    lambdas = system.account.client("lambda")
    response = lambdas.list_aliases(FunctionName=f"{NAME}-vntana")
    return {alias["Name"] for alias in response["Aliases"]}
