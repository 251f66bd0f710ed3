"""Calls to AWS by the fast client, by boto3, and by boto3 after the fast client.

Each gives the same value or error, tested with moto, and with a server with given
responses.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from tests.servers import Server, answer, sends
from tests.sharing import new_clients
from tests.waiting import wait_for_aws_as_ever
from token_broker.aws import clients, errors
from token_broker.aws.clients import FastFirst, call
from token_broker.aws.fast_client import FastClient, fast_client
from token_broker.aws.operations import OPERATIONS, AwsRefusal
from token_broker.errors import BrokerError, StoreUnavailable
from token_broker.sealing import Sealer
from token_broker.store import Store

TABLE = "tokens"
"""Not the broker's: moto's tables are one for all servers of this process."""
LARGEST_SEALED = 6144
"""KMS's own limit of a ciphertext."""
ACME = "vntana#acme"
CONTEXT = {"table": TABLE, "connection": ACME, "variant": "-", "generation": "7"}

KEY = {"connection": {"S": ACME}, "variant": {"S": "-"}}

ITEMS: dict[str, dict[str, Any]] = {
    "keys only": {},
    "a token": {
        "schema": {"N": "1"},
        "token": {"B": bytes(range(256)) * 8},
        "generation": {"N": "7"},
        "fingerprint": {"S": "0123456789abcdef"},
        "expires_at": {"N": "1790000000"},
        "context": {"S": '{"organization":"é\\u0000"}'},
        "ttl": {"N": "1790600000"},
    },
    "all types": {
        "B": {"B": b"\x00"},
        "BS": {"BS": [b"a", b"\xff"]},
        "SS": {"SS": ["a", "b"]},
        "NS": {"NS": ["1", "2.5"]},
        "M": {"M": {"L": {"L": [{"B": b"deep"}, {"M": {}}, {"L": []}]}}},
        "BOOL": {"BOOL": False},
        "NULL": {"NULL": True},
    },
}


UPDATE: dict[str, Any] = {
    "TableName": TABLE,
    "Key": KEY,
    "UpdateExpression": "SET #a = :a, #token = :token REMOVE #gone",
    "ExpressionAttributeNames": {"#a": "a", "#token": "token", "#gone": "ttl", "#n": "generation"},
    "ExpressionAttributeValues": {":a": {"S": "é"}, ":token": {"B": b"\xff"}, ":n": {"N": "7"}},
    "ConditionExpression": "#n = :n",
    "ReturnValues": "ALL_NEW",
}
PARAMETERS: dict[str, dict[str, Any]] = {
    "get_item": {"TableName": TABLE, "Key": KEY},
    "batch_get_item": {"RequestItems": {TABLE: {"Keys": [KEY]}}},
    "query": {
        "TableName": TABLE,
        "KeyConditionExpression": "#connection = :connection",
        "ExpressionAttributeNames": {"#connection": "connection"},
        "ExpressionAttributeValues": {":connection": {"S": ACME}},
    },
    "update_item": UPDATE,
    "encrypt": {"KeyId": "key", "Plaintext": b"clear"},
    "decrypt": {"KeyId": "key", "CiphertextBlob": b"sealed"},
    "get_secret_value": {"SecretId": "name"},
    "describe_secret": {"SecretId": "name"},
    "put_events": {"Entries": [{"Detail": "{}"}]},
    "invoke": {"FunctionName": "arn:aws:lambda:f", "InvocationType": "Event", "Payload": b"{}"},
}
"""What each operation is asked, by boto3's names."""


class Reader:
    """What is read of the table by the store, and of KMS by the sealer."""

    def __init__(self, key_id: str, dynamodb: clients.Client, kms: clients.Client) -> None:
        self._store, self._sealer = Store(TABLE, dynamodb), Sealer(TABLE, key_id, kms)

    def items(self, connection: str, *variants: str) -> list[Any]:
        """Return the attributes of each of *variants*."""
        records = self._store._records(connection, variants)
        return [records.get(variant) for variant in variants]

    def decrypt(self, blob: bytes, context: dict[str, str]) -> bytes | None:
        """Return *blob* decrypted."""
        return self._sealer._decrypt(blob, context)


