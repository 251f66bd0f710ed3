"""A sealed token opens only with its context, its generation and its clear attributes."""

import json
import random
import string
import zlib
from typing import Any

import pytest

from tests.unit.memory_aws import KEY_ID, SEAL_BYTES, MemoryAws
from token_broker.errors import UpstreamContractChanged
from token_broker.item import Item
from token_broker.records import replace
from token_broker.tokens import Token, Variant

NOW = 1_900_000_000
VARIANT = Variant("workspace", {"organization": "o-1", "workspace": None})
TOKEN = Token(
    value="secret-value",
    headers={"X-AUTH-TOKEN": "Bearer secret-value"},
    base_url="https://vendor/API",
    issued_at=NOW,
    expires_at=NOW + 3600,
    context={"role": "OWNER", "organization": None},
    url="https://editor/?apitoken=secret-value",
    renewal="secret-renewal",
)
CONTEXT = json.dumps(dict(TOKEN.context))


def kept(aws: MemoryAws, token: Token = TOKEN, context: str = CONTEXT) -> Item:
    """Return an item as the table has it once *token* was committed."""
    before = Item("vntana#acme", "a" * 64, generation=6)
    return replace(
        before,
        token=aws.sealer.seal_token(before, VARIANT, token, context),
        generation=7,
        expires_at=token.expires_at,
        context=context,
    )


def test_an_opened_token_equals_the_sealed_one_without_its_handoff() -> None:
    aws = MemoryAws()
    item = kept(aws, replace(TOKEN, handoff={"listing": 1}))
    assert aws.sealer.open_token(item) == TOKEN
    assert aws.sealer.open_variant(item) == VARIANT
    bare = Token("v", {}, "https://vendor", NOW, NOW + 9)
    assert aws.sealer.open_token(kept(aws, bare, "{}")) == bare


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"partition": "vntana#other"}, id="another connection"),
        pytest.param({"variant": "b" * 64}, id="another variant"),
        pytest.param({"generation": 8}, id="a later generation"),
        pytest.param({"generation": 6}, id="an earlier generation"),
        pytest.param({"token": None}, id="no token"),
        pytest.param({"token": b"nonsense"}, id="no seal"),
    ],
)
def test_a_sealed_token_opens_only_in_its_own_context(changes: dict[str, Any]) -> None:
    """Also for a sealer that remembers what it opened."""
    aws = MemoryAws()
    item, once = kept(aws), aws.sealer.opening_once()
    assert once.open_token(item) == TOKEN
    moved = replace(item, **changes)
    for sealer in (aws.sealer, once):
        assert sealer.open_token(moved) is None
        assert sealer.open_variant(moved) is None


def test_the_encryption_context_has_table_connection_variant_and_generation() -> None:
    """Key policies and CloudTrail may depend on these names."""
    aws = MemoryAws()
    kept(aws)
    context = {"table": "tokens", "connection": "vntana#acme", "variant": "a" * 64}
    assert aws.kms.contexts == [context | {"generation": "7"}]


def holding(aws: MemoryAws, clear: bytes) -> Item:
    """Return an item with other contents under its seal."""
    item = kept(aws)
    sealed = aws.kms.encrypt(
        KeyId=KEY_ID, Plaintext=zlib.compress(clear), EncryptionContext=aws.kms.contexts[0]
    )
    return replace(item, token=sealed["CiphertextBlob"])


def test_a_sealed_text_that_is_too_large_or_not_a_token_does_not_open() -> None:
    """An attacker who may encrypt and write to the table cannot exhaust the memory."""
    aws = MemoryAws()
    large, largest = (
        json.dumps({"kind": "login", "inputs": {"a": "x" * size}}).encode()
        for size in (70_000, 60_000)
    )
    assert aws.sealer.open_variant(holding(aws, largest)) is not None
    for clear in (large, b"[]", b"{}", b'"x"', b"null", b"{", b"\xff", b"[" * 60_000):
        item = holding(aws, clear)
        assert aws.sealer.open_token(item) is None
        assert aws.sealer.open_variant(item) is None


@pytest.mark.parametrize(("size", "opened"), [(0, 0), (1, 1), (6144, 1), (6145, 0)])
def test_kms_is_asked_only_for_what_it_may_have_sealed(size: int, opened: int) -> None:
    """https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html: 6,144 bytes at most."""
    aws = MemoryAws()
    item = replace(holding(aws, b"{}"), token=b"x" * size)
    assert aws.sealer.open_token(item) is None
    assert aws.kms.opened == opened


def test_a_clear_attribute_that_differs_from_the_sealed_one_is_refused() -> None:
    """Nor does a token of another table open."""
    aws = MemoryAws()
    item = kept(aws)
    ends = ({"expires_at": NOW + 3601}, {"expires_at": NOW + 3599})
    for changes in (*ends, {"context": "{}"}, {"context": None}):
        assert aws.sealer.open_token(replace(item, **changes)) is None
    aws.sealer._table = "another"
    assert aws.sealer.open_token(item) is None


def test_an_alias_is_sealed_for_its_next_generation() -> None:
    aws = MemoryAws()
    before = Item("vntana#acme", "-", generation=2)
    sealed = aws.sealer.seal_variant(before, VARIANT)
    alias = replace(before, token=sealed, generation=3)
    assert aws.sealer.open_variant(alias) == VARIANT
    assert aws.sealer.open_token(alias) is None
    assert aws.sealer.open_variant(replace(alias, generation=2)) is None


NOISE = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=8_000))


def sealable(aws: MemoryAws, value: str) -> bool:
    try:
        item = kept(aws, replace(TOKEN, value=value))
    except UpstreamContractChanged:
        return False
    opened = aws.sealer.open_token(item)
    assert opened
    assert opened.value == value
    return True


def test_a_token_is_sealed_whole_or_refused() -> None:
    """KMS encrypts 4,096 bytes; all of them are used."""
    aws = MemoryAws()
    sizes = [size for size in range(4_800, 5_400) if sealable(aws, NOISE[:size])]
    assert sizes == list(range(4_800, sizes[-1] + 1))
    with pytest.raises(UpstreamContractChanged, match=r"^the token is too large to be kept$"):
        kept(aws, replace(TOKEN, value=NOISE))
    packed = [kept(aws, replace(TOKEN, value=NOISE[:size])).token or b"" for size in sizes[-99:]]
    assert max(map(len, packed)) - SEAL_BYTES == 4_096


def test_a_token_larger_than_65536_bytes_in_clear_is_refused() -> None:
    """Also if it compresses well; the largest one that is sealed also opens."""
    aws = MemoryAws()
    largest = next(size for size in range(65_536, 64_000, -1) if sealable(aws, "x" * size))
    value = replace(TOKEN, value="x" * largest)
    clear = {
        "kind": VARIANT.kind,
        "inputs": VARIANT.inputs,
        **{name: getattr(value, name) for name in ("value", "headers", "base_url", "url")},
        **{name: getattr(value, name) for name in ("renewal", "issued_at", "expires_at")},
        "context": "0" * 64,
    }
    assert len(json.dumps(clear, separators=(",", ":"))) == 65_536
