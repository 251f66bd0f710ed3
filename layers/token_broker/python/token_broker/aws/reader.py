"""What a hit needs of AWS: items of the table, and KMS to open the tokens in them.

The fast client is tried first, where there is one. boto3 is used for what it cannot answer.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from token_broker.aws import clients
from token_broker.aws.endpoints import FallBack
from token_broker.errors import StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient

    from token_broker.aws.fast_client import FastClient

LARGEST_SEALED = 6144
"""Bytes that KMS decrypts, at most."""

FAST_SECONDS = 2.0
"""The time that the fast client may take to connect and to wait. With less time left, it is not
tried."""

_Record = Mapping[str, Any]
_Part = TypeVar("_Part")


class Reader:
    """Reads items and decrypts. Raises `StoreUnavailable` and `NotConfigured`.

    boto3's clients are made only when the fast client cannot answer.
    """

    def __init__(
        self,
        table: str,
        key_id: str,
        dynamodb: Callable[[], "DynamoDBClient"],
        kms: Callable[[], "KMSClient"],
        fast: "FastClient | None" = None,
    ) -> None:
        self._table = table
        self._key_id = key_id
        self._dynamodb = dynamodb
        self._kms = kms
        self._fast = fast
        self.fallbacks = 0
        """How often the fast client was tried, and boto3 had to be used instead."""

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
        """Return *blob* decrypted. None if it is not of *context*, or not of our key."""
        if not 0 < len(blob) <= LARGEST_SEALED:
            return None
        request = {"KeyId": self._key_id, "EncryptionContext": dict(context)}
        encoded = request | {"CiphertextBlob": b64encode(blob).decode()}
        clear = self._try_fast("kms", "Decrypt", encoded, _plaintext)
        return self._decrypted(blob, context) if clear is None else clear

    def _one(self, key: _Record) -> list[_Record]:
        request: Any = {"TableName": self._table, "Key": key, "ConsistentRead": True}
        found = self._try_fast("dynamodb", "GetItem", request, _typed_item)
        if found is not None:
            return found
        return _item(clients.call(self._dynamodb, "get_item", **request))

    def _several(self, keys: Sequence[_Record]) -> list[_Record]:
        request: Any = {"RequestItems": {self._table: {"Keys": keys, "ConsistentRead": True}}}
        found = self._try_fast("dynamodb", "BatchGetItem", request, _typed_items)
        if found is not None:
            return found
        return _items(clients.call(self._dynamodb, "batch_get_item", **request))

    def _try_fast(
        self, service: str, operation: str, request: _Record, part: Callable[[_Record], _Part]
    ) -> _Part | None:
        """Return *part* of the fast client's answer. None if boto3 must be used."""
        if not self._fast or clients.seconds_left() < FAST_SECONDS:
            return None
        with suppress(FallBack, StoreUnavailable, ValueError, TypeError, KeyError, AttributeError):
            return part(self._fast.post(service, operation, request))
        self.fallbacks += 1
        return None

    def _decrypted(self, blob: bytes, context: Mapping[str, str]) -> bytes | None:
        answer = clients.call(
            self._kms,
            "decrypt",
            KeyId=self._key_id,
            CiphertextBlob=blob,
            EncryptionContext=context,
        )
        return answer["Plaintext"] if answer else None


def _item(answer: _Record) -> list[_Record]:
    return [answer["Item"]] if "Item" in answer else []


def _items(answer: _Record) -> list[_Record]:
    if answer.get("UnprocessedKeys"):
        raise StoreUnavailable("the table is busy", retry_after=1)
    return [record for records in answer["Responses"].values() for record in records]


def _typed_item(answer: _Record) -> list[_Record]:
    if answer.keys() - {"Item"}:
        raise FallBack("an answer with more than an item")
    return [_keyed_record(record) for record in _item(answer)]


def _typed_items(answer: _Record) -> list[_Record]:
    return [_keyed_record(record) for record in _items(answer)]


def _keyed_record(record: _Record) -> _Record:
    if not isinstance(record["variant"]["S"], str):
        raise FallBack("an item without its key")
    return _typed_record(record)


def _typed_record(record: _Record) -> _Record:
    return {name: _typed(value) for name, value in record.items()}


def _typed(value: _Record) -> _Record:
    """Return an attribute of DynamoDB's JSON as boto3 returns it: only bytes differ."""
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
    raise FallBack("an attribute of an unknown type")


def _plaintext(answer: _Record) -> bytes:
    return b64decode(answer["Plaintext"], validate=True)
