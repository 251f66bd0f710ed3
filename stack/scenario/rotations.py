"""A secret that changes, and a token that grows old: nobody has to say so."""

import time
from collections.abc import Callable
from typing import Any

from stack.account import Identity
from stack.places import NAME
from stack.system import System
from stack.table import Table

WAIT_SECONDS = 15
"""For what happens by an event."""


def play(system: System, table: Table) -> None:
    """Change secrets in both ways that are told of, and age a token."""
    operator = system.account.session("watcher", system.arn("Operate"))
    secrets = system.account.client("secretsmanager")
    for name, change in {
        "a new value is stored": lambda secret: secrets.put_secret_value(
            SecretId=secret, SecretString=secrets.get_secret_value(SecretId=secret)["SecretString"]
        ),
        "a rotation has succeeded": lambda secret: secrets.rotate_secret(SecretId=secret),
    }.items():
        rotated(system, table, operator, name, change)
    latch(system, table, operator)
    renewal(system, table, operator)


def rotated(
    system: System, table: Table, operator: Identity, name: str, change: Callable[[str], Any]
) -> None:
    """Have a secret change, and see the token be renewed with the new version."""
    connection = name.replace(" ", "-")
    secret = system.connect("vendorlink", connection)
    with table.row(f"{name}: the function renews the token by itself") as row:
        row.sees(system.direct("vendorlink", connection), "exchange")
        first = state(system, operator, "vendorlink", connection)
        change(secret)
        row.sees(until_later(system, operator, "vendorlink", connection, first), first + 1)


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
    """Say whether the connection with a wrong password is latched."""
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


def until(is_so: Callable[[], bool]) -> bool:
    """Wait until something is so, and say whether it is."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := is_so()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found
