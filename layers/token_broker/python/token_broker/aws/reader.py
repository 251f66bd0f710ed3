"""What a hit needs of AWS: items of the table, and KMS to open what is sealed in them.

Asked by the fast read where there is one, and through boto3 for whatever it does not answer.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from token_broker.aws import clients
from token_broker.aws.endpoints import Unsuited
from token_broker.errors import StoreUnavailable
from token_broker.store import unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient

    from token_broker.aws.fast_client import FastRead

LARGEST_SEALED = 6144
"""Bytes that KMS takes to be decrypted."""

QUICK_SECONDS = 2.0
"""With less time than this left, the fast read is not tried: this long it may take to connect,
and to wait in vain."""

_TAMPERED = {"InvalidCiphertextException", "IncorrectKeyException"}
_NOT_PERMITTED = "not authorized to perform"
"""What KMS says of a missing permission. Under the same code it says, in other words, that what it
was given refers to a key that does not exist."""

_Record = Mapping[str, Any]
_Part = TypeVar("_Part")


class Reader:
    """Reads items and opens what they seal. Raises `StoreUnavailable` and `NotConfigured`.

    The clients are made when boto3 has to be asked, and not before.
    """

    def __init__(
        self,
        table: str,
        key_id: str,
        dynamodb: Callable[[], "DynamoDBClient"],
        kms: Callable[[], "KMSClient"],
        fast: "FastRead | None" = None,
    ) -> None:
        self._table = table
        self._key_id = key_id
        self._dynamodb = dynamodb
        self._kms = kms
        self._fast = fast
        self.fallbacks = 0
        """How often the fast read was tried, and boto3 had to be asked instead."""

    def items(self, connection: str, *variants: str) -> Sequence[_Record | None]:
        """Return the typed attributes of each of *variants*, strongly consistent."""
        keys = [
            {"connection": {"S": connection}, "variant": {"S": variant}}
            for variant in dict.fromkeys(variants)
        ]
        found = self._one(keys[0]) if len(keys) == 1 else self._several(keys)
        by_variant = {record["variant"]["S"]: record for record in found}
        return [by_variant.get(variant) for variant in variants]

    def decrypt(self, blob: bytes, context: Mapping[str, str]) -> bytes | None:
        """Return what was sealed as *blob*; None if not under *context*, or not by our key."""
        if not 0 < len(blob) <= LARGEST_SEALED:
            return None
        request = {"KeyId": self._key_id, "EncryptionContext": dict(context)}
        encoded = request | {"CiphertextBlob": b64encode(blob).decode()}
        clear = self._quick("kms", "Decrypt", encoded, _plaintext)
        return self._decrypted(blob, context) if clear is None else clear

    def _one(self, key: _Record) -> list[_Record]:
        request: Any = {"TableName": self._table, "Key": key, "ConsistentRead": True}
        found = self._quick("dynamodb", "GetItem", request, _typed_item)
        if found is not None:
            return found
        return self._of_table(lambda client: _item(client.get_item(**request)))

    def _several(self, keys: Sequence[_Record]) -> list[_Record]:
        asked = {self._table: {"Keys": keys, "ConsistentRead": True}}
        request: Any = {"RequestItems": asked}
        found = self._quick("dynamodb", "BatchGetItem", request, _typed_items)
        if found is not None:
            return found
        return self._of_table(lambda client: _items(client.batch_get_item(**request)))

    def _quick(
        self, service: str, operation: str, request: _Record, part: Callable[[_Record], _Part]
    ) -> _Part | None:
        """Return *part* of what the fast read brings, None if it is not for it to bring."""
        if not self._fast or clients.seconds_left() < QUICK_SECONDS:
            return None
        with suppress(Unsuited, StoreUnavailable, ValueError, TypeError, KeyError, AttributeError):
            return part(self._fast.post(service, operation, request))
        self.fallbacks += 1
        return None

    def _of_table(self, ask: Callable[["DynamoDBClient"], list[_Record]]) -> list[_Record]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (off the hit path)

        try:
            return ask(self._dynamodb())
        except (BotoCoreError, ClientError) as error:
            failure = unavailable(error, "the table", "TABLE_NAME")
        raise failure

    def _decrypted(self, blob: bytes, context: Mapping[str, str]) -> bytes | None:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (off the hit path)

        try:
            answer = self._kms().decrypt(
                KeyId=self._key_id, CiphertextBlob=blob, EncryptionContext=context
            )
        except (BotoCoreError, ClientError) as error:
            if _is_no_seal_of_ours(error):
                return None
            failure = unavailable(error, "the key", "KEY_ID")
        else:
            return answer["Plaintext"]
        raise failure


def _is_no_seal_of_ours(error: Exception) -> bool:
    # Not every HTTP error of botocore's has a response, and some have one that is None.
    response: Any = getattr(error, "response", None) or {}
    said = response.get("Error", {})
    if said.get("Code") == "AccessDeniedException":
        return _NOT_PERMITTED not in said.get("Message", "")
    return said.get("Code") in _TAMPERED


def _item(answer: _Record) -> list[_Record]:
    return [answer["Item"]] if "Item" in answer else []


def _items(answer: _Record) -> list[_Record]:
    if answer.get("UnprocessedKeys"):
        raise StoreUnavailable("the table is busy", retry_after=1)
    return [record for records in answer["Responses"].values() for record in records]


def _typed_item(answer: _Record) -> list[_Record]:
    if answer.keys() - {"Item"}:
        raise Unsuited("an answer of another kind")
    return [_keyed_record(record) for record in _item(answer)]


def _typed_items(answer: _Record) -> list[_Record]:
    return [_keyed_record(record) for record in _items(answer)]


def _keyed_record(record: _Record) -> _Record:
    if not isinstance(record["variant"]["S"], str):
        raise Unsuited("an item without its key")
    return _typed_record(record)


def _typed_record(record: _Record) -> _Record:
    return {name: _typed(value) for name, value in record.items()}


def _typed(value: _Record) -> _Record:
    """Return an attribute of DynamoDB's JSON as boto3 has it: all alike, but for bytes."""
    ((kind, inner),) = value.items()
    match kind:
        case "S" | "N" | "BOOL" | "NULL" | "SS" | "NS":
            return value
        case "B":
            return {kind: b64decode(inner, validate=True)}
        case "BS":
            return {kind: [b64decode(each, validate=True) for each in inner]}
        case "L":
            return {kind: [_typed(each) for each in inner]}
        case "M":
            return {kind: _typed_record(inner)}
    raise Unsuited("an attribute of another type")


def _plaintext(answer: _Record) -> bytes:
    return b64decode(answer["Plaintext"], validate=True)
