"""`make destroy`: delete a stage's stack, unless its policies are attached, and then its files.

`sam delete` would delete the files first: a stack that cannot be deleted would remain
without the templates of its nested stacks.
"""

import sys

import boto3
from botocore.exceptions import WaiterError

from token_broker_operations import settings
from token_broker_operations.deploy import GUIDED, stack_name
from token_broker_operations.stacks import Account

KEPT = """\
Kept: table and key of {name}, its log groups /aws/*/{name}*, and the client's layers.
docs/deploying.md says how to delete them: do it before you deploy the stage again."""


def main(stage: str, *more: str) -> str | None:
    """Delete the stack; return a message for `sys.exit`, or None."""
    name = stack_name(stage)
    kept = settings.kept(settings.CONFIG.read_text(), stage).region
    region = kept or boto3.session.Session().region_name or "eu-west-1"
    account = Account(boto3.session.Session(region_name=region))
    if account.stack(name) is None:
        return f"There is no stack {name} in {region}."
    if attached := list(account.attached(name)):
        return "\n".join(f"{each}: detach it first." for each in attached)
    guided = GUIDED in more and sys.stdin.isatty()
    question = f"Delete the stack {name} in {region}? [y/N] "
    if guided and input(question).lower() not in {"y", "yes"}:
        return "Nothing was deleted."
    try:
        account.delete(name)
    except WaiterError:
        return "\n".join(["It could not be deleted:", *account.undeletable(name)])
    account.delete_files(name)
    print(KEPT.format(name=name))
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
