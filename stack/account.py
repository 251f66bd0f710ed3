"""An AWS account on the emulator: its clients, and the users and roles that call the broker."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

from stack.settings import ACCOUNT, REGION, Settings


class Identity(NamedTuple):
    """The credentials that sign a request."""

    access_key: str
    secret_key: str
    token: str | None = None

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables by which AWS's tools use it."""
        variables = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        return variables | ({"AWS_SESSION_TOKEN": self.token} if self.token else {})


ROOT_USER = Identity("test", "test")
"""The account's root identity, with all permissions."""

TRUST_ACCOUNT = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "sts:AssumeRole",
}
TRUST_LAMBDA = {
    "Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"},
    "Action": "sts:AssumeRole",
}


def policy(*statements: Mapping[str, Any]) -> str:
    """Return a policy of *statements*."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@dataclass(frozen=True)
class Account:
    """The AWS account of one run."""

    settings: Settings
    clients: dict[tuple[str, Identity], Any] = field(default_factory=dict, repr=False)

    def client(self, service: str, identity: Identity = ROOT_USER) -> Any:
        """Return boto3's client of *service*, for *identity*."""
        if (service, identity) not in self.clients:
            create: Any = boto3.client  # its types accept literal names only
            self.clients[service, identity] = create(
                service,
                REGION,
                endpoint_url=self.settings.http_url,
                aws_access_key_id=identity.access_key,
                aws_secret_access_key=identity.secret_key,
                aws_session_token=identity.token,
                config=Config(retries={"total_max_attempts": 1}, max_pool_connections=80),
            )
        return self.clients[service, identity]

    def environment(self, identity: Identity = ROOT_USER) -> dict[str, str]:
        """Return the environment variables for the endpoint, the region and *identity*."""
        return {
            "AWS_ENDPOINT_URL": self.settings.http_url,
            "AWS_CA_BUNDLE": str(self.settings.ca_file),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            **identity.environment(),
        }

    @cached_property
    def iam(self) -> Any:
        """IAM's client."""
        return self.client("iam")

    def create_user(self, name: str, *policies: str) -> Identity:
        """Create a user with the *policies* of these ARNs, and return its key."""
        self.iam.create_user(UserName=name)
        for arn in policies:
            self.iam.attach_user_policy(UserName=name, PolicyArn=arn)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return Identity(key["AccessKeyId"], key["SecretAccessKey"])

    def create_role(
        self,
        name: str,
        *policies: str,
        tags: Mapping[str, str] | None = None,
        trust: Mapping[str, Any] = TRUST_ACCOUNT,
    ) -> str:
        """Create a role with the *policies* of these ARNs, and return its ARN."""
        response = self.iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=policy(trust),
            Tags=[{"Key": key, "Value": value} for key, value in (tags or {}).items()],
        )
        for policy_arn in policies:
            self.iam.attach_role_policy(RoleName=name, PolicyArn=policy_arn)
        arn: str = response["Role"]["Arn"]
        return arn

    def session(self, name: str, *policies: str, tags: Mapping[str, str] | None = None) -> Identity:
        """Create a role, assume it, and return the session's identity."""
        arn = self.create_role(name, *policies, tags=tags)
        sts = self.client("sts")
        session = sts.assume_role(RoleArn=arn, RoleSessionName="stack")["Credentials"]
        return Identity(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])

    def outputs(self, stack: str) -> dict[str, str]:
        """Return the outputs of a deployed *stack*."""
        (description,) = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        outputs = description.get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def detach_policy(self, policy: str) -> None:
        """Detach a policy from all roles and users."""
        entities = self.iam.list_entities_for_policy(PolicyArn=policy)
        for role in entities["PolicyRoles"]:
            self.iam.detach_role_policy(RoleName=role["RoleName"], PolicyArn=policy)
        for user in entities["PolicyUsers"]:
            self.iam.detach_user_policy(UserName=user["UserName"], PolicyArn=policy)
