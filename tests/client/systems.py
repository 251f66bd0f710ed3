"""The local system, as the tests of its callers use it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import boto3

from token_broker_local.places import ACCESS_KEY, REGION, SECRET_KEY, Places, secret_name

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

numbers = count(1)


@dataclass(frozen=True, slots=True)
class System:
    """A system that runs; each test has connections of its own, to vendors of its own."""

    places: Places

    @property
    def url(self) -> str:
        """Where the API is, and Lambda."""
        return self.places.url("gateway")

    def connect(self, flow: str, document: Mapping[str, Any]) -> str:
        """Make a connection by this secret; return its name."""
        name = f"test-{next(numbers)}"
        self.secrets.create_secret(Name=secret_name(flow, name), SecretString=json.dumps(document))
        return name

    def rotate(self, flow: str, name: str, document: Mapping[str, Any]) -> None:
        """Change the secret of a connection."""
        self.secrets.put_secret_value(
            SecretId=secret_name(flow, name), SecretString=json.dumps(document)
        )

    @property
    def secrets(self) -> "SecretsManagerClient":
        """Secrets Manager."""
        return boto3.client(
            "secretsmanager",
            region_name=REGION,
            endpoint_url=self.places.url("services"),
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