class Aws:
    """A table and a key, and readers of them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.dynamodb, self.kms = clients.dynamodb(), clients.kms()

    def make(self) -> None:
        self.key_id = self.kms.create_key()["KeyMetadata"]["KeyId"]
        self.dynamodb.create_table(
            TableName=TABLE,
            AttributeDefinitions=[
                {"AttributeName": "connection", "AttributeType": "S"},
                {"AttributeName": "variant", "AttributeType": "S"},
            ],
            KeySchema=[
                {"AttributeName": "connection", "KeyType": "HASH"},
                {"AttributeName": "variant", "KeyType": "RANGE"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )

    def put(self, variant: str, item: dict[str, Any]) -> dict[str, Any]:
        whole = {"connection": {"S": ACME}, "variant": {"S": variant}} | item
        self.dynamodb.put_item(TableName=TABLE, Item=whole)
        return whole

    def seal(self, clear: bytes) -> bytes:
        answer = self.kms.encrypt(KeyId=self.key_id, Plaintext=clear, EncryptionContext=CONTEXT)
        sealed: bytes = answer["CiphertextBlob"]
        return sealed

    def reader(self) -> Reader:
        return Reader(self.key_id, lambda: self.dynamodb, lambda: self.kms)


def refuse() -> Any:
    """Stand for boto3 where it must not be asked."""
    raise AssertionError("a client was made")


def variables(url: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }


@contextmanager
def pointed_at(url: str) -> Iterator[Aws]:
    """Make boto3's clients for *url*: that takes a second, so tests share them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables(url).items():
            patch.setenv(name, value)
        with new_clients():
            aws = Aws(url)
            yield aws


@contextmanager
def quick(url: str) -> Iterator[FastClient]:
    fast = fast_client(variables(url))
    assert fast
    yield fast
    fast.close()


@pytest.fixture(scope="module")
def moto() -> Iterator[Aws]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pointed_at(f"http://{host}:{port}") as aws:
        yield aws
    server.stop()


@pytest.fixture
def aws(moto: Aws) -> Iterator[Aws]:
    moto.make()
    yield moto
    moto.dynamodb.delete_table(TableName=TABLE)


@pytest.fixture
def fast(aws: Aws) -> Iterator[FastClient]:
    with quick(aws.url) as fast:
        yield fast


@pytest.fixture
def faulty() -> Iterator[Server]:
    """Return an AWS with a given response, at first an outage."""
    server = Server(sends(answer(b"{}", status="503 Slow Down")))
    yield server
    server.close()


@pytest.fixture
def fallback(faulty: Server) -> Iterator[FastClient]:
    """Return a fast client that never succeeds, while boto3 does."""
    with quick(faulty.url) as fast:
        yield fast


@pytest.fixture(params=["fast", "boto3", "fallback"])
def reader(aws: Aws, request: pytest.FixtureRequest) -> Reader:
    """Return a reader that never makes a client of boto3, has no other one, or falls back to it."""
    if request.param == "boto3":
        return aws.reader()
    client: FastClient = request.getfixturevalue(request.param)
    if request.param == "fast":
        return Reader(aws.key_id, FastFirst(refuse, client), FastFirst(refuse, client))
    dynamodb, kms = FastFirst(lambda: aws.dynamodb, client), FastFirst(lambda: aws.kms, client)
    return Reader(aws.key_id, dynamodb, kms)


# The same whichever way it is read


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_is_read_as_it_was_written(aws: Aws, reader: Reader, name: str) -> None:
    item = aws.put("-", ITEMS[name])
    assert reader.items(ACME, "-") == [item]
    assert reader.items(ACME, "-", "-") == [item, item]


def test_several_items_are_read_by_one_request(aws: Aws, reader: Reader) -> None:
    """In the order of the request; None for a missing one."""
    first, second = aws.put("-", ITEMS["a token"]), aws.put("ab", ITEMS["all types"])
    assert reader.items(ACME, "ab", "none", "-", "ab") == [second, None, first, second]
    assert reader.items("vntana#nobody", "-") == [None]


def test_a_sealed_token_is_decrypted(aws: Aws, reader: Reader) -> None:
    clear = bytes(range(256)) * 8
    assert reader.decrypt(aws.seal(clear), CONTEXT) == clear


@pytest.mark.parametrize("blob", [b"", b"x", b"x" * LARGEST_SEALED, b"x" * (LARGEST_SEALED + 1)])
def test_an_invalid_ciphertext_does_not_open(reader: Reader, blob: bytes) -> None:
    assert reader.decrypt(blob, CONTEXT) is None


