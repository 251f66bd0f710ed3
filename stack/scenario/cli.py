"""The operator's command under each of the stack's policies."""

import json
import os
import subprocess
import sys
from pathlib import Path

from stack.account import Identity
from stack.report import Report
from stack.settings import STAGE
from stack.system import System

PROGRAM = Path(sys.executable).with_name("token-broker")


def run(system: System, report: Report) -> None:
    """Run each command under each policy."""
    account = system.account
    system.connect("vendorlink", "acme")
    identities = {name: account.session(f"cli-{name}", system.arn(name)) for name in POLICIES}
    document = json.dumps(system.secret("vendorlink"))
    both = account.session("cli-both", system.arn("Operate"), system.arn("Connect"))
    with report.check("Operate and Connect together: the doctor finds nothing") as check:
        findings = json.loads(run_command(system, both, "doctor").stdout)["findings"]
        check.equals([finding for finding in findings if finding["level"] != "ok"], [])
    probe_option(system, report)
    for command, policies in COMMANDS.items():
        for name, identity in identities.items():
            may = name in policies
            text = document if command.startswith("connect") else None
            with report.check(f"{name} {'may' if may else 'may not'}: {command}") as check:
                check.equals(outcome(system, identity, command, text), "done" if may else DENIED)


POLICIES = ("Operate", "Hold", "Connect", "Probe", "CallVendorlink")
DENIED = "access_denied"
COMMANDS = {
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
"""Commands, and the policies that permit each."""


def probe_option(system: System, report: Report) -> None:
    """Probe a vendor that needs an option, and find the option in the secret."""
    secret = system.connect("vntana", "optioned")
    both = system.account.session("cli-probing", system.arn("Probe"), system.arn("Connect"))
    modes = system.fakes["vntana"].modes
    default, modes.refresh_method = modes.refresh_method, "GET"
    with report.check("Probe and Connect together: the probe writes the option") as check:
        try:
            check.equals(run_command(system, both, "probe vntana optioned --yes").returncode, 0)
        finally:
            modes.refresh_method = default
        secrets = system.account.client("secretsmanager")
        written = secrets.get_secret_value(SecretId=secret)["SecretString"]
        check.equals(json.loads(written).get("options"), {"refresh_method": "GET"})


def outcome(system: System, identity: Identity, command: str, document: str | None) -> str:
    """Run a command, and return `done` or the code of its error."""
    result = run_command(system, identity, command, document)
    if result.returncode == 0:
        return "done"
    answer = json.loads((result.stderr or result.stdout).strip().splitlines()[-1])
    findings = answer.get("findings", [])
    failures = [finding["says"] for finding in findings if finding["level"] == "failure"]
    return str(answer.get("code") or failures[0].partition(":")[0])


def run_command(
    system: System, identity: Identity, command: str, document: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of `token-broker` with *document* as its input."""
    environment = {
        "PATH": os.environ["PATH"],
        "TOKEN_BROKER_STAGE": STAGE,
        "TOKEN_BROKER_URL": system.url(),
        "REQUESTS_CA_BUNDLE": str(system.account.settings.ca_file),
        **system.account.environment(identity),
    }
    return subprocess.run(
        [PROGRAM, *command.split(), "--json"],
        env=environment,
        input=document or "",
        capture_output=True,
        text=True,
        check=False,
    )
