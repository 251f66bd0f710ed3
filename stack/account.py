"""An AWS account on the emulator: its clients, and the users and roles that call the broker."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

from stack.places import ACCOUNT, REGION, Places


class Identity(NamedTuple):
    """The credentials that sign a request."""

    access_key: str
    secret_key: str
    token: str | None = None

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables of AWS's tools for it."""
        found = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        return found | ({"AWS_SESSION_TOKEN": self.token} if self.token else {})


ROOT = Identity("test", "test")
"""The account's root identity, with all permissions."""

FOR_ACCOUNT = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "sts:AssumeRole",
}
FOR_LAMBDA = {
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


def policy(*statements: Mapping[str, Any]) -> str:
    """Return a policy of *statements*."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@dataclass(frozen=True)
class Account:
    """The account of one run."""

    places: Places
    clients: dict[tuple[str, Identity], Any] = field(default_factory=dict, repr=False)

    def client(self, service: str, identity: Identity = ROOT) -> Any:
        """Return boto3's client of *service*, for *identity*."""
        if (service, identity) not in self.clients:
            make: Any = boto3.client  # its types know clients by literal names only
            self.clients[service, identity] = make(
                service,
                REGION,
                endpoint_url=self.places.http,
                aws_access_key_id=identity.access_key,
                aws_secret_access_key=identity.secret_key,
                aws_session_token=identity.token,
                config=Config(retries={"total_max_attempts": 1}, max_pool_connections=80),
            )
        return self.clients[service, identity]

    def environment(self, identity: Identity = ROOT) -> dict[str, str]:
        """Return the environment variables for the endpoint, the region and *identity*."""
        return {
            "AWS_ENDPOINT_URL": self.places.http,
            "AWS_CA_BUNDLE": str(self.places.authorities),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            **identity.environment(),
        }

    @cached_property
    def iam(self) -> Any:
        """IAM's client."""
        return self.client("iam")

    def user(self, name: str, *policies: str) -> Identity:
        """Make a user with *policies*, by their ARNs, and return its key."""
        self.iam.create_user(UserName=name)
        for arn in policies:
            self.iam.attach_user_policy(UserName=name, PolicyArn=arn)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return Identity(key["AccessKeyId"], key["SecretAccessKey"])

    def role(
        self,
        name: str,
        *policies: str,
        tags: Mapping[str, str] | None = None,
        trusts: Mapping[str, Any] = FOR_ACCOUNT,
    ) -> str:
        """Make a role with *policies*, by their ARNs, and return its ARN."""
        made = self.iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=policy(trusts),
            Tags=[{"Key": key, "Value": value} for key, value in (tags or {}).items()],
        )
        for policy_arn in policies:
            self.iam.attach_role_policy(RoleName=name, PolicyArn=policy_arn)
        arn: str = made["Role"]["Arn"]
        return arn

    def session(self, name: str, *policies: str, tags: Mapping[str, str] | None = None) -> Identity:
        """Make a role, and return the identity of its session."""
        arn = self.role(name, *policies, tags=tags)
        sts = self.client("sts")
        given = sts.assume_role(RoleArn=arn, RoleSessionName="stack")["Credentials"]
        return Identity(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    def outputs(self, stack: str) -> dict[str, str]:
        """Return the outputs of a deployed *stack*."""
        (found,) = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}

    def detach(self, policy: str) -> None:
        """Detach a policy from all roles and users."""
        holders = self.iam.list_entities_for_policy(PolicyArn=policy)
        for role in holders["PolicyRoles"]:
            self.iam.detach_role_policy(RoleName=role["RoleName"], PolicyArn=policy)
        for user in holders["PolicyUsers"]:
            self.iam.detach_user_policy(UserName=user["UserName"], PolicyArn=policy)