def test_a_ciphertext_of_another_context_does_not_open(aws: Aws, reader: Reader) -> None:
    assert reader.decrypt(aws.seal(b"x"), CONTEXT | {"connection": "vntana#other"}) is None


@pytest.mark.parametrize("name", ["a token", "keys only"])
def test_fast_client_and_boto3_write_the_same(aws: Aws, fast: FastClient, name: str) -> None:
    """A failed condition is None."""
    answers = []
    for client in (FastFirst(refuse, fast), lambda: aws.dynamodb):
        aws.put("-", ITEMS[name])
        answer = call(client, "update_item", **UPDATE)
        answers.append((answer and answer["Attributes"], aws.reader().items(ACME, "-")))
    assert answers[0] == answers[1]
    assert (answers[0][0] is None) is (name == "keys only")


def test_fast_client_and_boto3_read_the_same_pages(aws: Aws, fast: FastClient) -> None:
    """Each page starts after the previous one."""
    for number, name in enumerate([*ITEMS, *ITEMS]):
        aws.put(str(number), ITEMS[name])
    pages: list[list[Any]] = []
    for client in (FastFirst(refuse, fast), lambda: aws.dynamodb):
        start: dict[str, Any] = {}
        pages.append([])
        while not pages[-1] or start:
            found = call(client, "query", Limit=4, **PARAMETERS["query"], **start)
            pages[-1].append(without_metadata(found))
            more = found.get("LastEvaluatedKey")
            start = {"ExclusiveStartKey": more} if more else {}
    assert pages[0] == pages[1]
    assert len(pages[0]) == 2


def test_fast_client_and_boto3_encrypt_the_same(aws: Aws, fast: FastClient) -> None:
    parameters = {"KeyId": aws.key_id, "Plaintext": b"\xff", "EncryptionContext": CONTEXT}
    quickly = call(FastFirst(refuse, fast), "encrypt", **parameters)
    by_boto3 = call(lambda: aws.kms, "encrypt", **parameters)
    for found in (quickly, by_boto3):
        assert aws.reader().decrypt(found.pop("CiphertextBlob"), CONTEXT) == b"\xff"
    assert quickly == without_metadata(by_boto3)


@pytest.mark.usefixtures("moto")
def test_fast_client_and_boto3_read_the_same_secret_versions(fast: FastClient) -> None:
    """A missing secret is None."""
    secrets = clients.secrets_manager()
    first = secrets.create_secret(Name="name", SecretString='{"a":"é"}')["VersionId"]
    requests: list[dict[str, str]] = [
        {"SecretId": "name", "VersionStage": "AWSPREVIOUS"},
        {"SecretId": "name", "VersionStage": "AWSCURRENT"},
        {"SecretId": "name", "VersionId": first},
        {"SecretId": "none", "VersionStage": "AWSCURRENT"},
    ]
    quickly = [call(FastFirst(refuse, fast), "get_secret_value", **each) for each in requests]
    by_boto3 = [call(lambda: secrets, "get_secret_value", **each) for each in requests]
    assert quickly == [without_metadata(answer) for answer in by_boto3]
    assert [answer is None for answer in quickly] == [True, False, False, True]
    for name in ("name", "none"):
        described = call(FastFirst(refuse, fast), "describe_secret", SecretId=name)
        by_it = call(lambda: secrets, "describe_secret", SecretId=name)
        known = without_metadata(by_it) or {}  # moto says one thing more, which boto3 drops
        assert {member: (described or {})[member] for member in known} == known
        assert (described is None) is (by_it is None) is (name == "none")
    secrets.delete_secret(SecretId="name", ForceDeleteWithoutRecovery=True)


@pytest.mark.usefixtures("moto")
def test_fast_client_and_boto3_put_the_same_events(fast: FastClient) -> None:
    entry = {"Source": "s", "DetailType": "t", "Detail": "{}", "EventBusName": "default"}
    answers = [
        call(client, "put_events", Entries=[entry])
        for client in (FastFirst(refuse, fast), clients.events)
    ]
    assert [answer["FailedEntryCount"] for answer in answers] == [0, 0]
    assert [list(answer["Entries"][0]) for answer in answers] == [["EventId"], ["EventId"]]


def without_metadata(answer: dict[str, Any] | None) -> dict[str, Any] | None:
    return answer and {n: value for n, value in answer.items() if n != "ResponseMetadata"}


