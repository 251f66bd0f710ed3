"""The operator's command under each of the stack's policies."""

import json
import os
import subprocess
import sys
from pathlib import Path

from stack.account import Identity
from stack.places import STAGE
from stack.system import System
from stack.table import Table

COMMAND = Path(sys.executable).with_name("token-broker")


def play(system: System, table: Table) -> None:
    """Give each command to somebody who may, and to somebody who may not."""
    account = system.account
    system.connect("vendorlink", "acme")
    people = {name: account.session(f"person-{name}", system.arn(name)) for name in POLICIES}
    document = json.dumps(
        type(system.fakes["vendorlink"]).demo_secret(system.fakes["vendorlink"].url)
    )
    both = account.session("person-both", system.arn("Operate"), system.arn("Connect"))
    with table.row("Operate and Connect together: the doctor finds nothing") as row:
        found = json.loads(run(system, both, "doctor").stdout)["findings"]
        row.sees([one for one in found if one["level"] != "ok"], [])
    option(system, table)
    for words, may in WORDS.items():
        for name, identity in people.items():
            told = document if words.startswith("connect") else None
            with table.row(f"{name} {'may' if name in may else 'may not'}: {words}") as row:
                row.sees(outcome(system, identity, words, told), "done" if name in may else DENIED)


POLICIES = ("Operate", "Hold", "Connect", "Probe", "CallVendorlink")
DENIED = "access_denied"
WORDS = {
    "connections": {"Operate"},
    "status vendorlink acme": {"Operate"},
    "explain vendorlink acme": {"Operate"},
    "token vendorlink acme": {"CallVendorlink"},
    "connect vendorlink new --file -": {"Connect"},
    "check vendorlink acme": {"Operate"},
    "probe vendorlink acme --yes --no-write": {"Probe"},
    "forget vendorlink acme --yes": {"Operate"},
    "hold vendorlink acme --reason drill": {"Hold"},
    "lift vendorlink acme": {"Hold"},
    "doctor": {"Operate"},
}
"""Commands, and the policies that they need."""


def option(system: System, table: Table) -> None:
    """Have a vendor be probed that needs an option, and find that in the secret."""
    secret = system.connect("vntana", "optioned")
    both = system.account.session("person-probing", system.arn("Probe"), system.arn("Connect"))
    modes = system.fakes["vntana"].modes
    usual, modes.refresh_method = modes.refresh_method, "GET"
    with table.row("Probe and Connect together: the option that follows is written") as row:
        try:
            row.sees(run(system, both, "probe vntana optioned --yes").returncode, 0)
        finally:
            modes.refresh_method = usual
        secrets = system.account.client("secretsmanager")
        written = secrets.get_secret_value(SecretId=secret)["SecretString"]
        row.sees(json.loads(written).get("options"), {"refresh_method": "GET"})


def outcome(system: System, identity: Identity, words: str, document: str | None) -> str:
    """Run a command, and return `done` or the code of its error."""
    done = run(system, identity, words, document)
    if done.returncode == 0:
        return "done"
    told = json.loads((done.stderr or done.stdout).strip().splitlines()[-1])
    failures = [one["says"] for one in told.get("findings", []) if one["level"] == "failure"]
    return str(told.get("code") or failures[0].partition(":")[0])


def run(
    system: System, identity: Identity, words: str, document: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of `token-broker`, which is given *document* to read."""
    environment = {
        "PATH": os.environ["PATH"],
        "TOKEN_BROKER_STAGE": STAGE,
        "TOKEN_BROKER_URL": system.url(),
        "REQUESTS_CA_BUNDLE": str(system.account.places.authorities),
        **system.account.environment(identity),
    }
    return subprocess.run(
        [COMMAND, *words.split(), "--json"],
        env=environment,
        input=document or "",
        capture_output=True,
        text=True,
        check=False,
    )
