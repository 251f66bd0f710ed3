"""The stack is deleted: what is to stay stays."""

from collections.abc import Mapping

from stack.places import FLOWS, NAME
from stack.scenario.probes import POLICIES
from stack.scenario.updates import refusal
from stack.system import System
from stack.table import Table


def play(system: System, table: Table) -> None:
    """Delete the stack, and look at what is left."""
    before = there(system)
    with table.row("it is not deleted while roles have its policies") as row:
        row.sees(refusal(system.deployment.destroy).startswith("role "), True)
    for name in POLICIES:
        system.account.detach(system.arn(name))
    system.deployment.destroy()
    after = there(system)
    for name, stays in STAYS.items():
        with table.row(f"{name}: {'stays' if stays else 'goes'}") as row:
            row.sees((before[name], after[name]), (True, stays))


STAYS = {
    "table": True,
    "key": True,
    "logs": True,
    "functions": False,
    "API": False,
    "alarms": False,
    "alarms of alarms": False,
}


def there(system: System) -> Mapping[str, bool]:
    """Return what there is of the stack's."""
    client = system.account.client
    key = client("kms").describe_key(KeyId=system.outputs["KeyArn"])["KeyMetadata"]
    groups = client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
    functions = client("lambda").list_functions()["Functions"]
    return {
        "table": NAME in client("dynamodb").list_tables()["TableNames"],
        "key": key["KeyState"] == "Enabled",
        "logs": {f"/aws/lambda/{NAME}-{flow}" for flow in FLOWS}
        <= {group["logGroupName"] for group in groups},
        "functions": any(one["FunctionName"].startswith(NAME) for one in functions),
        "API": any(one["name"] == NAME for one in client("apigateway").get_rest_apis()["items"]),
        "alarms": any(alarms(system, kind) for kind in ("MetricAlarm", "CompositeAlarm")),
        "alarms of alarms": bool(alarms(system, "CompositeAlarm")),
    }


def alarms(system: System, kind: str) -> list[object]:
    """Return the stack's alarms of a *kind*."""
    watch = system.account.client("cloudwatch")
    answer = watch.describe_alarms(AlarmNamePrefix=NAME, AlarmTypes=[kind])
    found: list[object] = answer[f"{kind}s"]
    return found
