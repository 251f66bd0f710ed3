"""The table's content, from any writer."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

from fuzz.targets.inputs import document
from fuzz.targets.properties import expect
from token_broker import status
from token_broker.decisions import may_force, recent_reports
from token_broker.item_codec import MOST_DIGITS, item_of
from token_broker.look import Look
from token_broker.sealing import Sealer
from token_broker.status import state
from token_broker.tokens import Token

NOW = 1_900_000_000


def items(data: bytes) -> None:
    """Read an item's attributes, and decide by it: a corrupt item counts as absent."""
    record = document(data)
    if not isinstance(record, dict):
        return
    attributes = {name: typed(value) for name, value in record.items()}
    item = item_of("flow#connection", "-", attributes)
    if item.corrupt:
        expect(item.token is None and item.target is None, "a corrupt token is absent")
    expect(0 <= item.expires_at < 10**MOST_DIGITS, "numbers are bounded")
    state(item, NOW, "v1")
    may_force(item, NOW)
    recent_reports(item, NOW)
    Look(item, item, item, NOW).alias_state  # noqa: B018 (a read that must not fail)
    item.is_due(NOW)
    json.dumps(status.entry(item, item, NOW, "v1")).encode()
    for name in item.corrupt:
        expect(name.isidentifier(), "an error names the attribute, not its value")


def typed(value: Any) -> Any:
    """Return a typed attribute; bytes are given as text."""
    if isinstance(value, Mapping) and isinstance(value.get("B"), str):
        return {"B": value["B"].encode("utf-8", "surrogatepass")}
    return value


def seals(data: bytes) -> None:
    """Open sealed bytes, also of another version of the program: the result is a token or None."""
    record = {
        **{name: {"N": "1"} for name in ("schema", "generation", "fence", "issued_at")},
        **{name: {"S": "{}"} for name in ("kind", "fingerprint", "secret_version", "context")},
        "token": {"B": b"x"},
        "expires_at": {"N": "1900000001"},
        "refresh_at": {"N": "1900000001"},
    }
    item = item_of("flow#connection", "-", record)
    sealer = Sealer("table", "key", lambda: Key(data))
    token = sealer.open_token(item)
    expect(token is None or isinstance(token, Token), "a token or None")
    variant = sealer.open_variant(item)
    expect(variant is None or isinstance(variant.kind, str), "a variant or None")


class Key:
    """A key that decrypts everything to the same bytes."""

    def __init__(self, plain: bytes) -> None:
        self._plain = plain

    def decrypt(self, **_: object) -> dict[str, bytes]:
        """Return those bytes."""
        return {"Plaintext": zlib.compress(self._plain)}
