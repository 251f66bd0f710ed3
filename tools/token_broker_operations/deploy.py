"""`make deploy`: `sam deploy` of a stage.

It asks once for region and alarm topic, and stores them in `samconfig.toml`. A deployment that
would fail midway is refused before any change. A stack is created with a table that can be deleted,
so that a failed creation leaves nothing behind; then the table is protected.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import boto3

from token_broker_operations import settings
from token_broker_operations.settings import Settings
from token_broker_operations.stacks import Account, Deployed, default_region

CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND")
"""The second is for the nested stacks, which SAM translates, too."""

PROTECTION = "DeletionProtection"
TYPE = "DeploymentType"
DEFAULTS = {PROTECTION: "enabled", TYPE: "Canary10Percent5Minutes"}
"""Parameters that are always given: CloudFormation would keep those of an earlier deployment."""

CALLS = ("Warm", "Check")
"""Prefixes of the parameters with the calls of a schedule."""

TEAMS = tuple(f"Team{number}" for number in range(1, 7))
NOT_CREATED = ("ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS")
"""Statuses of a stack that was rolled back at its creation, or only reviewed."""

GUIDED = "--guided"
"""The option of `make` unless `GUIDED=` is given: ask questions on the terminal."""

Ask: TypeAlias = Callable[[str], str]
Sam: TypeAlias = Callable[[list[str]], int]
"""Runs SAM with these arguments; returns its exit status."""


def stack_name(stage: str) -> str:
    """Return the name of the stack of *stage*, which is also the prefix of its files."""
    return f"token-broker-{stage}"


def answered(known: Settings, here: str, ask: Ask) -> Settings:
    """Return *known* with region and alarm topic, asked for if they are missing."""
    region = known.region or ask(f"AWS region [{here}]: ") or here
    parameters = dict(known.parameters)
    if "AlarmTopicArn" not in parameters:
        question = "ARN of an SNS topic that is told of alarms [none, they are only shown]: "
        parameters["AlarmTopicArn"] = ask(question)
    return Settings(region, parameters)


def problems(before: Deployed | None, wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield the reasons why a deployment would fail midway: the stack's state, or a change."""
    if before is None or before.status in NOT_CREATED:
        return
    if before.status.endswith("_IN_PROGRESS"):
        yield f"The stack is in {before.status}: wait until that ends."
    elif not before.status.endswith("_COMPLETE"):
        yield f"The stack is in {before.status}. docs/deploying.md says what to do then."
    provisioned = before.parameters.get("ProvisionedConcurrency", "0")
    is_at_once = wanted.get(TYPE) == "AllAtOnce"
    if wanted.get("ProvisionedConcurrency", provisioned) != provisioned and not is_at_once:
        yield (
            "ProvisionedConcurrency cannot be changed while traffic shifts between two versions. "
            "Add DeploymentType=AllAtOnce for this deployment."
        )


def removed_teams(before: Deployed | None, wanted: Mapping[str, str]) -> list[str]:
    """Return the parameters of the teams that are removed or renamed."""
    had = before.parameters if before else {}
    return [name for name in TEAMS if had.get(name) and wanted.get(name, had[name]) != had[name]]


