"""Tokens at rest: sealed by KMS, and bound to the place in the table where they lie.

KMS encrypts directly, 4,096 bytes at most; its encryption context names table, connection, variant
and generation, so that a sealed token that is copied elsewhere does not open.
"""

import hashlib
import json
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from token_broker.errors import UpstreamContractChanged
from token_broker.item import Item
from token_broker.store import unavailable
from token_broker.tokens import Token, Variant

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

LARGEST = 4096
"""Bytes that KMS encrypts without a data key."""

LARGEST_OPENED = 65_536
"""Bytes that a sealed token may have in clear."""


class Opener(Protocol):
    """Decrypts what KMS encrypted."""

    def decrypt(self, blob: bytes, context: dict[str, str]) -> bytes | None:
        """Return the clear bytes; None for what was not encrypted under *context*."""


class Sealer:
    """Seals and opens what an item keeps. Raises `StoreUnavailable` and `NotConfigured`."""

    def __init__(
        self, table: str, key_id: str, opener: Opener, client: Callable[[], "KMSClient"]
    ) -> None:
        self._table = table
        self._key_id = key_id
        self._opener = opener
        self._client = client

    def seal_token(self, item: Item, variant: Variant, token: Token, context: str) -> bytes:
        """Return *token* sealed for the generation after that of *item*."""
        return self._seal(
            item,
            {
                "kind": variant.kind,
                "inputs": dict(variant.inputs),
                "value": token.value,
                "headers": dict(token.headers),
                "base_url": token.base_url,
                "url": token.url,
                "renewal": token.renewal,
                "issued_at": token.issued_at,
                "expires_at": token.expires_at,
                "context": _digest(context),
            },
        )

    def seal_variant(self, item: Item, variant: Variant) -> bytes:
        """Return the variant that *item* leads to, sealed for the generation after its own."""
        return self._seal(item, {"kind": variant.kind, "inputs": dict(variant.inputs)})

    def open_token(self, item: Item) -> Token | None:
        """Return the token of *item*; None if there is none, or none sealed for this place."""
        clear = self._open(item)
        try:
            if not clear or _digest(item.context or "") != clear["context"]:
                return None
            if clear["expires_at"] != item.expires_at:
                return None
            return Token(
                value=clear["value"],
                headers=clear["headers"],
                base_url=clear["base_url"],
                issued_at=clear["issued_at"],
                expires_at=clear["expires_at"],
                context=json.loads(item.context or ""),
                url=clear["url"],
                renewal=clear["renewal"],
            )
        except (KeyError, TypeError, ValueError):
            return None

    def open_variant(self, item: Item) -> Variant | None:
        """Return the variant that *item* is, or leads to; None if it was not sealed for it."""
        clear = self._open(item)
        try:
            return Variant(clear["kind"], clear["inputs"]) if clear else None
        except (KeyError, TypeError):
            return None

    def _seal(self, item: Item, clear: dict[str, Any]) -> bytes:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (off the hit path)

        encoded = json.dumps(clear, separators=(",", ":")).encode()
        packed = zlib.compress(encoded, 9)
        if len(encoded) > LARGEST_OPENED or len(packed) > LARGEST:
            raise UpstreamContractChanged("the token is too large to be kept")
        try:
            sealed = self._client().encrypt(
                KeyId=self._key_id,
                Plaintext=packed,
                EncryptionContext=self._place(item, item.generation + 1),
            )
        except (BotoCoreError, ClientError) as error:
            raise unavailable(error, "the key", "KEY_ID") from None
        return sealed["CiphertextBlob"]

    def _open(self, item: Item) -> Any:
        if item.token is None:
            return None
        packed = self._opener.decrypt(item.token, self._place(item, item.generation))
        if packed is None:
            return None
        try:
            return json.loads(zlib.decompressobj().decompress(packed, LARGEST_OPENED))
        except (ValueError, RecursionError, zlib.error):
            return None

    def _place(self, item: Item, generation: int) -> dict[str, str]:
        return {
            "table": self._table,
            "connection": item.connection,
            "variant": item.variant,
            "generation": str(generation),
        }


def _digest(context: str) -> str:
    return hashlib.sha256(context.encode()).hexdigest()
