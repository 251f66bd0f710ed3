"""What a hit needs of AWS: items of the table, and KMS to open the tokens in them."""

from collections.abc import Mapping, Sequence
from typing import Any

from token_broker.aws.clients import Client, call
from token_broker.errors import StoreUnavailable

LARGEST_SEALED = 6144
"""Bytes that KMS decrypts, at most."""

_Record = Mapping[str, Any]


class Reader:
    """Reads items and decrypts. Raises `StoreUnavailable` and `NotConfigured`."""

    def __init__(self, table: str, key_id: str, dynamodb: Client, kms: Client) -> None:
        self._table = table
        self._key_id = key_id
        self._dynamodb = dynamodb
        self._kms = kms

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
        answer = call(
            self._kms,
            "decrypt",
            KeyId=self._key_id,
            CiphertextBlob=blob,
            EncryptionContext=context,
        )
        return answer["Plaintext"] if answer else None

    def _one(self, key: _Record) -> list[_Record]:
        answer = call(
            self._dynamodb, "get_item", TableName=self._table, Key=key, ConsistentRead=True
        )
        return [answer["Item"]] if "Item" in answer else []

    def _several(self, keys: Sequence[_Record]) -> list[_Record]:
        requested = {self._table: {"Keys": keys, "ConsistentRead": True}}
        answer = call(self._dynamodb, "batch_get_item", RequestItems=requested)
        if answer.get("UnprocessedKeys"):
            raise StoreUnavailable("the table is busy", retry_after=1)
        return [record for records in answer["Responses"].values() for record in records]