def unquoted(wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield the reasons why the calls of a schedule are no input of it: they are no JSON."""
    for name, value in wanted.items():
        if name.startswith(CALLS) and value.startswith(("[", "{")) and not is_json(value):
            example = f'{name}=\'[{{"connection": "acme"}}]\''
            yield f"{name} is no JSON. Quote it twice: PARAMETERS={json.dumps(example)}"


def is_json(text: str) -> bool:
    """Say whether *text* is JSON."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def same_names(before: Deployed | None, wanted: Mapping[str, str]) -> Iterator[str]:
    """Yield the reasons why a team's aliases could not be made: another team has that name.

    Until the end of a deployment, CloudFormation keeps what it replaces or removes.
    """
    had = {name: before.parameters.get(name, "") if before else "" for name in TEAMS}
    has = {name: wanted.get(name, had[name]) for name in TEAMS}
    for team, name in has.items():
        others = [other for other in TEAMS if other != team and name and name != had[team]]
        for other in others:
            if has[other] == name and (other < team or had[other] == name):
                yield f"{team} and {other} are both called {name}."
            elif had[other] == name:
                yield (
                    f"{team} cannot be called {name} in the deployment that takes the name from "
                    f"{other}."
                )


def arguments(
    stage: str, region: str | None, parameters: Mapping[str, str], *, confirm: bool
) -> list[str]:
    """Return all arguments of `sam deploy`, so that every stage is deployed in the same way."""
    name = stack_name(stage)
    return [
        "deploy",
        *("--config-env", stage, "--stack-name", name, "--region", str(region)),
        *("--resolve-s3", "--s3-prefix", name),
        *("--capabilities", *CAPABILITIES),
        "--no-fail-on-empty-changeset",
        "--confirm-changeset" if confirm else "--no-confirm-changeset",
        *("--parameter-overrides", *(quoted(*pair) for pair in parameters.items())),
    ]


def quoted(name: str, value: str) -> str:
    """Return a parameter as SAM reads it, spaces and quotes included."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{escaped}"'


def steps(before: Deployed | None, parameters: Mapping[str, str]) -> list[Mapping[str, str]]:
    """Return the parameters of each `sam deploy`: a new stack needs two.

    DynamoDB does not delete a protected table. A creation that fails would end in
    ROLLBACK_FAILED, with a table that no second try can make.
    """
    whole = DEFAULTS | dict(parameters)
    is_new = before is None or before.status in NOT_CREATED
    return [whole | {PROTECTION: "disabled"}, whole] if is_new else [whole]


def refusals(account: Account, name: str, wanted: Mapping[str, str]) -> list[str]:
    """Return the reasons why the stack *name* cannot be deployed as *wanted*."""
    before = account.stack(name)
    found = list(problems(before, wanted))
    for team in removed_teams(before, wanted):
        found += [f"{each}: detach it first." for each in account.attached(name, f"{team}Stack")]
    found += [*unquoted(wanted), *same_names(before, wanted)]
    if unknown := settings.unknown(wanted, settings.TEMPLATE.read_text()):
        found.append(f"There is no parameter {', '.join(unknown)}.")
    return found


def chosen(text: str, stage: str, *, guided: bool) -> Settings:
    """Return the settings of *stage* in *text*, `PARAMETERS`, and answers to questions."""
    kept = settings.kept(text, stage)
    given = settings.pairs_of(shlex.split(os.environ.get("PARAMETERS", "")))
    here = default_region()
    known = kept._replace(parameters={**kept.parameters, **given})
    return answered(known, here, input) if guided else known._replace(region=known.region or here)


def stored(text: str, stage: str, wanted: Settings) -> str:
    """Return *text* with what is *wanted*. The given type is that of this deployment alone."""
    kept = settings.kept(text, stage).parameters
    lasting = {name: value for name, value in wanted.parameters.items() if name != TYPE}
    if TYPE in kept:
        lasting[TYPE] = kept[TYPE]
    return settings.written(text, stage, wanted._replace(parameters=lasting))


def deploy(
    account: Account,
    sam: Sam,
    stage: str,
    wanted: Settings,
    fixed: Mapping[str, str],
    *,
    guided: bool,
) -> int:
    """Create or change the stack of *stage* by *sam*; return its exit status."""
    name = stack_name(stage)
    before = account.stack(name)
    if before and before.status == "ROLLBACK_COMPLETE":
        print(f"Deleting the rest of stack {name}, whose creation failed.")
        account.delete(name)
    for number, parameters in enumerate(steps(before, {**wanted.parameters, **fixed})):
        command = arguments(stage, wanted.region, parameters, confirm=guided and number == 0)
        if status := sam(command):
            return status
    return 0


def main(sam: str, stage: str, architecture: str, *more: str) -> str | int:
    """Deploy; return the exit status or a message for `sys.exit`."""
    guided = GUIDED in more and sys.stdin.isatty()
    text = settings.CONFIG.read_text()
    wanted = chosen(text, stage, guided=guided)
    account = Account(boto3.session.Session(region_name=wanted.region))
    if refused := refusals(account, stack_name(stage), wanted.parameters):
        return "\n".join(refused)
    settings.CONFIG.write_text(stored(text, stage, wanted))
    fixed = {"Stage": stage, "Architecture": architecture, "Release": str(int(time.time()))}
    options = [each for each in more if each != GUIDED]

    def run(command: list[str]) -> int:
        return subprocess.run([sam, *command, *options], check=False).returncode  # noqa: S603 (make says what)

    return deploy(account, run, stage, wanted, fixed, guided=guided)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
