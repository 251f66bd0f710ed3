"""Tokens at rest: sealed by KMS, and bound to their place in the table.

KMS encrypts a token directly, without a data key. The encryption context names table, connection,
variant and generation, so a sealed token that is copied to another place does not open.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from token_broker.aws.clients import Client, call
from token_broker.errors import UpstreamContractChanged
from token_broker.item import Item
from token_broker.tokens import Token, Variant

LARGEST = 4096
"""Bytes that KMS encrypts without a data key, at most."""

LARGEST_SEALED = 6144
"""Bytes that KMS decrypts, at most."""

LARGEST_OPENED = 65_536
"""Bytes that a sealed token may have in clear, at most."""


SEALED = ("value", "headers", "base_url", "url", "renewal", "issued_at", "expires_at")
"""What is sealed of a token. Its context is kept in clear beside it, and its digest is sealed."""


class Sealer:
    """Seals and opens the tokens of items. Raises `StoreUnavailable` and `NotConfigured`."""

    def __init__(self, table: str, key_id: str, client: Client) -> None:
        self._table = table
        self._key_id = key_id
        self._client = client

    def opening_once(self) -> "Sealer":
        """Return a sealer that decrypts each sealed text once, for one invocation's work."""
        return _OpeningOnce(self._table, self._key_id, self._client)

    def seal_token(self, item: Item, variant: Variant, token: Token, context: str) -> bytes:
        """Return *token*, sealed for the next generation of *item*."""
        return self._seal(
            item,
            {
                "kind": variant.kind,
                "inputs": dict(variant.inputs),
                "context": _digest(context),
                **{name: getattr(token, name) for name in SEALED},
            },
        )

    def seal_variant(self, item: Item, variant: Variant) -> bytes:
        """Return the variant that *item* is an alias of, sealed for its next generation."""
        return self._seal(item, {"kind": variant.kind, "inputs": dict(variant.inputs)})

    def open_token(self, item: Item) -> Token | None:
        """Return the token of *item*. None if there is none, or none that was sealed for it."""
        clear = self._open(item)
        try:
            context = item.context or ""
            if (_digest(context), item.expires_at) != (clear["context"], clear["expires_at"]):
                return None
            sealed = {name: clear[name] for name in SEALED}
            return Token(**sealed, context=json.loads(context))
        except (KeyError, TypeError, ValueError):
            return None

    def open_variant(self, item: Item) -> Variant | None:
        """Return the variant of *item*, or of its target. None if it was not sealed for *item*."""
        clear = self._open(item)
        try:
            return Variant(clear["kind"], clear["inputs"])
        except (KeyError, TypeError):
            return None

    def _seal(self, item: Item, clear: dict[str, Any]) -> bytes:
        encoded = json.dumps(clear, separators=(",", ":")).encode()
        packed = zlib.compress(encoded, 9)
        if len(encoded) > LARGEST_OPENED or len(packed) > LARGEST:
            raise UpstreamContractChanged("the token is too large to be kept")
        answer = call(
            self._client,
            "encrypt",
            KeyId=self._key_id,
            Plaintext=packed,
            EncryptionContext=self._place(item, item.generation + 1),
        )
        sealed: bytes = answer["CiphertextBlob"]
        return sealed

    def _open(self, item: Item) -> Any:
        if item.token is None:
            return None
        packed = self._decrypt(item.token, self._place(item, item.generation))
        if packed is None:
            return None
        try:
            return json.loads(zlib.decompressobj().decompress(packed, LARGEST_OPENED))
        except (ValueError, RecursionError, zlib.error):
            return None

    def _decrypt(self, blob: bytes, context: Mapping[str, str]) -> bytes | None:
        """Return the clear bytes. None if they are not of *context*, or not of our key."""
        if not 0 < len(blob) <= LARGEST_SEALED:
            return None
        answer = call(
            self._client,
            "decrypt",
            KeyId=self._key_id,
            CiphertextBlob=blob,
            EncryptionContext=context,
        )
        return answer["Plaintext"] if answer else None

    def _place(self, item: Item, generation: int) -> dict[str, str]:
        return {
            "table": self._table,
            "connection": item.partition,
            "variant": item.variant,
            "generation": str(generation),
        }


class _OpeningOnce(Sealer):
    """Remembers what it decrypted."""

    def __init__(self, table: str, key_id: str, client: Client) -> None:
        super().__init__(table, key_id, client)
        self._known: dict[tuple[bytes, ...], bytes | None] = {}

    def _decrypt(self, blob: bytes, context: Mapping[str, str]) -> bytes | None:
        sealed = blob, *(value.encode() for value in context.values())
        if sealed not in self._known:
            self._known[sealed] = super()._decrypt(blob, context)
        return self._known[sealed]


def _digest(context: str) -> str:
    return hashlib.sha256(context.encode()).hexdigest()
