"""Variants and tokens: encoding, keys, fingerprints and reprs."""

import json
import re
from collections.abc import Mapping

from hypothesis import example, given
from hypothesis import strategies as st

from token_broker.tokens import ONLY, Token, Variant, canonical_hash, encode, fingerprint

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def typed(value: object) -> object:
    """Return *value* so that ``==`` sees types: for Python, ``1 == 1.0 == True``."""
    match value:
        case Mapping():
            return {key: typed(member) for key, member in value.items()}
        case list():
            return [typed(member) for member in value]
        case _:
            return [type(value).__name__, repr(value)]


def turned(value: object) -> object:
    """Return *value* with the members of each object in reverse order."""
    match value:
        case Mapping():
            return {key: turned(value[key]) for key in reversed(value)}
        case list():
            return [turned(member) for member in value]
        case _:
            return value


@given(json_values, json_values)
@example(["a", "bc"], ["ab", "c"])
@example({"a": "b"}, ["a", "b"])
@example({"a": {}}, {"a": []})
@example([["a"], "b"], [["a", "b"]])
@example({"a": "b", "c": "d"}, {"a": "d", "c": "b"})
@example(["s1:a"], ["a"])
@example("\u00e9", "e\u0301")
@example("\ud800", "\udfff")
@example({"": 0}, {})
@example(0.0, -0.0)
@example([1, 1, 1, None], [1.0, "1", True, "null"])
def test_different_values_never_share_an_encoding(one: object, other: object) -> None:
    """Nor do types: values are sent unchanged, so each may have another token."""
    assert (encode(one) == encode(other)) == (typed(one) == typed(other))


@given(json_values)
def test_neither_the_order_of_keys_nor_a_json_round_trip_matters(value: object) -> None:
    assert encode(turned(value)) == encode(value)
    assert canonical_hash(json.loads(json.dumps(value))) == canonical_hash(value)


def test_the_key_of_a_variant_is_64_hex_digits_of_its_kind_and_inputs() -> None:
    """Without inputs the key is `-`, that of the gate."""
    inputs = {"organization": "acme"}
    assert (Variant("a", inputs).inputs, Variant("a").inputs) == (inputs, {})
    assert Variant("a", {}).key == Variant("login").key == ONLY == "-"
    assert Variant("organization", inputs).key != Variant("asked", inputs).key
    assert re.fullmatch("[0-9a-f]{64}", Variant("parameters", {"parameters": {}}).key)


def test_the_encoding_is_stable() -> None:
    """With another encoding, no stored token would be found."""
    value = {"b": [1, 2.5, True, None, "é"], "a": {}}
    assert encode(value) == b"o44:s1:ao0:s1:ba29:j1:1j3:2.5j4:truej4:nulls2:\xc3\xa9"


def test_a_fingerprint_is_the_beginning_of_a_sha256_digest() -> None:
    """Callers and logs use it, so it must not change."""
    assert fingerprint("hunter2") == "f52fbd32b2b3b86f"
    assert Token("hunter2", {}, "https://vendor", 1, 2).fingerprint == fingerprint("hunter2")


def test_the_reprs_of_a_token_and_of_a_variant_have_no_secret() -> None:
    """The handoff is a secret, too, and an editor's parameters may hold some."""
    assert "hunter2" not in repr(Variant("parameters", {"plpass": "hunter2"}))
    secret = {"x": "hunter2"}
    whole = Token("hunter2", secret, "https://v", 1, 2, {"role": "R"}, "hunter2", "hunter2", secret)
    shown = "base_url='https://v', issued_at=1, expires_at=2, context={'role': 'R'}"
    assert repr(whole) == f"Token({shown})"
    least = Token("hunter2", secret, "https://v", 1, 2)
    assert (least.context, least.url, least.renewal, least.handoff) == ({}, None, None, {})
