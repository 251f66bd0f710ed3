"""A secret that changes, and a token that grows old: both are noticed by themselves."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from stack.account import Identity
from stack.places import NAME
from stack.system import System
from stack.table import Table

WAIT_SECONDS = 15
"""For what happens by an event."""


TOLD: Mapping[str, tuple[str, str]] = {
    "Secrets Manager tells of a new value": ("LabelMoved", "put"),
    "CloudTrail tells of a new value": ("SecretChanged", "put"),
    "CloudTrail tells of a rotation": ("SecretChanged", "rotate"),
}
"""By which of the function's rules, and of what."""


def play(system: System, table: Table) -> None:
    """Change secrets and have that told in each way, and age a token."""
    operator = system.account.session("watcher", system.arn("Operate"))
    for name, (rule, change) in TOLD.items():
        with table.row(f"{name}: the token is renewed by itself") as row, only(system, rule):
            row.sees(rotated(system, operator, f"{rule}-{change}".lower(), change), "renewed")
    latch(system, table, operator)
    renewal(system, table, operator)


@contextmanager
def only(system: System, wanted: str) -> Iterator[None]:
    """Have the function hear by one of its rules alone, the one called *wanted* in the template."""
    events = system.account.client("events")
    prefix = f"{NAME}-VendorlinkFunction"
    names = [rule["Name"] for rule in events.list_rules(NamePrefix=prefix)["Rules"]]
    others = [name for name in names if not name.startswith(f"{prefix}{wanted}")]
    if len(others) == len(names):
        raise LookupError(f"no rule {wanted} among {names}")
    for name in others:
        events.disable_rule(Name=name)
    try:
        yield
    finally:
        for name in others:
            events.enable_rule(Name=name)


def rotated(system: System, operator: Identity, connection: str, change: str) -> str:
    """Have a secret change, and say whether the token is renewed with the new version."""
    secrets = system.account.client("secretsmanager")
    secret = system.connect("vendorlink", connection)
    if (source := system.direct("vendorlink", connection)) != "exchange":
        return source
    first = state(system, operator, "vendorlink", connection)
    if change == "rotate":
        secrets.rotate_secret(SecretId=secret)
    else:
        system.connect("vendorlink", connection)
    later = until_later(system, operator, "vendorlink", connection, first)
    return "renewed" if later == first + 1 else f"{later} after {first}"


def latch(system: System, table: Table, operator: Identity) -> None:
    """Mend a password, and see the latch lifted."""
    system.connect("vendorlink", "mended", password="not-this-one")
    with table.row("a password that is mended: the latch is lifted") as row:
        row.sees(system.direct("vendorlink", "mended"), "CredentialRejected")
        row.sees(system.direct("vendorlink", "mended"), "CredentialLatched")
        system.connect("vendorlink", "mended")
        row.sees(until(lambda: not latched(system, operator)), True)
        row.sees(system.direct("vendorlink", "mended"), "exchange")


def latched(system: System, operator: Identity) -> bool:
    """Return whether the connection with a wrong password is latched."""
    variants = system.call(operator, "GET", "/v1/vendorlink/mended").body["variants"]
    return any(variant["latched"] for variant in variants)


def renewal(system: System, table: Table, operator: Identity) -> None:
    """Age a token by its item, as time would, and see its renewal off the caller's path."""
    system.connect("vendorlink", "aged")
    with table.row("an aged token: handed out, and renewed by the function's own call") as row:
        row.sees(system.direct("vendorlink", "aged"), "exchange")
        first = state(system, operator, "vendorlink", "aged")
        system.account.client("dynamodb").update_item(
            TableName=NAME,
            Key={"connection": {"S": "vendorlink#aged"}, "variant": {"S": "-"}},
            UpdateExpression="SET refresh_at = :past",
            ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
        )
        row.sees(system.direct("vendorlink", "aged", qualifier="$LATEST"), "table")
        row.sees(until_later(system, operator, "vendorlink", "aged", first), first + 1)


def state(system: System, operator: Identity, flow: str, connection: str) -> int:
    """Return which token of a connection's it is that lives, 0 if none."""
    variants = system.call(operator, "GET", f"/v1/{flow}/{connection}").body.get("variants", [])
    living = [one["generation"] for one in variants if one["state"] != "dead"]
    return max(living, default=0)


def until_later(
    system: System, operator: Identity, flow: str, connection: str, generation: int
) -> int:
    """Wait for a token after *generation*, and return which one it is."""
    until(lambda: state(system, operator, flow, connection) > generation)
    return state(system, operator, flow, connection)


def until(is_so: Callable[[], bool], seconds: float = WAIT_SECONDS) -> bool:
    """Wait until something is so, *seconds* at most, and say whether it is."""
    deadline = time.monotonic() + seconds
    while not (found := is_so()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found
