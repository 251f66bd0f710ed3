"""`make destroy`: `sam delete` of a stage, if IAM lets its policies be deleted."""

import subprocess
import sys

import boto3

from token_broker_operations import settings
from token_broker_operations.deploy import GUIDED, stack_name
from token_broker_operations.stacks import Account

KEPT = """\
Kept: table and key of {name}, its log groups /aws/*/{name}*, and the client's layers.
docs/deploying.md says how to delete them: do it before you deploy the stage again."""


def main(sam: str, stage: str, *more: str) -> str | int | None:
    """Delete the stack; return what to end with."""
    name = stack_name(stage)
    region = settings.kept(settings.CONFIG.read_text(), stage).region
    session = boto3.session.Session(region_name=region)
    region = session.region_name or "eu-west-1"
    account = Account(boto3.session.Session(region_name=region))
    if account.stack(name) is None:
        return f"There is no stack {name} in {region}."
    if attached := list(account.attached(name)):
        return "\n".join(f"{each}: detach it first." for each in attached)
    told = ["delete", "--stack-name", name, "--region", region]
    if not (GUIDED in more and sys.stdin.isatty()):
        told.append("--no-prompts")
    code = subprocess.run([sam, *told], check=False).returncode  # noqa: S603 (make says what)
    if code:
        return code
    print(KEPT.format(name=name))
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
