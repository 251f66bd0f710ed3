"""AWS in memory, as far as the broker asks it: what a unit test needs, without a server.

The clients stand for boto3's. They refuse what the services refuse, and any other table or key.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ReadTimeoutError

from tests.protocol.simulation.table import Table, client_error, place_of
from token_broker.sealing import Sealer
from token_broker.secrets_manager import Secrets
from token_broker.store import Store

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

TABLE_NAME = "tokens"
KEY_ID = "alias/tokens"
PREFIX = "token-broker/test/"
LARGEST_PLAIN = 4096
SEAL_BYTES = 32


@dataclass
class MemoryDynamoDB:
    """The table's client."""

    table: Table
    lose_answer: bool = False
    """The next write is done, but its answer does not arrive."""
    break_before: bool = False
    """The next write is not done, and no answer arrives."""
    repeat: bool = False
    """The next write is sent twice, as boto3 does when the first answer is lost."""
    before_write: Callable[[], None] | None = None
    """What another caller does between the read and the next write."""
    reads: int = 0
    items_read: int = 0
    writes: int = 0
    pages: int = 0

    def get_item(self, **request: Any) -> dict[str, Any]:
        """Return an item."""
        self.reads += 1
        self.items_read += 1
        assert request["TableName"] == TABLE_NAME
        assert request["ConsistentRead"] is True
        found = self.table.get(place_of(request["Key"]))
        return {"Item": dict(found)} if found else {}

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        """Return several items, in no order."""
        keys = request["RequestItems"][TABLE_NAME]
        self.reads += 1
        self.items_read += len(keys["Keys"])
        assert keys["ConsistentRead"] is True
        found = [self.table.get(place_of(key)) for key in keys["Keys"]]
        return {"Responses": {TABLE_NAME: [dict(record) for record in reversed(found) if record]}}

    def query(self, **request: Any) -> dict[str, Any]:
        """Return a page of a partition's items."""
        assert request["TableName"] == TABLE_NAME
        assert request["ConsistentRead"] is True
        assert request["KeyConditionExpression"] == "#connection = :connection"
        assert request["ExpressionAttributeNames"] == {"#connection": "connection"}
        self.pages += 1
        connection = request["ExpressionAttributeValues"][":connection"]["S"]
        start = request.get("ExclusiveStartKey", {}).get("variant", {}).get("S", "")
        items, last = self.table.query(connection, start)
        key = {"connection": {"S": connection}, "variant": {"S": last}}
        return {"Items": [dict(i) for i in items]} | ({"LastEvaluatedKey": key} if last else {})

    def update_item(self, **request: Any) -> dict[str, Any]:
        """Change an item."""
        assert request["TableName"] == TABLE_NAME
        assert request["ReturnValues"] == "ALL_NEW"
        assert request.get("ConditionExpression") != "", "AWS refuses an empty expression"
        self.writes += 1
        if self.before_write:
            self.before_write()
        if self.break_before:
            raise timeout()
        if self.repeat:
            self.table.update(request)
        after = self.table.update(request)
        if self.lose_answer:
            raise timeout()
        return {"Attributes": dict(after)}


def timeout() -> ReadTimeoutError:
    """Return what boto3 raises when no answer arrives."""
    return ReadTimeoutError(endpoint_url="https://dynamodb")


@dataclass
class MemoryKms:
    """The key's client: a sealed text begins with the digest of its encryption context."""

    contexts: list[Mapping[str, str]] = field(default_factory=list)
    opened: int = 0

    def encrypt(self, **request: Any) -> dict[str, Any]:
        """Seal a text of up to 4,096 bytes."""
        assert request["KeyId"] == KEY_ID
        self.contexts.append(request["EncryptionContext"])
        if len(request["Plaintext"]) > LARGEST_PLAIN:
            raise client_error("ValidationException", "Encrypt")
        return {"CiphertextBlob": _seal(request["EncryptionContext"]) + request["Plaintext"]}

    def decrypt(self, **request: Any) -> dict[str, Any]:
        """Open what was sealed under this encryption context."""
        self.opened += 1
        assert request["KeyId"] == KEY_ID
        blob = request["CiphertextBlob"]
        if blob[:SEAL_BYTES] != _seal(request["EncryptionContext"]):
            raise client_error("InvalidCiphertextException", "Decrypt")
        return {"Plaintext": blob[SEAL_BYTES:]}


