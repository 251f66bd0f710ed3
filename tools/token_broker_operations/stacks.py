"""The state of a deployed stack in AWS, and its deletion."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import ClientError

PRINCIPALS = (
    ("PolicyRoles", "RoleName"),
    ("PolicyUsers", "UserName"),
    ("PolicyGroups", "GroupName"),
)
"""The kinds of principals that a policy can be attached to, as IAM lists them."""


class Deployed(NamedTuple):
    """A deployed stack: its status and its parameters."""

    status: str
    parameters: Mapping[str, str]


def default_region() -> str:
    """Return the region of the environment or the profile. boto3 does not read `AWS_REGION`."""
    return os.environ.get("AWS_REGION") or boto3.session.Session().region_name or "eu-west-1"


def described(cloudformation: Any, name: str) -> Mapping[str, Any] | None:
    """Return the description of the stack called *name*; None if there is none."""
    try:
        [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    found: Mapping[str, Any] = stack
    return found


class Account:
    """The stacks of an AWS account in one region."""

    def __init__(self, session: boto3.session.Session) -> None:
        self._stacks: Any = session.client("cloudformation")
        self._iam: Any = session.client("iam")

    def stack(self, name: str) -> Deployed | None:
        """Return the stack called *name*; None if there is none."""
        stack = described(self._stacks, name)
        if stack is None:
            return None
        pairs = stack.get("Parameters", [])
        values = {pair["ParameterKey"]: pair.get("ParameterValue", "") for pair in pairs}
        return Deployed(stack["StackStatus"], values)

    def delete(self, name: str) -> None:
        """Delete the stack called *name*, and wait until it is gone."""
        self._stacks.delete_stack(StackName=name)
        self._stacks.get_waiter("stack_delete_complete").wait(StackName=name)

    def undeletable(self, name: str) -> Iterator[str]:
        """Yield the resources of the stack that could not be deleted, with AWS's reason."""
        for each in self._resources(name):
            if each["ResourceStatus"] == "DELETE_FAILED":
                yield f"{each['LogicalResourceId']}: {each.get('ResourceStatusReason', '')}"

    def attached(self, name: str, within: str | None = None) -> Iterator[str]:
        """Yield a line for each role, user and group that has a policy of the stack.

        IAM deletes no attached policy, so CloudFormation cannot delete the stack. The
        stack's own roles are excluded, as they go first. With *within*, only the nested stack of
        that logical name is looked at.
        """
        resources = list(self._resources(name))
        own = {each["PhysicalResourceId"] for each in resources}
        for each in resources:
            logical, physical = each["LogicalResourceId"], each["PhysicalResourceId"]
            if each["ResourceType"] == "AWS::CloudFormation::Stack" and within in (None, logical):
                yield from self.attached(physical)
            elif each["ResourceType"] == "AWS::IAM::ManagedPolicy" and within is None:
                yield from (
                    f"{principal} has {logical}"
                    for principal in self._principals(physical)
                    if principal.partition(" ")[2] not in own
                )

    def _resources(self, name: str) -> Iterator[Mapping[str, str]]:
        pages = self._stacks.get_paginator("list_stack_resources").paginate(StackName=name)
        for page in pages:
            yield from (
                each for each in page["StackResourceSummaries"] if "PhysicalResourceId" in each
            )

    def _principals(self, policy: str) -> Iterator[str]:
        """Yield ``role orders`` and the like for each that has *policy*."""
        pages = self._iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=policy)
        for page in pages:
            for kind, named in PRINCIPALS:
                what = named.removesuffix("Name").lower()
                yield from (f"{what} {each[named]}" for each in page.get(kind, []))
