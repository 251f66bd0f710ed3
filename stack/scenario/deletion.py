"""Deletion: table, key and logs are retained."""

from collections.abc import Mapping

from stack.report import Report
from stack.scenario.policy_calls import POLICIES
from stack.scenario.updates import blocker
from stack.settings import FLOWS, NAME
from stack.system import System


def run(system: System, report: Report) -> None:
    """Delete the stack, and compare its resources before and after."""
    before = resources(system)
    with report.check("not deleted while roles have its policies") as check:
        check.equals(blocker(system.deployment.destroy).startswith("role "), True)
    for name in POLICIES:
        system.account.detach_policy(system.arn(name))
    system.deployment.destroy()
    after = resources(system)
    for name, retained in RETAINED.items():
        with report.check(f"{name}: {'retained' if retained else 'deleted'}") as check:
            check.equals((before[name], after[name]), (True, retained))


RETAINED = {
    "table": True,
    "key": True,
    "logs": True,
    "functions": False,
    "API": False,
    "alarms": False,
    "composite alarms": False,
}


def resources(system: System) -> Mapping[str, bool]:
    """Return which of the stack's resources exist."""
    client = system.account.client
    key = client("kms").describe_key(KeyId=system.outputs["KeyArn"])["KeyMetadata"]
    groups = client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
    functions = client("lambda").list_functions()["Functions"]
    return {
        "table": NAME in client("dynamodb").list_tables()["TableNames"],
        "key": key["KeyState"] == "Enabled",
        "logs": {f"/aws/lambda/{NAME}-{flow}" for flow in FLOWS}
        <= {group["logGroupName"] for group in groups},
        "functions": any(function["FunctionName"].startswith(NAME) for function in functions),
        "API": any(api["name"] == NAME for api in client("apigateway").get_rest_apis()["items"]),
        "alarms": any(alarms(system, kind) for kind in ("MetricAlarm", "CompositeAlarm")),
        "composite alarms": bool(alarms(system, "CompositeAlarm")),
    }


def alarms(system: System, kind: str) -> list[object]:
    """Return the stack's alarms of a *kind*."""
    cloudwatch = system.account.client("cloudwatch")
    response = cloudwatch.describe_alarms(AlarmNamePrefix=NAME, AlarmTypes=[kind])
    alarms: list[object] = response[f"{kind}s"]
    return alarms
