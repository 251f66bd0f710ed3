"""Creates the functions' resources: a table, a key, and the secrets of the demo."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from token_broker_fakes import registry
from token_broker_local.addresses import FLOWS, KEY_ALIAS, TABLE, Addresses, secret_name

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

DEMO = "demo"


def provide_table(dynamodb: "DynamoDBClient") -> None:
    """Create the table as in the template, with time to live."""
    create_table(dynamodb)
    dynamodb.update_time_to_live(
        TableName=TABLE, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"}
    )


def create_table(dynamodb: "DynamoDBClient") -> None:
    """Create the table on any database with DynamoDB's API."""
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "connection", "KeyType": "HASH"},
            {"AttributeName": "variant", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "connection", "AttributeType": "S"},
            {"AttributeName": "variant", "AttributeType": "S"},
        ],
    )


def create_key(kms: "KMSClient") -> None:
    """Create the key that seals the tokens."""
    key = kms.create_key(Description="Seals the broker's tokens")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=KEY_ALIAS, TargetKeyId=key)


def create_secrets(
    secrets: "SecretsManagerClient", documents: Mapping[str, Mapping[str, Any]]
) -> None:
    """Create the secret of each flow's demo connection from its document."""
    for flow, document in documents.items():
        secrets.create_secret(Name=secret_name(flow, DEMO), SecretString=json.dumps(document))


def demo_secrets(addresses: Addresses) -> Mapping[str, Mapping[str, Any]]:
    """Return the content of each flow's demo secret."""
    return {flow: registry.kind(flow).demo_secret(addresses.url(flow)) for flow in FLOWS}
