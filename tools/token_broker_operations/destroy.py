"""`make destroy`: delete a stage's stack, unless its policies are attached, and then its files.

`sam delete` would delete the files first: a stack that cannot be deleted would remain
without the templates of its nested stacks.
"""

import sys
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.exceptions import WaiterError

from token_broker_operations import settings
from token_broker_operations.deploy import GUIDED, stack_name
from token_broker_operations.stacks import Account, default_region, described

SAMS_STACK = "aws-sam-cli-managed-default"
"""The stack with the bucket that `sam deploy --resolve-s3` puts files into."""

KEPT = """\
Kept: table and key of {name}, its log groups /aws/*/{name}*, and the client's layers.
docs/deploying.md says how to delete them: do it before you deploy the stage again."""


def main(stage: str, *more: str) -> str | None:
    """Delete the stack; return a message for `sys.exit`, or None."""
    name = stack_name(stage)
    region = settings.kept(settings.CONFIG.read_text(), stage).region or default_region()
    session = boto3.session.Session(region_name=region)
    account = Account(session)
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
    left = list(delete_files(session, name))
    print(KEPT.format(name=name))
    return "\n".join(["These files were not deleted:", *left]) if left else None


def delete_files(session: boto3.session.Session, prefix: str) -> Iterator[str]:
    """Delete SAM's files below *prefix*, with the old versions that its bucket keeps.

    Yield a line for each that S3 does not delete, which its answer says beside a success:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    """
    stacks: Any = session.client("cloudformation")
    s3: Any = session.client("s3")
    stack = described(stacks, SAMS_STACK)
    if stack is None:
        return
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
    bucket = outputs["SourceBucket"]
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=f"{prefix}/")
    for page in pages:
        versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        names = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in versions]
        if names:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": names, "Quiet": True})
            for each in answer.get("Errors", []):
                yield f"s3://{bucket}/{each['Key']}: {each['Code']}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
