"""Concurrent conditional writes to moto: one succeeds."""

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.local.callers import client
from tests.waiting import PATIENCE_SECONDS
from token_broker_local import provisions, services
from token_broker_local.addresses import TABLE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RACERS = 8
ROUNDS = 10


@pytest.fixture
def eager() -> Iterator[None]:
    """Let Python switch threads a thousand times as often, to provoke races."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 1000)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture
def dynamodb() -> Iterator["DynamoDBClient"]:
    """A table of moto's, served over HTTP."""
    with mock_aws(), services.serving(0, lambda _: None) as port:
        yield client("dynamodb", f"http://127.0.0.1:{port}")


@pytest.mark.usefixtures("eager")
def test_one_of_several_concurrent_conditional_writes_succeeds(dynamodb: "DynamoDBClient") -> None:
    """Without the lock, several conditional `UpdateItem`s of moto succeed in some rounds."""
    provisions.create_table(dynamodb)
    with ThreadPoolExecutor(RACERS) as pool:
        for number in range(ROUNDS):
            barrier = threading.Barrier(RACERS)
            races = [pool.submit(won, dynamodb, number, barrier) for _ in range(RACERS)]
            assert sum(race.result() for race in races) == 1


def won(dynamodb: "DynamoDBClient", number: int, barrier: threading.Barrier) -> bool:
    """Try to be the first to write item *number*, and say whether it worked."""
    barrier.wait()
    try:
        dynamodb.update_item(
            TableName=TABLE,
            Key={"connection": {"S": f"vntana#{number}"}, "variant": {"S": "-"}},
            UpdateExpression="SET fence = :one",
            ConditionExpression="attribute_not_exists(fence)",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
    except ClientError as error:
        return error.response["Error"]["Code"] != "ConditionalCheckFailedException"
    return True


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Host": ""}]
)
def test_a_page_of_a_browser_reads_nothing(
    dynamodb: "DynamoDBClient", headers: dict[str, str]
) -> None:
    """Moto itself asks for no signature, and lets the pages of every site read its answers.

    A page sends its `Origin`; one whose name was made to lead to this machine, that name.
    """
    url = urlsplit(dynamodb.meta.endpoint_url)
    for name, status in ((None, 200), ("page", 403)):
        connection = HTTPConnection(url.netloc, timeout=PATIENCE_SECONDS)
        connection.request("GET", "/moto-api/data.json", headers=headers if name else {})
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (status, not name)
        assert name is None or answer.headers["Access-Control-Allow-Origin"] is None
        connection.close()


def test_a_client_that_sends_its_body_slowly_delays_no_other() -> None:
    """Another request is answered while its body is read."""
    service = services.Atomic(lambda environ, _: [environ["wsgi.input"].read()])
    with ThreadPoolExecutor(1) as pool:

        class Slow(BytesIO):
            def read(self, *size: Any) -> bytes:
                other = pool.submit(called, service, BytesIO(b"other"))
                assert other.result(PATIENCE_SECONDS) == [b"other"]
                return super().read(*size)

        assert called(service, Slow(b"slow")) == [b"slow"]


def called(service: services.Atomic, body: BytesIO) -> list[bytes]:
    """Return the answer to *body*."""
    environ = {"CONTENT_LENGTH": str(len(body.getvalue())), "wsgi.input": body}
    return [*service(environ, lambda *_: lambda _: None)]