def test_a_write_with_a_lost_response_is_repeated_by_boto3(
    aws: Aws, faulty: Server, fallback: FastClient
) -> None:
    """If it was done, its condition fails, and a read decides, as for retries of boto3."""
    faulty.behaviour = sends(end=True)
    aws.put("-", ITEMS["a token"])
    assert call(FastFirst(lambda: aws.dynamodb, fallback), "update_item", **UPDATE)
    assert len(faulty.requests) == 1


ODD: list[tuple[str, dict[str, Any]]] = [
    ("get_item", {"Item": []}),
    ("get_item", {"Item": KEY | {"a": "text"}}),
    ("get_item", {"Item": KEY | {"a": {"S": "b", "N": "1"}}}),
    ("get_item", {"Item": KEY | {"a": {}}}),
    ("get_item", {"Item": KEY | {"a": {"X": "b"}}}),
    ("get_item", {"Item": KEY | {"a": {"B": "eA==!"}}}),
    ("get_item", {"Item": KEY | {"a": {"BS": ["eA==", "eA==!"]}}}),
    ("get_item", {"Item": KEY | {"a": {"B": 1}}}),
    ("get_item", {"Item": {"connection": {"S": ACME}}}),
    ("get_item", {"message": "hello"}),
    ("batch_get_item", {"Responses": []}),
    ("batch_get_item", {"Responses": {TABLE: [{"variant": {"S": "other"}}]}}),
    ("batch_get_item", {"Responses": {TABLE: []}, "UnprocessedKeys": {TABLE: {"Keys": []}}}),
    ("query", {"Items": [], "Count": 1}),
    ("query", {"Items": [{"a": "text"}], "Count": 1}),
    ("query", {"Items": [], "Count": 0, "LastEvaluatedKey": []}),
    ("describe_secret", {"Name": "name"}),
    ("describe_secret", {"VersionIdsToStages": {}, "CreatedDate": "now"}),
    ("update_item", {}),
    ("update_item", {"Attributes": {}}),
    ("decrypt", {"Plaintext": "eA==!"}),
    ("decrypt", {"Plaintext": None}),
    ("encrypt", {"CiphertextBlob": "eA==!"}),
    ("get_secret_value", {"SecretBinary": "eA==", "VersionId": "v", "CreatedDate": 1}),
    ("get_secret_value", {"SecretString": "{}", "VersionId": 1, "CreatedDate": 1}),
    ("get_secret_value", {"SecretString": "{}", "VersionId": "v", "CreatedDate": "now"}),
    ("get_secret_value", {"SecretString": "{}", "VersionId": "v", "CreatedDate": 1e99}),
]


@pytest.mark.parametrize(("operation", "response"), ODD, ids=json.dumps)
def test_a_malformed_response_falls_back_to_boto3(
    faulty: Server, fallback: FastClient, operation: str, response: dict[str, Any]
) -> None:
    """It is taken neither for an item nor for a missing one."""
    faulty.behaviour = sends(answer(json.dumps(response).encode()))
    assert fallback.call(operation, PARAMETERS[operation]) is None
    assert len(faulty.requests) == 1


def test_a_member_that_is_null_is_left_out_as_by_boto3(
    faulty: Server, fallback: FastClient
) -> None:
    """A version of a secret without a stage is one to use no more, and no defect."""
    told = {"SecretString": "{}", "VersionId": "v", "CreatedDate": 1}
    faulty.behaviour = sends(answer(json.dumps(told | {"VersionStages": None}).encode()))
    found = fallback.call("get_secret_value", PARAMETERS["get_secret_value"])
    assert isinstance(found, dict)
    assert found.keys() == told.keys()


# Errors


@pytest.fixture(scope="module")
def broken() -> Iterator[Server]:
    """Return an AWS with a given response, at which the clients of boto3 are pointed."""
    server = Server(sends())
    with pointed_at(server.url):
        yield server
    server.close()


NONSENSE = b"nonsense\r\n\r\n"
BODIES = (b"[]", b'{"__type": 7}', b"\xff", b"[" * 9999)
UNREADABLE = [NONSENSE, *(answer(body, status="400 X") for body in BODIES)]
"""Errors that boto3's parsers cannot read."""
MESSAGES = ("c4nary", "User: arn:c4nary is not authorized to perform: kms:Decrypt")