def _seal(context: Mapping[str, str]) -> bytes:
    return hashlib.sha256(json.dumps(dict(context), sort_keys=True).encode()).digest()


@dataclass
class MemorySecrets:
    """The client of Secrets Manager: for each secret the texts of its versions, the last in use."""

    texts: dict[str, list[str | None]] = field(default_factory=dict)
    created_at: float = 1_800_000_000.9
    calls: list[str] = field(default_factory=list)
    late: bool = False
    """A replica that does not know the last version yet."""
    deleted: bool = False
    """Each secret is scheduled for deletion."""

    def put(self, name: str, content: object) -> str:
        """Make *content* the version in use, and return its id."""
        self.texts.setdefault(PREFIX + name, []).append(json.dumps(content))
        return f"v{len(self.texts[PREFIX + name])}"

    def get_secret_value(self, **request: Any) -> dict[str, Any]:
        """Return a version by its id, or by its stage."""
        self.calls.append("get_secret_value")
        stages = self._stages(request["SecretId"], "GetSecretValue")
        if self.deleted:
            raise client_error("InvalidRequestException", "GetSecretValue")
        if self.late:
            stages.pop(f"v{len(stages)}", None)
        if "VersionId" in request:
            found = [request["VersionId"]] if request["VersionId"] in stages else []
        else:
            found = [v for v, names in stages.items() if request["VersionStage"] in names]
        if not found:
            raise client_error("ResourceNotFoundException", "GetSecretValue")
        text = self.texts[request["SecretId"]][int(found[0][1:]) - 1]
        return {
            "VersionId": found[0],
            "CreatedDate": datetime.fromtimestamp(self.created_at, UTC),
            **({"VersionStages": stages[found[0]]} if stages[found[0]] else {}),
            **({} if text is None else {"SecretString": text}),
        }

    def describe_secret(self, **request: Any) -> dict[str, Any]:
        """Return the stages of the versions."""
        self.calls.append("describe_secret")
        at = {"DeletedDate": datetime.fromtimestamp(self.created_at, UTC)} if self.deleted else {}
        return {"VersionIdsToStages": self._stages(request["SecretId"], "DescribeSecret")} | at

    def _stages(self, name: str, operation: str) -> dict[str, Sequence[str]]:
        if name not in self.texts:
            raise client_error("ResourceNotFoundException", operation)
        count = len(self.texts[name])
        stages: dict[str, Sequence[str]] = {f"v{number}": [] for number in range(1, count + 1)}
        stages[f"v{count - 1}"] = ["AWSPREVIOUS"]
        stages[f"v{count}"] = ["AWSCURRENT"]
        stages.pop("v0", None)
        return stages


@dataclass
class MemoryAws:
    """The shipped parts that speak to AWS, over services in memory."""

    page: int = 1000
    table: Table = field(init=False)
    dynamodb: MemoryDynamoDB = field(init=False)
    kms: MemoryKms = field(default_factory=MemoryKms)
    manager: MemorySecrets = field(default_factory=MemorySecrets)
    store: Store = field(init=False)
    sealer: Sealer = field(init=False)
    secrets: Secrets = field(init=False)

    def __post_init__(self) -> None:
        self.table = Table(page=self.page)
        self.dynamodb = MemoryDynamoDB(self.table)
        dynamodb = cast("DynamoDBClient", self.dynamodb)
        kms = cast("KMSClient", self.kms)
        self.store = Store(TABLE_NAME, lambda: dynamodb)
        self.sealer = Sealer(TABLE_NAME, KEY_ID, lambda: kms)
        self.secrets = Secrets(PREFIX, lambda: cast("SecretsManagerClient", self.manager))
