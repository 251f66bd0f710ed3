"""The simulation's table behaves as moto's, request by request."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws
from mypy_boto3_dynamodb import DynamoDBClient

from tests.protocol.simulation.table import Table
from token_broker.conditional_writes import update_parameters

NAMES = st.sampled_from(["fence", "generation", "token", "lease_owner", "failure", "report_times"])
VALUES = st.one_of(
    st.integers(0, 3),
    st.sampled_from(["a", "b"]),
    st.binary(min_size=1, max_size=2),
    st.just(()),
    st.tuples(st.integers(0, 2)),
    st.dictionaries(st.sampled_from(["code", "since"]), st.integers(0, 2)),
)
KEY = {"connection": {"S": "flow#acme"}, "variant": {"S": "-"}}


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[DynamoDBClient]:
    """An empty table of moto's."""
    with mock_aws():
        client = boto3.client(
            "dynamodb", "eu-west-1", aws_access_key_id="local", aws_secret_access_key="local"
        )
        client.create_table(
            TableName="table",
            KeySchema=[
                {"AttributeName": "connection", "KeyType": "HASH"},
                {"AttributeName": "variant", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("connection", "variant")
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        yield client


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """An UpdateItem as the store writes them: all its expressions are made by one function."""
    changes = draw(st.dictionaries(NAMES, VALUES, max_size=3))
    others = NAMES.filter(lambda name: name not in changes)
    removed = draw(st.lists(others, unique=True, min_size=0 if changes else 1))
    seen = draw(st.dictionaries(NAMES, st.none() | VALUES.map(attribute_of), max_size=2))
    changes |= dict.fromkeys(removed)
    return update_parameters(changes, seen) | {"Key": KEY, "ReturnValues": "ALL_NEW"}


def attribute_of(value: object) -> Any:
    """Return a value as the store compares with it."""
    expressions = update_parameters({"any": value}, {})
    return expressions["ExpressionAttributeValues"][":any"]


@given(st.lists(requests(), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_writes_have_the_same_effect_as_in_moto(
    dynamodb: DynamoDBClient, writes: list[dict[str, Any]]
) -> None:
    """The same result, error code and attributes."""
    dynamodb.delete_item(TableName="table", Key=KEY)
    table = Table()
    for write in writes:
        assert outcome(lambda write=write: table.update(write)) == outcome(
            lambda write=write: dynamodb.update_item(TableName="table", **write)["Attributes"]
        )
    found = dynamodb.get_item(TableName="table", Key=KEY, ConsistentRead=True)
    assert found.get("Item") == table.get(("flow#acme", "-"))


def test_an_unused_placeholder_is_an_error(dynamodb: DynamoDBClient) -> None:
    """As in DynamoDB, so that the simulation detects it."""
    write = update_parameters({"fence": 1}, {})
    write["ExpressionAttributeNames"] |= {"#unused": "unused"}
    request = write | {"Key": KEY, "ReturnValues": "ALL_NEW"}

    ours = outcome(lambda: Table().update(request))
    expected = outcome(lambda: dynamodb.update_item(TableName="table", **request))
    assert ours == expected == "ValidationException"


def outcome(act: Any) -> Any:
    """Return what *act* returns, or its error's code."""
    try:
        return act()
    except ClientError as error:
        return error.response["Error"]["Code"]