def refusal(code: str, message: str = MESSAGES[1]) -> bytes:
    """Return an error as services of either protocol say it."""
    body = json.dumps({"__type": f"com.amazonaws#{code}", "message": message}).encode()
    lines = "Content-Type: application/x-amz-json-1.0", f"x-amzn-ErrorType: {code}:http://internal"
    return answer(body, *lines, status="400 Bad Request")


CODES = sorted(
    {
        *errors.WRONG_SETTINGS,
        *errors.WRONG_SIGNATURES,
        *(code for codes in errors.EXPECTED.values() for code in codes),
        errors.RECURSION,
        "ThrottlingException",
        "TransactionConflictException",
        "ValidationException",
    }
)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_fast_client_and_boto3_report_the_same_error(
    broken: Server, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """boto3 is called only after errors that a retry or boto3's parser may change.

    The error has neither AWS's message, which may quote secrets, nor boto3's error as its context.
    """
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    boto3 = getattr(clients, BY_SERVICE[OPERATIONS[operation].service])
    kinds = [AwsRefusal(code, message) for code in CODES for message in MESSAGES]
    raws = {refusal(*kind): errors.is_final(kind, operation) for kind in kinds}
    raws |= dict.fromkeys([answer(b"", status="503 X"), *UNREADABLE], False)
    for raw, is_final in raws.items():
        broken.behaviour = sends(raw, end=raw == NONSENSE)
        by_boto3 = outcome(boto3, operation)
        assert "c4nary" not in f"{by_boto3}"
        assert by_boto3 is None or by_boto3[-1] is None, raw
        with quick(broken.url) as fast:
            assert outcome(FastFirst(boto3, fast), operation) == by_boto3, raw
            assert (fast.call(operation, PARAMETERS[operation]) is not None) is is_final, raw


BY_SERVICE = {
    "dynamodb": "dynamodb",
    "kms": "kms",
    "secretsmanager": "secrets_manager",
    "lambda": "functions",
    "events": "events",
}


def outcome(client: Callable[[], Any], operation: str) -> tuple[object, ...] | None:
    """Return None for an expected error, else the error with its message and context."""
    try:
        answer = call(client, operation, **PARAMETERS[operation])
    except BrokerError as error:
        return type(error), error.detail, error.retry_after, error.__context__
    assert answer is None
    return None


@pytest.mark.parametrize("operation", ["get_item", "decrypt", "invoke"])
def test_boto3_pauses_for_a_second_at_most(
    broken: Server, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """Whatever AWS asks for: the worst case of a call has no longer pause."""
    pauses = list[float]()
    wait_for_aws_as_ever(monkeypatch.setattr)
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=pauses.append))
    throttled = b'{"__type": "ThrottlingException"}'
    broken.behaviour = sends(answer(throttled, "x-amz-retry-after: 5000", status="429 X"))
    with pytest.raises(StoreUnavailable):
        call(
            getattr(clients, BY_SERVICE[OPERATIONS[operation].service]),
            operation,
            **PARAMETERS[operation],
        )
    assert len(pauses) == 1
    assert pauses[0] <= clients.PAUSE_SECONDS


def test_unprocessed_keys_are_an_outage_of_the_table(broken: Server) -> None:
    """An unprocessed key is not taken for a missing item."""
    key = {"connection": {"S": ACME}, "variant": {"S": "ab"}}
    body = {"Responses": {TABLE: []}, "UnprocessedKeys": {TABLE: {"Keys": [key]}}}
    broken.behaviour = sends(answer(json.dumps(body).encode()))
    with pytest.raises(StoreUnavailable, match=r"^the table is busy$") as raised:
        Store(TABLE, clients.dynamodb).read_all(ACME, "-", "ab")
    assert raised.value.retry_after == 1


def test_clients_are_created_once_with_short_timeouts(
    moto: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller is waiting."""
    wait_for_aws_as_ever(monkeypatch.setattr)
    with pointed_at(moto.url) as aws:
        assert clients.dynamodb() is aws.dynamodb
        made = (clients.secrets_manager(), clients.functions(), clients.events())
        for client in (*made, aws.kms):
            config: Any = client.meta.config
            waits = (0.5, 1.0) if client is made[-1] else (1, 2)
            assert (config.connect_timeout, config.read_timeout) == waits
            assert config.retries["total_max_attempts"] == 2
        for client in made:
            client.close()
