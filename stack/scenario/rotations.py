"""Rotations: a changed secret and an aging token cause a background refresh."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from stack.account import Identity
from stack.report import Report
from stack.settings import NAME
from stack.system import System

WAIT_SECONDS = 15
"""Limit of what an event causes."""

EVENT_RULES: Mapping[str, tuple[str, str]] = {
    "Secrets Manager reports a new value": ("LabelMoved", "put"),
    "CloudTrail reports a new value": ("SecretChanged", "put"),
    "CloudTrail reports a rotation": ("SecretChanged", "rotate"),
}
"""The function's rule that receives the event, and the change that causes it."""


def run(system: System, report: Report) -> None:
    """Change secrets with each rule, mend a latched secret, and age a token."""
    operator = system.account.session("watcher", system.arn("Operate"))
    for name, (rule, change) in EVENT_RULES.items():
        with report.check(f"{name}: the token is renewed") as check, only_rule(system, rule):
            connection = f"{rule}-{change}".lower()
            check.equals(change_secret(system, operator, connection, change), "renewed")
    check_latch(system, report, operator)
    check_renewal(system, report, operator)


@contextmanager
def only_rule(system: System, wanted: str) -> Iterator[None]:
    """Disable the function's rules during the context, except *wanted* of the template."""
    events = system.account.client("events")
    prefix = f"{NAME}-VendorlinkFunction"
    names = [rule["Name"] for rule in events.list_rules(NamePrefix=prefix)["Rules"]]
    disabled = [name for name in names if not name.startswith(f"{prefix}{wanted}")]
    if len(disabled) == len(names):
        raise LookupError(f"no rule {wanted} among {names}")
    for name in disabled:
        events.disable_rule(Name=name)
    try:
        yield
    finally:
        for name in disabled:
            events.enable_rule(Name=name)


def change_secret(system: System, operator: Identity, connection: str, change: str) -> str:
    """Change a secret, and return whether the token is renewed with the new version."""
    secrets = system.account.client("secretsmanager")
    secret = system.connect("vendorlink", connection)
    if (source := system.direct("vendorlink", connection)) != "exchange":
        return source
    before = generation(system, operator, "vendorlink", connection)
    if change == "rotate":
        secrets.rotate_secret(SecretId=secret)
    else:
        system.connect("vendorlink", connection)
    after = wait_for_newer(system, operator, "vendorlink", connection, before)
    return "renewed" if after == before + 1 else f"{after} after {before}"


def check_latch(system: System, report: Report, operator: Identity) -> None:
    """Mend a rejected password: the latch is lifted."""
    system.connect("vendorlink", "mended", password="not-this-one")
    with report.check("a mended password: the latch is lifted") as check:
        check.equals(system.direct("vendorlink", "mended"), "CredentialRejected")
        check.equals(system.direct("vendorlink", "mended"), "CredentialLatched")
        system.connect("vendorlink", "mended")
        check.equals(wait_until(lambda: not is_latched(system, operator)), True)
        check.equals(system.direct("vendorlink", "mended"), "exchange")


def is_latched(system: System, operator: Identity) -> bool:
    """Return whether the connection with a wrong password is latched."""
    variants = system.call(operator, "GET", "/v1/vendorlink/mended").body["variants"]
    return any(variant["latched"] for variant in variants)


def check_renewal(system: System, report: Report, operator: Identity) -> None:
    """Make a token due by its item: it is handed out, and renewed in the background."""
    system.connect("vendorlink", "aged")
    with report.check("an aging token: handed out, and renewed in the background") as check:
        check.equals(system.direct("vendorlink", "aged"), "exchange")
        before = generation(system, operator, "vendorlink", "aged")
        system.account.client("dynamodb").update_item(
            TableName=NAME,
            Key={"connection": {"S": "vendorlink#aged"}, "variant": {"S": "-"}},
            UpdateExpression="SET refresh_at = :past",
            ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
        )
        check.equals(system.direct("vendorlink", "aged", qualifier="$LATEST"), "table")
        check.equals(wait_for_newer(system, operator, "vendorlink", "aged", before), before + 1)


def generation(system: System, operator: Identity, flow: str, connection: str) -> int:
    """Return the greatest generation of a connection's tokens that are not dead, 0 if none."""
    variants = system.call(operator, "GET", f"/v1/{flow}/{connection}").body.get("variants", [])
    generations = (one["generation"] for one in variants if one["state"] != "dead")
    return max(generations, default=0)


def wait_for_newer(
    system: System, operator: Identity, flow: str, connection: str, before: int
) -> int:
    """Wait for a generation above *before*, and return the last one."""
    wait_until(lambda: generation(system, operator, flow, connection) > before)
    return generation(system, operator, flow, connection)


def wait_until(condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> bool:
    """Wait for *condition*, at most *seconds*, and return its last value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return value
