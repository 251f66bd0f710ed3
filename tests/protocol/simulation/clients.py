"""boto3's clients as far as the broker uses them, for services in memory."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.protocol.simulation.table import Table, client_error, place_of
from tests.protocol.simulation.wire import Wire

SEAL_BYTES = 32


class DynamoDB:
    """The operations on items."""

    def __init__(self, wire: Wire, table: Table) -> None:
        self._wire = wire
        self._table = table

    def get_item(self, **request: Any) -> dict[str, Any]:
        """Return an item. Fails an eventually consistent read."""
        place = place_of(request["Key"])

        def effect() -> dict[str, Any]:
            found = self._table.get(place, is_consistent=request.get("ConsistentRead", False))
            self._table.watch_reads(place, found)
            return {"Item": found} if found else {}

        return self._wire.carry("table", "GetItem", effect, place[1][:8])

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        ((name, keys),) = request["RequestItems"].items()
        places = [place_of(key) for key in keys["Keys"]]

        def effect() -> dict[str, Any]:
            found = [self._table.get(place, is_consistent=True) for place in places]
            for place, record in zip(places, found, strict=True):
                self._table.watch_reads(place, record)
            return {"Responses": {name: [record for record in found if record]}}

        return self._wire.carry("table", "BatchGetItem", effect)

    def query(self, **request: Any) -> dict[str, Any]:
        connection = request["ExpressionAttributeValues"][":connection"]["S"]
        start = request.get("ExclusiveStartKey", {"variant": {"S": ""}})["variant"]["S"]

        def effect() -> dict[str, Any]:
            items, last = self._table.query(connection, start)
            key = {"connection": {"S": connection}, "variant": {"S": last}}
            return {"Items": items} | ({"LastEvaluatedKey": key} if last else {})

        return self._wire.carry("table", "Query", effect)

    def update_item(self, **request: Any) -> dict[str, Any]:
        place = place_of(request["Key"])
        changes = request["UpdateExpression"]
        self._wire.current.is_claiming |= changes.startswith("SET #nudged_until")
        return self._wire.carry(
            "table",
            "UpdateItem",
            lambda: {"Attributes": self._table.update(request)},
            f"{place[1][:8]} {changes}",
        )

    def delete_item(self, **request: Any) -> dict[str, Any]:
        """Delete an item: only a planted bug does so."""
        place = place_of(request["Key"])
        return self._wire.carry("table", "DeleteItem", lambda: self._table.delete(place))


class Kms:
    """A KMS key that seals bytes with an encryption context."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def encrypt(self, **request: Any) -> dict[str, Any]:
        blob = seal_of(request["EncryptionContext"]) + request["Plaintext"]
        return self._wire.carry("key", "Encrypt", lambda: {"CiphertextBlob": blob})

    def decrypt(self, **request: Any) -> dict[str, Any]:
        """Open bytes that were sealed with this encryption context."""
        return self._wire.carry(
            "key",
            "Decrypt",
            lambda: {"Plaintext": opened(request["CiphertextBlob"], request["EncryptionContext"])},
        )


def seal_of(context: Mapping[str, str]) -> bytes:
    """Return the encoding of an encryption context in a sealed blob."""
    return hashlib.sha256(json.dumps(dict(context), sort_keys=True).encode()).digest()


def opened(blob: bytes, context: Mapping[str, str]) -> bytes:
    """Return the content of *blob*. Raises `ClientError` if it was not sealed with *context*."""
    if blob[:SEAL_BYTES] != seal_of(context):
        raise client_error("InvalidCiphertextException", "Decrypt")
    return blob[SEAL_BYTES:]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the secret."""

    id: str
    created_at: float
    content: Mapping[str, Any] = field(repr=False)


class Secrets:
    """Secrets Manager with one secret and its versions."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.versions: list[Version] = []
        """The last is AWSCURRENT, the one before it AWSPREVIOUS."""

    def put(self, content: Mapping[str, Any]) -> Version:
        """Make a new version the current one."""
        version = Version(f"v{len(self.versions) + 1}", self._wire.scheduler.now, content)
        self.versions.append(version)
        return version

    def get_secret_value(self, **request: Any) -> dict[str, Any]:
        """Return a version by its id, or by its stage."""
        named = request.get("VersionId") or request.get("VersionStage", "AWSCURRENT")
        return self._wire.carry("secrets", f"GetSecretValue {named}", lambda: self._value(named))

    def describe_secret(self, **request: Any) -> dict[str, Any]:
        del request
        return self._wire.carry("secrets", "DescribeSecret", self._stages)

    def _value(self, named: str) -> dict[str, Any]:
        staged = {"AWSCURRENT": self.versions[-1:], "AWSPREVIOUS": self.versions[-2:-1]}
        found = staged.get(named, [one for one in self.versions if one.id == named])
        if not found:
            raise client_error("ResourceNotFoundException", "GetSecretValue")
        (version,) = found
        reader = self._wire.acting
        if reader:
            reader.read.append(version.id)
        return {
            "SecretString": json.dumps(version.content),
            "VersionId": version.id,
            "VersionStages": self._stages()["VersionIdsToStages"].get(version.id, []),
            "CreatedDate": datetime.fromtimestamp(version.created_at, UTC),
        }

    def _stages(self) -> dict[str, Any]:
        stages = {self.versions[-1].id: ["AWSCURRENT"]}
        if len(self.versions) > 1:
            stages[self.versions[-2].id] = ["AWSPREVIOUS"]
        return {"VersionIdsToStages": stages}
